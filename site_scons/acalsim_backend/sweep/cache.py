# SPDX-License-Identifier: Apache-2.0
"""What sweeps keep from one to the next: the results of points, and recorded runs, each under what it follows from.

Several processes may use one folder: everything appears whole or not at all.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from .. import doors
from ..check.placement_file import RegionRow
from ..errors import AcalsimError, SweepError
from ..files import write_atomic
from ..report.report_file import Check
from ..simulate.replay import Recording
from ..simulate.run_file import Statistics
from .point import Measured

T = TypeVar("T")


@dataclass(frozen=True)
class ConstantRow:
    address: int
    size_bytes: int


@dataclass(frozen=True)
class RunRow:
    """A recorded run but for its bytes."""

    statistics: Statistics
    check: Check
    placement: tuple[RegionRow, ...]
    elf_sha256: str
    constants: tuple[ConstantRow, ...]


@dataclass(frozen=True)
class Recorded:
    """A recorded run, and what else is the same whenever its program runs."""

    recording: Recording
    check: Check
    placement: tuple[RegionRow, ...]
    elf_sha256: str


class Cache:
    """A folder of results and recordings."""

    def __init__(self, folder: Path):
        self.folder = folder

    def point(self, key: str) -> Measured | None:
        return _read(self.folder / "points" / key[:2] / f"{key}.json", Measured)

    def keep_point(self, key: str, measured: Measured) -> None:
        doors.write(self.folder / "points" / key[:2] / f"{key}.json", measured)

    def run(self, key: str) -> Recorded | None:
        folder = self.folder / "runs" / key
        row = _read(folder / "run.json", RunRow)
        if row is None:
            return None
        accesses = zlib.decompress((folder / "accesses.z").read_bytes())
        rest = (folder / "constants.bin").read_bytes()
        constants = []
        for each in row.constants:
            constants.append((each.address, rest[: each.size_bytes]))
            rest = rest[each.size_bytes :]
        recording = Recording(row.statistics, accesses, tuple(constants))
        return Recorded(recording, row.check, row.placement, row.elf_sha256)

    def keep_run(self, key: str, recorded: Recorded) -> None:
        """The row comes last: what it speaks of is there."""
        folder, recording = self.folder / "runs" / key, recorded.recording
        write_atomic(folder / "accesses.z", zlib.compress(recording.accesses, 1))
        write_atomic(folder / "constants.bin", b"".join(data for _, data in recording.constants))
        rows = tuple(ConstantRow(address, len(data)) for address, data in recording.constants)
        row = RunRow(recording.statistics, recorded.check, recorded.placement, recorded.elf_sha256, rows)
        doors.write(folder / "run.json", row)


def _read(path: Path, kind: type[T]) -> T | None:
    """What is kept there; nothing of a file that an earlier version has written otherwise."""
    if not path.exists():
        return None
    try:
        return doors.read(path, kind, SweepError)
    except AcalsimError:
        return None
