# SPDX-License-Identifier: Apache-2.0
"""What a person who debugs a firmware is told: the line to type, and in the end what the run took."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from ..files import write_atomic
from .run_file import Statistics

GDBS = ("gdb-multiarch", "riscv64-unknown-elf-gdb", "riscv64-elf-gdb")
STEPS_TAKE_INTERRUPTS = 5
"""QEMU's flags of a single step. Its own choice, 7, lets a step take no interrupt, and a CPU that waits for one
would then go another way than without a debugger."""


def invite(elf: Path, run: Path, socket: Path) -> None:
    """Write `run`/debug.gdb, which brings gdb to QEMU's `socket`, and print the line to type."""
    script = run / "debug.gdb"
    write_atomic(script, commands(socket, run.parent))
    gdb = next(filter(shutil.which, GDBS), None)
    line = [gdb or GDBS[0], "-x", str(script), str(elf)]
    print("The CPU waits before its first instruction. Type in another terminal:\n")
    print(f"    {shlex.join(line)}\n")
    if gdb is None:
        print(f"which needs a gdb that knows RISC-V (Debian: apt install {GDBS[0]}). Then `continue`, or say")
    else:
        print("and there `continue`, or first say")
    print("`break graph_0_forward`. The run's cycles stay what they are without gdb. Ctrl-C here ends it.")
    print(end="", flush=True)


def commands(socket: Path, sources: Path) -> str:
    """gdb's commands to begin with."""
    quoted = str(sources.resolve()).replace("\\", "\\\\").replace('"', '\\"')
    return (
        f'directory "{quoted}"\n'
        f"target remote {socket}\n"
        f"maintenance packet Qqemu.sstep={STEPS_TAKE_INTERRUPTS}\n"
    )


def retire(run: Path, statistics: Statistics) -> None:
    """Say that the run has ended, and take away the script that led to it."""
    (run / "debug.gdb").unlink(missing_ok=True)
    print(f"The run has ended at cycle {statistics.total_cycles:,}.")
