# SPDX-License-Identifier: Apache-2.0
"""At which cycle a running simulation is, for a person who waits: a line in the file that VARIABLE names.

Both sides keep their time in files of the run's folder, and the later one holds: the CPU's clock stands still
while it waits for a device, and the engine's while the CPU needs none.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

VARIABLE = "ACALSIM_PROGRESS"
"""Names to a command the file in which it may say, in a line, how far it is."""
EVERY_S = 0.5
"""How often the files are looked at."""


def told_to(path: str | None) -> Callable[[int], None] | None:
    """What writes a cycle where somebody wants to know it."""
    if not path:
        return None

    def tell(cycle: int) -> None:
        with open(path, "r+") as file:
            file.write(f"cycle {cycle:,}")

    return tell


class Clocks:
    """The files of one run: the plugin's has the cycle as 8 bytes first, the engine's as text."""

    def __init__(self, folder: Path):
        self.cpu, self.engine = folder / "clock", folder / "engine.clock"
        self.cpu.touch()

    def cycle(self) -> int:
        cpu = self.cpu.read_bytes()[:8]
        engine = self.engine.read_text() if self.engine.exists() else ""
        return max(struct.unpack("<Q", cpu)[0] if cpu else 0, int(engine or 0))


def wanted() -> Callable[[int], None] | None:
    """told_to() whoever started this process."""
    return told_to(os.environ.get(VARIABLE))
