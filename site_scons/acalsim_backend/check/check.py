# SPDX-License-Identifier: Apache-2.0
"""The placement check: an ELF and its linker script in, the contents of the memory regions out.

Where the ELF breaks rules, a CheckError comes out that has one line for each break.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import CheckError, printable
from .elf import read_elf
from .layout import Layout, Violation, find_stack
from .placement_file import RegionRow, SectionRow
from .plan import read_plan
from .rules import violations
from .script import Region, read_script

MAX_LINES = 100
"""The most violations that one CheckError names."""


@dataclass(frozen=True)
class Placement:
    """Where everything lies. `left_out` says in sentences what was not checked, and `flags` has readelf's
    letters for each section."""

    entry: int
    regions: tuple[RegionRow, ...]
    left_out: tuple[str, ...]
    flags: Mapping[str, str]


def check(elf_path: str | Path, script_path: str | Path, plan: Mapping[str, Any] | None = None) -> Placement:
    """Check the ELF against its linker script and, if it is given, the plan.

    Raises CheckError with one line for a file that cannot be read, or else with a line for each violation, in
    the order of addresses.
    """
    promised = read_plan(plan)
    elf = read_elf(elf_path, promised.elf.elf_class if promised.elf else 64)
    script = read_script(script_path, {name: symbol.st_value for name, symbol in elf.symbols.items()})
    if not script.regions:
        raise CheckError(f"{script_path}: the linker script declares no region of MEMORY")
    layout = Layout(elf, script)
    if found := violations(layout, promised):
        raise CheckError("\n".join(_lines(found)))
    left_out = promised.left_out
    if find_stack(elf, promised) is None:
        left_out.append("stack: not checked, the ELF has neither section '.stack' nor '__stack_top'")
    regions = tuple(_fill(region, layout) for name, region in script.regions.items() if name == region.name)
    flags = {section.name: section.flag_letters for section in elf.occupying}
    return Placement(elf.e_entry, regions, tuple(left_out), flags)


def _lines(found: list[Violation]) -> list[str]:
    lines = [printable(violation.text) for violation in found[:MAX_LINES]]
    return lines + [f"{len(found) - MAX_LINES} more lines like these"] * (len(found) > MAX_LINES)


def _fill(region: Region, layout: Layout) -> RegionRow:
    rows = sorted(_rows(region, layout), key=lambda row: row.address)
    used = max(row.address + row.size_bytes for row in rows) - region.origin if rows else 0
    return RegionRow(region.name, region.origin, region.length, used, tuple(rows))


def _rows(region: Region, layout: Layout) -> Iterator[SectionRow]:
    for section in layout.elf.occupying:
        for address in {section.sh_addr, layout.load_address(section)}:
            if address is not None and region.holds(address, address + section.sh_size):
                yield SectionRow(section.name, address, section.sh_size)
