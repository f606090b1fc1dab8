# SPDX-License-Identifier: Apache-2.0
"""The cross compilers and their flags, for SCons, the generated Makefile and the backend alike.

gcc compiles for scalar machines. It neither vectorises nor knows the vector intrinsics, so that C for
machines with vectors is compiled by clang; gcc assembles and links there too.

    python -m acalsim_backend.host.toolchain check [ISA]    ends with one line where a compiler is missing
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
"""The program and Debian's package."""
PICOLIBC = "/usr/lib/picolibc/riscv64-unknown-elf"
"""Where Debian's picolibc is; gcc knows it by its specs."""

RUNTIME_SOURCES = ("start.S", "trap.c", "console.c", "compute.c", "completion.c")
"""Files of kernels/ that every firmware is linked with; the first holds the reset code."""
GENERATED_SOURCES = ("graph_0.c", "graph_0_weights.c", "graph_0_inputs.c")

COMMON_FLAGS = (
    "-mabi=lp64d",
    "-mcmodel=medany",
    "-std=gnu11",
    "-O3",
    # One rounding a multiply-add, as the machine has it.
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
)
GCC_FLAGS = (
    "--specs=picolibc.specs",
    # gcc spills register tiles otherwise.
    "-fno-schedule-insns",
    # Lets loads be scheduled ahead of their use although registers are assigned.
    "-frename-registers",
    # Loops that copy or clear a few rows are not to become calls of picolibc's bytewise functions.
    "-fno-tree-loop-distribute-patterns",
    # Each op keeps a function, and so a symbol, of its own.
    "-fno-ipa-icf",
    # gcc 12 has taken functions for pure that write a tensor, and dropped the calls.
    "-fno-ipa-pure-const",
    "-fno-ipa-modref",
    "-gno-record-gcc-switches",
)
CFLAGS = (*COMMON_FLAGS, *GCC_FLAGS)
"""gcc's, but for -march."""
CLANG_FLAGS = (
    "--target=riscv64-unknown-elf",
    *("-isystem", f"{PICOLIBC}/include"),
    "-ftls-model=local-exec",
    # Loops that copy or clear are to become vector code, not calls of picolibc's scalar functions.
    "-fno-builtin-memcpy",
    "-fno-builtin-memset",
    # Generated code has a model's constants as they are, whatever they meet.
    "-Wno-tautological-bitwise-compare",
    "-Wno-implicit-const-int-float-conversion",
    # A loop that is too short for what its pragma asks is no mistake.
    "-Wno-pass-failed",
    # Loops take vectors of four registers, and as many elements as just suit their count.
    *("-mllvm", "-riscv-v-register-bit-width-lmul=4"),
    *("-mllvm", "-scalable-vectorization=off"),
    # clang's scheduler moves vector loads up until it must spill.
    *("-mllvm", "-enable-misched=false"),
)
ASFLAGS = ("-g0",)
"""For .S files: the assembler's debug information would carry the build's own paths."""
BUILD_FOLDER = "/acalsim"
"""What debug information calls the folder of the generated sources, wherever it lies."""
LDFLAGS = ("-nostartfiles", "-static", "-Wl,--gc-sections", "-Wl,--fatal-warnings")
LIBRARIES = ("-lm",)


def has_vectors(isa: str) -> bool:
    return isa == "rv64gcv"


def gcc_flags() -> tuple[str, ...]:
    """What gcc is given to assemble, to link and, on scalar machines, to compile.

    Always for rv64gc: there is no C library for anything else.
    """
    return ("-march=rv64gc", *CFLAGS)


def as_flags(cpu: Cpu) -> tuple[str, ...]:
    """Added for .S files. Their -march tells disassemblers which instructions are in the ELF."""
    return (*ASFLAGS, f"-march={cpu.isa}")


def c_compiler(cpu: Cpu) -> str:
    """The C compiler's name, gcc's without the prefix that a user chooses."""
    return CLANG if has_vectors(cpu.isa) else "gcc"


def c_flags(cpu: Cpu) -> tuple[str, ...]:
    if not has_vectors(cpu.isa):
        return gcc_flags()
    # VLEN as a minimum (Zvl) and, in units of 64 bits, as all there is.
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
