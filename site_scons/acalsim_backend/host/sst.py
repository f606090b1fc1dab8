# SPDX-License-Identifier: Apache-2.0
"""SST on this host: finds its programs, checks their version, and says how our element library is compiled.

SCons compiles the library by the constants and commands that are given here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from ..errors import ToolchainError
from ..paths import ROOT, SIM

OLDEST = 16
"""The oldest release of SST that sim/sst compiles with: it uses Handler2 and passes TimeConverter by value.

SST's development branch has no release number, calls itself `-dev`, and is accepted.
"""

CONFIG = SIM / "sst/config.py"
LIBRARY_NAME = "libacalsim.so"
SOURCES = (
    *sorted(SIM.glob("sst/*.cc")),
    *sorted(SIM.glob("model/*.cc")),
    *(SIM / "embedded" / name for name in ("client.cc", "connection.cc", "guest_ram.cc")),
)
"""The device models and the protocol are compiled from the same sources as in the embedded engine."""

CXXFLAGS = (
    "-O3",
    # As in the embedded engine, so that results are the same to the bit.
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-Wall",
    "-Wextra",
)


def find_sst() -> str:
    """The `sst` program. Raises ToolchainError where SST is missing or too old."""
    found = {tool: shutil.which(tool) for tool in ("sst", "sst-config")}
    program = found["sst"]
    missing = [tool for tool, path in found.items() if path is None]
    if program is None or missing:
        raise ToolchainError(
            f"ENGINE=sst needs SST's `sst` and `sst-config` on PATH; not found: {', '.join(missing)}; "
            "how to get SST: https://sst-simulator.org, or use ENGINE=embedded"
        )
    text = ask("sst", "--version")
    if is_too_old(text):
        raise ToolchainError(f"ENGINE=sst needs SST {OLDEST} or later; found '{text}'")
    return program


def is_too_old(version: str) -> bool:
    """Whether what `sst --version` prints names a release before OLDEST."""
    number = re.search(r"(\d+)\.\d+", version)
    return number is not None and int(number[1]) < OLDEST


def find_sst_library() -> Path:
    """The library of $ACALSIM_SST_LIBRARY, else that of the build. Raises ToolchainError if none."""
    path = Path(os.environ.get("ACALSIM_SST_LIBRARY") or ROOT / "build/host-sst" / LIBRARY_NAME)
    if path.is_file():
        return path
    raise ToolchainError(f"no SST element library at '{path}'; build it: ./run scons ENGINE=sst host")


def compiler() -> str:
    """The C++ compiler that SST was built with, and the flags that its headers and our sources need."""
    # Warnings are for our own code: SST's headers are system headers.
    flags = re.sub(r"(^|\s)-I", r"\1-isystem ", ask("sst-config", "--ELEMENT_CXXFLAGS"))
    return f"{ask('sst-config', '--CXX')} {flags} {' '.join(CXXFLAGS)}"


def linker() -> str:
    """The command, without files, that links an element library."""
    return f"{ask('sst-config', '--CXX')} {ask('sst-config', '--ELEMENT_LDFLAGS')}"


def ask(*command: str) -> str:
    """What the command prints. Raises ToolchainError if it fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ToolchainError(f"`{' '.join(command)}` ended with status {done.returncode}")
    return done.stdout.strip()
