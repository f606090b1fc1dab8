# SPDX-License-Identifier: Apache-2.0
"""The placement check between link and simulation: an ELF and its linker script in, region contents out.

Where the ELF breaks rules, a CheckError comes out that has one line for each break.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import CheckError
from .elf import read_elf
from .layout import Layout, Violation, find_stack
from .plan import read_plan
from .rules import violations
from .script import Region, read_script

MAX_LINES = 100
"""The most violations that one CheckError names."""

__all__ = ["Placement", "check"]


@dataclass(frozen=True)
class Placement:
    """Where everything lies in memory.

    `regions` has a row {region, origin, length, used, sections: [{name, address, size_bytes}]} for each
    region, in bytes. `used` is the distance from the origin to the highest occupied address, as in GNU ld's
    --print-memory-usage. A section that is loaded elsewhere than it runs is listed in both regions.
    `left_out` says in sentences what was not checked. `flags` has readelf's letters for each section.
    """

    entry: int
    regions: list[dict[str, Any]]
    left_out: list[str]
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
    regions = [_fill(region, layout) for name, region in script.regions.items() if name == region.name]
    return Placement(elf.e_entry, regions, left_out, {s.name: s.flag_letters for s in elf.occupying})


def _lines(found: list[Violation]) -> list[str]:
    lines = [violation.text for violation in found[:MAX_LINES]]
    return lines + [f"{len(found) - MAX_LINES} more lines like these"] * (len(found) > MAX_LINES)


def _fill(region: Region, layout: Layout) -> dict[str, Any]:
    rows = sorted(_rows(region, layout), key=lambda row: row["address"])
    ends = [row["address"] + row["size_bytes"] for row in rows]
    return {
        "region": region.name,
        "origin": region.origin,
        "length": region.length,
        "used": max(ends) - region.origin if ends else 0,
        "sections": rows,
    }


def _rows(region: Region, layout: Layout) -> Iterator[dict[str, Any]]:
    for section in layout.elf.occupying:
        load_address = layout.load_address(section)
        for address in {section.sh_addr, section.sh_addr if load_address is None else load_address}:
            if region.holds(address, address + section.sh_size):
                yield {"name": section.name, "address": address, "size_bytes": section.sh_size}
