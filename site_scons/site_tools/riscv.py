# SPDX-License-Identifier: Apache-2.0
"""SCons tool: the generated program and the runtime to objects, ELF, map, listing and binary."""

import os

from acalsim_backend.errors import AcalsimError
from acalsim_backend.host import toolchain
from acalsim_build import products
from acalsim_build.commands import Word


def generate(env):
    cpu = env["CPU"]
    compiler = toolchain.c_compiler(cpu)
    env["CROSS"] = toolchain.PREFIX
    env["RISCV_GCC"] = "${CROSS}gcc"
    env["RISCV_GCCFLAGS"] = " ".join(toolchain.gcc_flags())
    env["RISCV_ASFLAGS"] = " ".join(toolchain.as_flags(cpu))
    env["RISCV_CC"] = "$RISCV_GCC" if compiler == "gcc" else compiler
    env["RISCV_CFLAGS"] = " ".join(toolchain.c_flags(cpu))
    env["COMPILER_BINARIES"] = compiler_binaries(env)
    env["RUNTIME_OBJECTS"] = None
    for method in (riscv_object, Runtime, Firmware, Listings):
        env.AddMethod(method)


def exists(env):
    return True


def compiler_binaries(env):
    """The compilers' program files: a changed one is noticed."""
    try:
        paths = {toolchain.find_compiler(env["CPU"].isa), toolchain.find_gcc()}
    except AcalsimError:
        return []
    return env.Nodes(sorted(paths))


def or_complaint(env, command):
    """The command itself or, without a cross compiler, the one that says so."""
    if env["COMPILER_BINARIES"]:
        return command
    return ["$(", "$PYTHON", "$)", "-m", "acalsim_backend.host.toolchain", "check", env["CPU"].isa]


def riscv_object(env, folder, source):
    name = os.path.splitext(os.path.basename(source))[0]
    is_assembly = source.endswith(".S")
    compiler = (
        ["$RISCV_GCC", "$RISCV_GCCFLAGS", "$RISCV_ASFLAGS"] if is_assembly else ["$RISCV_CC", "$RISCV_CFLAGS"]
    )
    places = [Word(f"-I{folder}"), "-Ikernels"]
    maps = ["$(", Word(f"-ffile-prefix-map={os.getcwd()}={toolchain.BUILD_FOLDER}"), "$)"]
    maps.append(Word(f"-ffile-prefix-map={folder}/="))
    command = [*compiler, *places, *maps, "-c", "$SOURCE", "-o", "$TARGET"]
    scanned = [env.fs.Dir(folder), env.fs.Dir("kernels")]
    made = env.Run(
        "compile", source, f"{folder}/{name}.o", source, or_complaint(env, command), CPPPATH=scanned
    )
    env.Depends(made, env["COMPILER_BINARIES"])
    return made[0]


def Runtime(env):
    """The objects that every firmware of the machine is linked with, the same for all models."""
    if env["RUNTIME_OBJECTS"] is None:
        folder = f"{env['BUILD']}/runtime"
        registers = env.Room(
            "machine.headers", "registers", f"{folder}/registers.h", [], "registers", "$TARGET"
        )
        text, arguments = env["MACHINE_HEADER"], ["machine", "$MACHINE_FILE", "$TARGET"]
        machine = env.Room("machine.headers", "machine", f"{folder}/machine.h", text, *arguments)
        made = [env.riscv_object(folder, f"kernels/{name}") for name in toolchain.RUNTIME_SOURCES]
        env.Depends(made, [registers, machine])
        env.Clean(made, env.fs.Dir(folder))
        env["RUNTIME_OBJECTS"] = made
    return env["RUNTIME_OBJECTS"]


def Firmware(env, model, code, data):
    """The model's ELF and its map: runtime, program, values."""
    folder = model.folder
    program = [env.riscv_object(folder, str(source)) for source in (code.program, code.weights)]
    env.Depends(program, code.header)
    made = products.Firmware(f"{model.build}/{model.name}.elf", f"{model.build}/{model.name}.map")
    command = ["$RISCV_GCC", "$RISCV_GCCFLAGS", *toolchain.LDFLAGS, "-T", Word(code.script)]
    command += ["-Xlinker", Word(f"-Map={made.map}"), "-o", "$TARGET", "$SOURCES", *toolchain.LIBRARIES]
    nodes = env.Run(
        "link", made.elf, made, [*env.Runtime(), *program, data.values], or_complaint(env, command)
    )
    env.Depends(nodes, [code.script, *env["COMPILER_BINARIES"]])
    env.Clean(nodes, [env.fs.Dir(folder), env.fs.Dir(model.capture)])
    return made.as_nodes(nodes)


def Listings(env, model, elf):
    """Disassembly and raw image of the ELF."""
    dump = ["${CROSS}objdump", "-d", "$SOURCE", ">", "$TARGET"]
    image = ["${CROSS}objcopy", "-O", "binary", "$SOURCE", "$TARGET"]
    made = []
    for tool, suffix, command in (("objdump", "dump", dump), ("objcopy", "bin", image)):
        name = f"{model.name}.{suffix}"
        made += env.Run(tool, name, f"{model.build}/{name}", elf.elf, or_complaint(env, command))
    return made
