# SPDX-License-Identifier: Apache-2.0
"""SCons tool: the generated program and the runtime to objects, ELF, map, listing and binary."""

import os

from acalsim_backend import toolchain
from acalsim_backend.errors import AcalsimError
from SCons.Script import Action


def generate(env):
    env["CROSS"] = toolchain.PREFIX
    env["RISCV_FLAGS"] = " ".join((*toolchain.machine_flags(env["ISA"]), *toolchain.CFLAGS))
    for method in (riscv_object, Firmware, Listings):
        env.AddMethod(method)


def exists(env):
    return True


def compiler_binary(env):
    """The compiler's program file: a changed one is noticed."""
    try:
        return [env.File(toolchain.find_compiler())]
    except AcalsimError:
        return []


def commands(env, *lines):
    """The commands themselves or, without a cross compiler, the one that says so."""
    return list(lines) if compiler_binary(env) else ["$( $PYTHON $) -m acalsim_backend.toolchain check"]


def riscv_object(env, folder, source):
    name = os.path.splitext(os.path.basename(source))[0]
    more = toolchain.ASFLAGS if source.endswith(".S") else ()
    flags = f"{' '.join(more)} -I{folder} -Ikernels -Wa,-I{folder}"
    maps = f"$( -ffile-prefix-map={os.getcwd()}={toolchain.BUILD_FOLDER} $) -ffile-prefix-map={folder}/="
    command = f"${{CROSS}}gcc $RISCV_FLAGS {flags} {maps} -c $SOURCE -o $TARGET"
    made = env.Command(
        f"{folder}/{name}.o",
        source,
        Action(commands(env, command), **env.Saying("compile", source)),
        CPPPATH=[f"#{folder}", "#kernels"],
    )
    env.Depends(made, compiler_binary(env))
    return made[0]


def Firmware(env, model, code, data):
    """The model's ELF and its map: runtime, program, values."""
    folder = model.folder
    runtime = [env.riscv_object(folder, f"kernels/{name}") for name in toolchain.RUNTIME_SOURCES]
    generated = [env.riscv_object(folder, f"{folder}/{name}") for name in toolchain.GENERATED_SOURCES]
    env.Depends(generated, f"{folder}/graph_0.h")
    env.Depends(generated[1:], data)
    command = (
        f"${{CROSS}}gcc $RISCV_FLAGS {' '.join(toolchain.LDFLAGS)} -T {folder}/graph_0.ld -Wl,-Map,${{TARGETS[1]}} "
        f"-o $TARGET $SOURCES {' '.join(toolchain.LIBRARIES)}"
    )
    elf, map_file = f"{model.build}/{model.name}.elf", f"{model.build}/{model.name}.map"
    action = Action(commands(env, command), **env.Saying("link", elf))
    made = env.Command([elf, map_file], [*runtime, *generated], action)
    env.Depends(made, [f"{folder}/graph_0.ld", *compiler_binary(env)])
    env.Clean(made, [folder, model.capture])
    return made


def Listings(env, model, elf):
    """Disassembly and raw image of the ELF."""
    rows = (("dump", "${CROSS}objdump -d $SOURCE > $TARGET"), ("bin", "${CROSS}objcopy -O binary $SOURCE $TARGET"))
    return [
        env.Command(
            f"{model.build}/{model.name}.{suffix}",
            elf[0],
            Action(commands(env, command), **env.Saying("objcopy" if suffix == "bin" else "objdump", f"{model.name}.{suffix}")),
        )
        for suffix, command in rows
    ]
