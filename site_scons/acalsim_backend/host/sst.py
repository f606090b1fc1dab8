# SPDX-License-Identifier: Apache-2.0
"""SST as this host has it: its programs, its version, and how its element library is compiled.

SCons drives the same constants; nothing here knows of it.
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
"""The oldest release of SST whose interfaces sim/sst uses: handlers by template under their present
name, and TimeConverter by value everywhere. SST's development branch calls itself `-dev` and is taken."""

CONFIG = SIM / "sst/config.py"
LIBRARY_NAME = "libacalsim.so"
SOURCES = (
    *sorted(SIM.glob("sst/*.cc")),
    *sorted(SIM.glob("model/*.cc")),
    *(SIM / "embedded" / name for name in ("client.cc", "connection.cc", "guest_ram.cc")),
)
"""The models and the protocol are the embedded engine's own."""

CXXFLAGS = (
    "-O3",
    # As for the embedded engine: results are the same bits in both.
    "-ffp-contract=off",
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
    number = re.search(r"(\d+)\.\d+", version)
    return number is not None and int(number[1]) < OLDEST


def find_sst_library() -> Path:
    """The element library, as the environment says or as the build makes it."""
    path = Path(os.environ.get("ACALSIM_SST_LIBRARY") or ROOT / "build/host-sst" / LIBRARY_NAME)
    if path.is_file():
        return path
    raise ToolchainError(f"no SST element library at '{path}'; build it: ./run scons ENGINE=sst host")


def compiler() -> str:
    """SST's own C++ compiler with the flags that its headers want."""
    # Warnings are for our own code: SST's headers are system headers.
    flags = re.sub(r"(^|\s)-I", r"\1-isystem ", ask("sst-config", "--ELEMENT_CXXFLAGS"))
    return f"{ask('sst-config', '--CXX')} {flags} {' '.join(CXXFLAGS)}"


def linker() -> str:
    return f"{ask('sst-config', '--CXX')} {ask('sst-config', '--ELEMENT_LDFLAGS')}"


def ask(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ToolchainError(f"`{' '.join(command)}` ended with status {done.returncode}")
    return done.stdout.strip()
