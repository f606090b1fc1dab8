# SPDX-License-Identifier: Apache-2.0
"""python -m acalsim_backend.doctor: which tools there are, which are missing, and how to get those.

The exit status is 1 where one is missing that every build needs.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata

from .errors import run_room


@dataclass(frozen=True)
class Program:
    """A program, the Debian package that has it, and what it is for."""

    name: str
    package: str
    purpose: str
    is_needed: bool = True
    version: str = "--version"


PROGRAMS = (
    Program("riscv64-unknown-elf-gcc", "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf", "firmware"),
    Program("qemu-system-riscv64", "qemu-system-misc", "runs firmware"),
    Program("gcc", "gcc", "QEMU's plugin"),
    Program("g++", "g++", "the embedded engine"),
    Program("make", "make", "the generated Makefile"),
    Program("clang-16", "clang-16", "firmware of machines with vectors", is_needed=False),
    Program("gdb-multiarch", "gdb-multiarch", "debug-NAME", is_needed=False),
    Program("sst", "", "ENGINE=sst; see https://sst-simulator.org", is_needed=False),
)
DISTRIBUTIONS = ("SCons", "torch", "numpy", "pyelftools", "nanobind", "rich", "jinja2")


def main(arguments: list[str]) -> int:
    missing = [program for program in PROGRAMS if not report(program)]
    print(f"ok       Python {sys.version.split()[0]}")
    absent = [name for name in DISTRIBUTIONS if not report_distribution(name)]
    if absent:
        print("\nGet the Python packages: pip install -r requirements.txt")
    packages = " ".join(program.package for program in missing if program.package)
    if packages:
        print(f"\nGet the programs: apt install {packages}")
    return int(bool(absent) or any(program.is_needed for program in missing))


def report(program: Program) -> bool:
    """Print the line of a program; False where it is missing."""
    found = shutil.which(program.name)
    if found is None:
        print(f"{'MISSING' if program.is_needed else 'without'}  {program.name}: {program.purpose}")
        return False
    said = subprocess.run([found, program.version], capture_output=True, text=True, timeout=60).stdout
    print(f"ok       {program.name}: {(said.splitlines() or ['no version'])[0]}")
    return True


def report_distribution(name: str) -> bool:
    try:
        print(f"ok       {name} {metadata.version(name)}")
    except metadata.PackageNotFoundError:
        print(f"MISSING  {name}")
        return False
    return True


if __name__ == "__main__":
    run_room(main)
