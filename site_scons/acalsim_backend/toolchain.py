# SPDX-License-Identifier: Apache-2.0
"""The cross compiler and its flags, said once: SCons, the generated Makefile and the backend read them here.

    python -m acalsim_backend.toolchain check    ends with one line where there is no cross compiler
"""

from __future__ import annotations

import os
import shutil
import subprocess

from .errors import ToolchainError, run_room

PREFIX = os.environ.get("CROSS_COMPILE") or "riscv64-unknown-elf-"
PACKAGES = "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf"

RUNTIME_SOURCES = ("start.S", "trap.c", "console.c")
"""Files of kernels/ that every firmware is linked with; the first holds the reset code."""
GENERATED_SOURCES = ("graph_0.c", "graph_0_weights.c", "graph_0_inputs.c")

CFLAGS = (
    "-mabi=lp64d",
    "-mcmodel=medany",
    "--specs=picolibc.specs",
    "-std=gnu11",
    "-O3",
    # gcc spills register tiles otherwise.
    "-fno-schedule-insns",
    "-fno-strict-aliasing",
    # Integers overflow as PyTorch's do.
    "-fwrapv",
    # Generated code compares a value with itself to find NaN.
    "-Wno-tautological-compare",
    # Each op keeps a function, and so a symbol, of its own.
    "-fno-ipa-icf",
    "-ffunction-sections",
    "-g",
    "-gno-record-gcc-switches",
    "-Wall",
    "-Wextra",
    "-Werror",
)
ASFLAGS = ("-g0",)
"""Added for .S files: the assembler's debug information would carry the build's own paths."""
BUILD_FOLDER = "/acalsim"
"""What debug information calls the folder of the generated sources, wherever it lies."""
LDFLAGS = ("-nostartfiles", "-static", "-Wl,--gc-sections", "-Wl,--fatal-warnings")
LIBRARIES = ("-lm",)


def machine_flags(isa: str) -> tuple[str, ...]:
    return (f"-march={isa}",)


def find_compiler() -> str:
    """The cross compiler's path. Raises ToolchainError naming Debian's packages."""
    name = f"{PREFIX}gcc"
    found = shutil.which(name)
    if found is None:
        raise ToolchainError(f"no cross compiler '{name}'; install it (Debian: apt install {PACKAGES}) or set CROSS_COMPILE")
    return found


def compiler_version() -> str:
    """What the cross compiler calls itself, `riscv64-unknown-elf-gcc () 12.2.0`."""
    return subprocess.run([find_compiler(), "--version"], capture_output=True, text=True).stdout.splitlines()[0]


def main(arguments: list[str]) -> int:
    if arguments != ["check"]:
        raise ToolchainError("usage: toolchain check")
    print(compiler_version())
    return 0


if __name__ == "__main__":
    run_room(main)
