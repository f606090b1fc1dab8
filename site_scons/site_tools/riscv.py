# SPDX-License-Identifier: Apache-2.0
"""SCons tool: the generated program and the runtime to objects, ELF, map, listing and binary."""

import os

from acalsim_backend.errors import AcalsimError
from acalsim_backend.host import toolchain
from acalsim_backend.machine.file import load_machine
from SCons.Script import Action


def generate(env):
    cpu = load_machine(env["MACHINE_FILE"]).cpu
    compiler = toolchain.c_compiler(cpu)
    env["ISA"] = cpu.isa
    env["CROSS"] = toolchain.PREFIX
    env["RISCV_GCC"] = "${CROSS}gcc"
    env["RISCV_GCCFLAGS"] = " ".join(toolchain.gcc_flags())
    env["RISCV_ASFLAGS"] = " ".join(toolchain.as_flags(cpu))
    env["RISCV_CC"] = "$RISCV_GCC" if compiler == "gcc" else compiler
    env["RISCV_CFLAGS"] = " ".join(toolchain.c_flags(cpu))
    for method in (riscv_object, Firmware, Listings):
        env.AddMethod(method)


def exists(env):
    return True


def compiler_binaries(env):
    """The compilers' program files: a changed one is noticed."""
    try:
        return [
            env.File(path) for path in sorted({toolchain.find_compiler(env["ISA"]), toolchain.find_gcc()})
        ]
    except AcalsimError:
        return []


def commands(env, *lines):
    """The commands themselves or, without a cross compiler, the one that says so."""
    return (
        list(lines)
        if compiler_binaries(env)
        else ["$( $PYTHON $) -m acalsim_backend.host.toolchain check $ISA"]
    )


def riscv_object(env, folder, source):
    name = os.path.splitext(os.path.basename(source))[0]
    assembly = source.endswith(".S")
    compiler = "$RISCV_GCC $RISCV_GCCFLAGS $RISCV_ASFLAGS" if assembly else "$RISCV_CC $RISCV_CFLAGS"
    maps = f"$( -ffile-prefix-map={os.getcwd()}={toolchain.BUILD_FOLDER} $) -ffile-prefix-map={folder}/="
    command = f"{compiler} -I{folder} -Ikernels -Wa,-I{folder} {maps} -c $SOURCE -o $TARGET"
    made = env.Command(
        f"{folder}/{name}.o",
        source,
        Action(commands(env, command), **env.Saying("compile", source)),
        CPPPATH=[f"#{folder}", "#kernels"],
    )
    env.Depends(made, compiler_binaries(env))
    return made[0]


def Firmware(env, model, code, data):
    """The model's ELF and its map: runtime, program, values."""
    folder = model.folder
    runtime = [env.riscv_object(folder, f"kernels/{name}") for name in toolchain.RUNTIME_SOURCES]
    generated = [env.riscv_object(folder, f"{folder}/{name}") for name in toolchain.GENERATED_SOURCES]
    env.Depends(generated, f"{folder}/graph_0.h")
    env.Depends(generated[1:], data)
    command = (
        f"$RISCV_GCC $RISCV_GCCFLAGS {' '.join(toolchain.LDFLAGS)} -T {folder}/graph_0.ld -Wl,-Map,${{TARGETS[1]}} "
        f"-o $TARGET $SOURCES {' '.join(toolchain.LIBRARIES)}"
    )
    elf, map_file = f"{model.build}/{model.name}.elf", f"{model.build}/{model.name}.map"
    action = Action(commands(env, command), **env.Saying("link", elf))
    made = env.Command([elf, map_file], [*runtime, *generated], action)
    env.Depends(made, [f"{folder}/graph_0.ld", *compiler_binaries(env)])
    env.Clean(made, [folder, model.capture])
    return made


def Listings(env, model, elf):
    """Disassembly and raw image of the ELF."""
    rows = (
        ("dump", "${CROSS}objdump -d $SOURCE > $TARGET"),
        ("bin", "${CROSS}objcopy -O binary $SOURCE $TARGET"),
    )
    return [
        env.Command(
            f"{model.build}/{model.name}.{suffix}",
            elf[0],
            Action(
                commands(env, command),
                **env.Saying("objcopy" if suffix == "bin" else "objdump", f"{model.name}.{suffix}"),
            ),
        )
        for suffix, command in rows
    ]
