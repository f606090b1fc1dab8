# SPDX-License-Identifier: Apache-2.0
"""The cross compilers and their flags, for SCons, the generated Makefile and the backend alike.

gcc compiles, assembles and links for scalar machines. gcc 12 neither vectorises for RISC-V nor knows the
vector intrinsics; for machines with vectors clang compiles the C, and gcc still assembles and links.

    python -m acalsim_backend.host.toolchain check [ISA]    prints the compiler's version, or what is missing
"""

from __future__ import annotations

import os
import shutil
import subprocess

from ..errors import ToolchainError, run_room
from ..machine.machine import Cpu

PREFIX = os.environ.get("CROSS_COMPILE") or "riscv64-unknown-elf-"
PACKAGES = "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf"
CLANG = "clang-16"
"""The program's name, which is also that of Debian's package."""
PICOLIBC = "/usr/lib/picolibc/riscv64-unknown-elf"
"""Where Debian installs picolibc, for clang; gcc finds it by its specs file."""

RUNTIME_SOURCES = ("start.S", "trap.c", "console.c", "compute.c", "completion.c")
"""The files of kernels/ that every firmware is linked with. The first one holds the reset code."""
GENERATED_SOURCES = ("graph_0.c", "graph_0_weights.c")

COMMON_FLAGS = (
    "-mabi=lp64d",
    "-mcmodel=medany",
    "-std=gnu11",
    "-O3",
    # A multiply-add is rounded once, as by the machine's fmadd.
    "-ffp-contract=fast",
    "-fno-strict-aliasing",
    # Integers overflow as PyTorch's do.
    "-fwrapv",
    "-ffunction-sections",
    "-g",
    "-Wall",
    "-Wextra",
    "-Werror",
    # Generated code compares a value with itself to find NaN.
    "-Wno-tautological-compare",
    # A model may ask whether a uint8 is negative.
    "-Wno-type-limits",
)
GCC_FLAGS = (
    "--specs=picolibc.specs",
    # With it, gcc spills the registers of matrix tiles to memory.
    "-fno-schedule-insns",
    # More registers let the scheduler that runs after their assignment move loads ahead of their use.
    "-frename-registers",
    # Without it, gcc turns loops that copy or clear rows into calls of picolibc's byte-by-byte functions.
    "-fno-tree-loop-distribute-patterns",
    # Each op keeps a function, and so a symbol, of its own.
    "-fno-ipa-icf",
    # gcc 12 takes some functions that write a tensor for pure ones, and drops their calls.
    "-fno-ipa-pure-const",
    "-fno-ipa-modref",
    "-gno-record-gcc-switches",
)
CFLAGS = (*COMMON_FLAGS, *GCC_FLAGS)
"""gcc's flags without -march."""
CLANG_FLAGS = (
    "--target=riscv64-unknown-elf",
    *("-isystem", f"{PICOLIBC}/include"),
    "-ftls-model=local-exec",
    # Functions of <math.h> are instructions, and loops over them vectorise, only where nobody asks for errno.
    "-fno-math-errno",
    # Loops that copy or clear become vector code instead of calls of picolibc's scalar functions.
    "-fno-builtin-memcpy",
    "-fno-builtin-memset",
    # Generated code compares and converts a model's constants as they are.
    "-Wno-tautological-bitwise-compare",
    "-Wno-implicit-const-int-float-conversion",
    # A loop may be too short for the unrolling that its pragma asks for.
    "-Wno-pass-failed",
    # Loops use groups of four vector registers, with a fixed number of elements a step.
    *("-mllvm", "-riscv-v-register-bit-width-lmul=4"),
    *("-mllvm", "-scalable-vectorization=off"),
    # sqrtf is one instruction, and vectorised.
    "-fno-math-errno",
    # With it, clang moves vector loads ahead until registers are spilled.
    *("-mllvm", "-enable-misched=false"),
)
ASFLAGS = ("-g0",)
"""For .S files: no debug information, which would hold the paths of the build."""
BUILD_FOLDER = "/acalsim"
"""The name in debug information of the folder of generated sources, so that no real path is in the ELF."""
LDFLAGS = ("-nostartfiles", "-static", "-Wl,--gc-sections", "-Wl,--fatal-warnings")
LIBRARIES = ("-lm",)


def has_vectors(isa: str) -> bool:
    """Whether a CPU of that ISA has the vector extension."""
    return isa == "rv64gcv"


def gcc_flags() -> tuple[str, ...]:
    """gcc's flags to assemble, to link and, for scalar machines, to compile.

    They always say rv64gc, because picolibc is not built for anything else.
    """
    return ("-march=rv64gc", *CFLAGS)


def as_flags(cpu: Cpu) -> tuple[str, ...]:
    """More flags for .S files. Their -march lets disassemblers know the instructions of the whole ELF."""
    return (*ASFLAGS, f"-march={cpu.isa}")


def c_compiler(cpu: Cpu) -> str:
    """The C compiler's name: clang's, or gcc's without its prefix, which the user may choose."""
    return CLANG if has_vectors(cpu.isa) else "gcc"


def c_flags(cpu: Cpu) -> tuple[str, ...]:
    """The C compiler's flags."""
    if not has_vectors(cpu.isa):
        return gcc_flags()
    # Zvl says that VLEN is at least so long; vscale, in units of 64 bits, that it is exactly so long.
    units = cpu.vlen // 64
    length = ("-Xclang", f"-mvscale-min={units}", "-Xclang", f"-mvscale-max={units}")
    return (f"-march=rv64gcv_zvl{cpu.vlen}b", *length, *COMMON_FLAGS, *CLANG_FLAGS)


def find_gcc() -> str:
    """The path of gcc. Raises ToolchainError naming Debian's packages."""
    name = f"{PREFIX}gcc"
    found = shutil.which(name)
    if found is None:
        raise ToolchainError(
            f"no cross compiler '{name}'; install it (Debian: apt install {PACKAGES}) or set CROSS_COMPILE"
        )
    return found


def find_compiler(isa: str = "rv64gc") -> str:
    """The path of the C compiler for `isa`. Raises ToolchainError where it, or gcc, is missing."""
    gcc = find_gcc()
    if not has_vectors(isa):
        return gcc
    found = shutil.which(CLANG)
    if found is None:
        raise ToolchainError(
            f"no compiler '{CLANG}', which machines with vectors need; "
            f"install it (Debian: apt install {CLANG})"
        )
    return found


def compiler_version(isa: str = "rv64gc") -> str:
    """What the C compiler calls itself, `riscv64-unknown-elf-gcc () 12.2.0`."""
    return subprocess.run(
        [find_compiler(isa), "--version"], capture_output=True, text=True
    ).stdout.splitlines()[0]


def main(arguments: list[str]) -> int:
    match arguments:
        case ["check", *isa] if len(isa) < 2:
            print(compiler_version(*isa))
        case _:
            raise ToolchainError("usage: toolchain check [ISA]")
    return 0


if __name__ == "__main__":
    run_room(main)
