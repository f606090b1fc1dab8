# SPDX-License-Identifier: Apache-2.0
"""Rules on sections: each lies alone in its region, aligned, with the entry at the origin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .elf import Section
from .layout import Layout, Violation, misaligned, span
from .plan import Plan
from .script import Region


def sections_have_a_region(layout: Layout, plan: Plan) -> Iterator[Violation]:
    for section in layout.elf.occupying:
        subject = f"section '{section.name}' at {span(section.sh_addr, section.end)} is an orphan"
        outputs = layout.outputs(section)
        if not outputs:
            yield Violation(section.sh_addr, f"{subject}: the linker script does not name it")
        elif not layout.regions(section):
            undeclared = next((output.region for output in outputs if output.region), None)
            reason = f"undeclared region {undeclared}" if undeclared else "no region"
            yield Violation(section.sh_addr, f"{subject}: the linker script assigns it to {reason}")


def sections_lie_in_their_region(layout: Layout, plan: Plan) -> Iterator[Violation]:
    for section in layout.elf.occupying:
        regions = layout.regions(section)
        if regions and not any(region.holds(section.sh_addr, section.end) for region in regions):
            text = _misfit(section.sh_addr, section.end, regions[0])
            yield Violation(section.sh_addr, f"section '{section.name}' needs {text}")


def loads_lie_in_their_region(layout: Layout, plan: Plan) -> Iterator[Violation]:
    for section in layout.elf.occupying:
        start, regions = layout.load_address(section), layout.load_regions(section)
        if start is None or not regions:
            continue
        end = start + section.sh_size
        if not any(region.holds(start, end) for region in regions):
            yield Violation(start, f"section '{section.name}' is loaded at {_misfit(start, end, regions[0])}")


def _misfit(start: int, end: int, region: Region) -> str:
    if region.origin <= start < region.end:
        excess = end - region.end
        return (
            f"{span(start, end)} in region {region.name}, "
            f"which ends at 0x{region.end:x} (0x{excess:x} bytes too many)"
        )
    return f"{span(start, end)}, outside region {region.name} at {span(region.origin, region.end)}"


def sections_never_overlap(layout: Layout, plan: Plan) -> Iterator[Violation]:
    rows = [(section.sh_addr, section.end, section) for section in layout.elf.occupying]
    for low, high in _overlaps(rows):
        if layout.overlay(low) is None or layout.overlay(low) != layout.overlay(high):
            yield Violation(
                high.sh_addr,
                f"sections '{low.name}' at {span(low.sh_addr, low.end)} "
                f"and '{high.name}' at {span(high.sh_addr, high.end)} overlap",
            )


def loads_never_overlap(layout: Layout, plan: Plan) -> Iterator[Violation]:
    starts = [(layout.load_address(section), section) for section in layout.elf.occupying]
    rows = [(start, start + section.sh_size, section) for start, section in starts if start is not None]
    for low, high in _overlaps(sorted(rows, key=lambda row: row[:2])):
        start, low_start = layout.load_address(high), layout.load_address(low)
        if (low_start, start) == (low.sh_addr, high.sh_addr):
            continue  # sections_never_overlap says it already
        yield Violation(
            start,
            f"sections '{low.name}' loaded at {span(low_start, low_start + low.sh_size)} "
            f"and '{high.name}' loaded at {span(start, start + high.sh_size)} (p_paddr) overlap",
        )


def _overlaps(rows: Sequence[tuple[int, int, Section]]) -> Iterator[tuple[Section, Section]]:
    """Each row that begins below the highest end before it, with the row that has this end."""
    reach: tuple[int, Section] | None = None
    for start, end, section in rows:
        if reach and start < reach[0]:
            yield reach[1], section
        if reach is None or end > reach[0]:
            reach = end, section


def sections_are_aligned(layout: Layout, plan: Plan) -> Iterator[Violation]:
    for section in layout.elf.occupying:
        if misaligned(section.sh_addr, section.sh_addralign):
            yield Violation(
                section.sh_addr,
                f"section '{section.name}' has sh_addr 0x{section.sh_addr:x}, "
                f"expected a multiple of its sh_addralign 0x{section.sh_addralign:x}",
            )


def entry_is_the_origin(layout: Layout, plan: Plan) -> Iterator[Violation]:
    e_entry, name = layout.elf.e_entry, layout.script.entry
    start, region = layout.elf.value(name or ""), _boot_region(layout)
    subject = f"entry is 0x{e_entry:x}" + (f" ('{name}')" if start == e_entry else "")
    if region is None:
        yield Violation(e_entry, f"{subject}, in no region")
    elif e_entry != region.origin:
        yield Violation(e_entry, f"{subject}, expected region {region.name}'s origin 0x{region.origin:x}")
    if start is not None and start != e_entry:
        yield Violation(e_entry, f"{subject}, expected '{name}' at 0x{start:x}")


def _boot_region(layout: Layout) -> Region | None:
    """Where a machine starts: RAM when code may live there, else wherever the entry symbol is."""
    ram = layout.script.regions.get("RAM")
    if ram and ram.permits("x"):
        return ram
    entry = layout.elf.value(layout.script.entry or "")
    entry = layout.elf.e_entry if entry is None else entry
    regions = layout.script.regions.values()
    return next((region for region in regions if region.origin <= entry < region.end), None)
