# SPDX-License-Identifier: Apache-2.0
"""Rules on sections: each lies in its region, overlaps no other, and is aligned; the entry is the origin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .elf import Section
from .layout import Layout, Violation, misaligned, span
from .plan import Promises
from .script import Region


class Extent(NamedTuple):
    """The addresses start..end of a section, where it runs or where it is loaded; `end` is excluded."""

    start: int
    end: int
    section: Section


def sections_have_a_region(layout: Layout, promises: Promises) -> Iterator[Violation]:
    for section in layout.elf.occupying:
        subject = f"section '{section.name}' at {span(section.sh_addr, section.end)} is an orphan"
        outputs = layout.outputs(section)
        if not outputs:
            yield Violation(section.sh_addr, f"{subject}: the linker script does not name it")
        elif not layout.regions(section):
            undeclared = next((output.region for output in outputs if output.region), None)
            reason = f"undeclared region {undeclared}" if undeclared else "no region"
            yield Violation(section.sh_addr, f"{subject}: the linker script assigns it to {reason}")


def sections_lie_in_their_region(layout: Layout, promises: Promises) -> Iterator[Violation]:
    for section in layout.elf.occupying:
        regions = layout.regions(section)
        if regions and not any(region.holds(section.sh_addr, section.end) for region in regions):
            text = _misfit(section.sh_addr, section.end, regions[0])
            yield Violation(section.sh_addr, f"section '{section.name}' needs {text}")


def loads_lie_in_their_region(layout: Layout, promises: Promises) -> Iterator[Violation]:
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


def sections_never_overlap(layout: Layout, promises: Promises) -> Iterator[Violation]:
    extents = [Extent(section.sh_addr, section.end, section) for section in layout.elf.occupying]
    for low, high in _overlaps(extents):
        overlay = layout.overlay(low.section)
        if overlay is None or overlay != layout.overlay(high.section):
            yield Violation(
                high.start,
                f"sections '{low.section.name}' at {span(low.start, low.end)} "
                f"and '{high.section.name}' at {span(high.start, high.end)} overlap",
            )


def loads_never_overlap(layout: Layout, promises: Promises) -> Iterator[Violation]:
    starts = [(layout.load_address(section), section) for section in layout.elf.occupying]
    extents = [
        Extent(start, start + section.sh_size, section) for start, section in starts if start is not None
    ]
    for low, high in _overlaps(sorted(extents, key=lambda extent: extent[:2])):
        if (low.start, high.start) == (low.section.sh_addr, high.section.sh_addr):
            continue  # sections_never_overlap has reported it
        yield Violation(
            high.start,
            f"sections '{low.section.name}' loaded at {span(low.start, low.end)} "
            f"and '{high.section.name}' loaded at {span(high.start, high.end)} (p_paddr) overlap",
        )


def _overlaps(extents: Sequence[Extent]) -> Iterator[tuple[Extent, Extent]]:
    """Each extent that begins below the highest end before it, behind the extent that has this end.

    `extents` are sorted by address.
    """
    highest: Extent | None = None
    for extent in extents:
        if highest and extent.start < highest.end:
            yield highest, extent
        if highest is None or extent.end > highest.end:
            highest = extent


def sections_are_aligned(layout: Layout, promises: Promises) -> Iterator[Violation]:
    for section in layout.elf.occupying:
        if misaligned(section.sh_addr, section.sh_addralign):
            yield Violation(
                section.sh_addr,
                f"section '{section.name}' has sh_addr 0x{section.sh_addr:x}, "
                f"expected a multiple of its sh_addralign 0x{section.sh_addralign:x}",
            )


def entry_is_the_origin(layout: Layout, promises: Promises) -> Iterator[Violation]:
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
    """The region where the machine starts: RAM if it may hold code, else the region of the entry symbol."""
    ram = layout.script.regions.get("RAM")
    if ram and ram.permits("x"):
        return ram
    entry = layout.elf.value(layout.script.entry or "")
    entry = layout.elf.e_entry if entry is None else entry
    regions = layout.script.regions.values()
    return next((region for region in regions if region.origin <= entry < region.end), None)
