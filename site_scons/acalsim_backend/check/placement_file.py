# SPDX-License-Identifier: Apache-2.0
"""placement.json: where every section lies, as the placement check found it in the ELF."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SectionRow:
    """A section and the address that it has in its region."""

    name: str
    address: int
    size_bytes: int


@dataclass(frozen=True)
class RegionRow:
    """A region of the linker script; `used` counts from the origin to the highest occupied address, as GNU
    ld's --print-memory-usage does. A section loaded elsewhere than it runs is a row of both regions."""

    region: str
    origin: int
    length: int
    used: int
    sections: tuple[SectionRow, ...]


@dataclass(frozen=True)
class PlacementFile:
    """All of placement.json; `left_out` says in sentences what was not checked."""

    placement: tuple[RegionRow, ...]
    left_out: tuple[str, ...]
