# SPDX-License-Identifier: Apache-2.0
"""The job that a device says it can do, so that it can be tried: which registers it takes, and within what.

    SOURCE = @0x1000, ROWS = 1..6, COLUMNS = 4..64 step 4: f4

`@` is the beginning of RAM; what lies there before the job has the type behind the colon.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .registers import Register

TYPES = ("f4", "i4", "u4", "i2", "u2", "i1", "u1")
NUMBER = r"(?:0[xX][0-9a-fA-F]+|\d+)"
DRAWN = re.compile(rf"(\w+) = (@?)({NUMBER})(?:\.\.({NUMBER})(?: step ({NUMBER}))?)?")


@dataclass(frozen=True)
class Drawn:
    """A register of a job, and what may be written there: low, low + step... to high; `in_ram`: from its origin."""

    register: str
    low: int
    high: int
    step: int = 1
    in_ram: bool = False


@dataclass(frozen=True)
class Job:
    registers: tuple[Drawn, ...]
    dtype: str


def parse_job(text: str, registers: Iterable[Register]) -> Job:
    """Raises ValueError with what is wrong."""
    head, _, dtype = text.rpartition(":")
    if dtype.strip() not in TYPES:
        raise ValueError(f"job '{text}' does not end with a colon and one of {', '.join(TYPES)}")
    return Job(tuple(_drawn(part.strip(), registers) for part in head.split(",")), dtype.strip())


def _drawn(part: str, registers: Iterable[Register]) -> Drawn:
    found = DRAWN.fullmatch(part)
    if not found:
        raise ValueError(f"job has '{part}', which is no NAME = [@]NUMBER[..NUMBER [step NUMBER]]")
    name, place, low, high, step = found.groups()
    if not any(row.name == name and "W" in row.access for row in registers):
        raise ValueError(f"job sets '{name}', which is no register that can be written")
    drawn = Drawn(name, int(low, 0), int(high or low, 0), int(step or "1", 0), bool(place))
    if drawn.high < drawn.low or drawn.step < 1:
        raise ValueError(f"job has '{part}', whose range is empty")
    return drawn
