# SPDX-License-Identifier: Apache-2.0
"""Rules on PT_LOAD segments: they hold the sections, lie in regions, and permit what is needed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from elftools.elf.constants import P_FLAGS, SH_FLAGS

from .elf import Section, Segment, flag_letters
from .layout import Layout, Violation, misaligned, span
from .plan import Promises
from .script import Script

_RWX = P_FLAGS.PF_R | P_FLAGS.PF_W | P_FLAGS.PF_X
_WX = P_FLAGS.PF_W | P_FLAGS.PF_X


def loads_are_where_they_run(layout: Layout, promises: Promises) -> Iterator[Violation]:
    for segment in layout.elf.loads:
        if segment.p_paddr == segment.p_vaddr or _may_move(layout, segment):
            continue
        yield Violation(
            segment.p_vaddr,
            f"PT_LOAD segment {segment.index} has p_paddr 0x{segment.p_paddr:x}, "
            f"expected its p_vaddr 0x{segment.p_vaddr:x}: the linker script says no AT> there",
        )


def _may_move(layout: Layout, segment: Segment) -> bool:
    header = layout.header(segment)
    if header and header.has_at:
        return True
    inside = [section for section in layout.elf.occupying if segment.covers(section)]
    return bool(inside) and all(layout.moved(section) for section in inside if section.has_content)


def segments_are_aligned(layout: Layout, promises: Promises) -> Iterator[Violation]:
    for segment in layout.elf.loads:
        if misaligned(segment.p_vaddr - segment.p_offset, segment.p_align):
            yield Violation(
                segment.p_vaddr,
                f"PT_LOAD segment {segment.index} has p_vaddr 0x{segment.p_vaddr:x} and "
                f"p_offset 0x{segment.p_offset:x}, expected them equal modulo p_align 0x{segment.p_align:x}",
            )


def sections_lie_in_one_segment(layout: Layout, promises: Promises) -> Iterator[Violation]:
    for section in layout.elf.occupying:
        covering = [segment.index for segment in layout.covering(section)]
        if len(covering) != 1:
            found = f"segments {', '.join(map(str, covering))}" if covering else "none"
            yield Violation(
                section.sh_addr,
                f"section '{section.name}' at {span(section.sh_addr, section.end)} "
                f"should lie in one PT_LOAD segment, lies in {found}",
            )


def segments_hold_their_sections(layout: Layout, promises: Promises) -> Iterator[Violation]:
    for section in layout.elf.occupying:
        for segment in layout.covering(section):
            if problem := _mismatch(segment, section):
                yield Violation(
                    section.sh_addr, f"section '{section.name}' {problem} of PT_LOAD segment {segment.index}"
                )


def _mismatch(segment: Segment, section: Section) -> str | None:
    distance = section.sh_addr - segment.p_vaddr
    file_end = segment.p_offset + segment.p_filesz
    if section.has_content:
        expected = segment.p_offset + distance
        if section.sh_offset != expected:
            return f"has sh_offset 0x{section.sh_offset:x}, expected 0x{expected:x} from p_offset"
        if section.sh_offset + section.sh_size > file_end:
            end = section.sh_offset + section.sh_size
            return f"needs file offsets up to 0x{end:x}, past 0x{file_end:x}, the end"
    wanted = P_FLAGS.PF_R
    wanted |= P_FLAGS.PF_W if section.sh_flags & SH_FLAGS.SHF_WRITE else 0
    wanted |= P_FLAGS.PF_X if section.sh_flags & SH_FLAGS.SHF_EXECINSTR else 0
    if wanted & ~segment.p_flags:
        return f"needs {flag_letters(wanted)}, more than the p_flags {segment.flag_letters}"
    return None


def segments_lie_in_regions(layout: Layout, promises: Promises) -> Iterator[Violation]:
    for segment in layout.elf.loads:
        if segment.p_filesz > segment.p_memsz:
            yield Violation(
                segment.p_vaddr,
                f"PT_LOAD segment {segment.index} has p_filesz 0x{segment.p_filesz:x}, "
                f"expected at most p_memsz 0x{segment.p_memsz:x}",
            )
        spans = {(segment.p_vaddr, segment.end)} if segment.p_memsz else set()
        if segment.p_filesz and segment.p_paddr != segment.p_vaddr:
            spans.add((segment.p_paddr, segment.p_paddr + segment.p_filesz))
        for start, end in sorted(spans):
            outside = _first_outside(start, end, layout.script)
            if outside is not None:
                yield Violation(
                    outside,
                    f"PT_LOAD segment {segment.index} covers {span(start, end)}, "
                    f"but no region holds 0x{outside:x}",
                )


def segments_never_overlap(layout: Layout, promises: Promises) -> Iterator[Violation]:
    """The zeros behind a segment's p_filesz count: what loads it would clear what the next one brought."""
    loads = sorted(layout.elf.loads, key=lambda segment: (segment.p_vaddr, segment.end))
    for low, high in pairwise(segment for segment in loads if segment.p_memsz):
        if high.p_vaddr < low.end and not _share_an_overlay(layout, low, high):
            yield Violation(
                high.p_vaddr,
                f"PT_LOAD segments {low.index} at {span(low.p_vaddr, low.end)} "
                f"and {high.index} at {span(high.p_vaddr, high.end)} overlap",
            )


def _share_an_overlay(layout: Layout, low: Segment, high: Segment) -> bool:
    overlays = [
        {layout.overlay(section) for section in layout.elf.occupying if segment in layout.covering(section)}
        for segment in (low, high)
    ]
    return bool((overlays[0] & overlays[1]) - {None})


def _first_outside(start: int, end: int, script: Script) -> int | None:
    """The first address of start..end that is in no region, if there is one. Adjacent regions are one."""
    for region in sorted(script.regions.values(), key=lambda region: region.origin):
        if region.origin <= start < region.end:
            start = region.end
    return start if start < end else None


def segment_flags_follow_the_script(layout: Layout, promises: Promises) -> Iterator[Violation]:
    for segment in layout.elf.loads:
        header = layout.header(segment)
        if header and header.p_flags is not None and (header.p_flags ^ segment.p_flags) & _RWX:
            yield Violation(
                segment.p_vaddr,
                f"PT_LOAD segment {segment.index} has p_flags {segment.flag_letters}, "
                f"expected '{header.name}' FLAGS {flag_letters(header.p_flags)}",
            )


def writable_is_never_executable(layout: Layout, promises: Promises) -> Iterator[Violation]:
    reason = _separation(layout.script)
    for segment in layout.elf.loads if reason else ():
        if segment.p_flags & _WX == _WX and segment.p_memsz:
            yield Violation(
                segment.p_vaddr,
                f"PT_LOAD segment {segment.index} at {span(segment.p_vaddr, segment.end)} is writable "
                f"and executable ({segment.flag_letters}); {reason} of the linker script separate them",
            )


def _separation(script: Script) -> str | None:
    """What in the script says that no memory is both writable and executable; None if nothing does."""
    flags = [header.p_flags for header in script.phdrs if header.p_type in ("PT_LOAD", "1")]
    if flags and all(flag is not None and flag & _WX != _WX for flag in flags):
        return "the PHDRS"
    named = {output.region for output in script.outputs}
    used = [region for name, region in script.regions.items() if name in named]
    if used and not any(region.permits("w") and region.permits("x") for region in used):
        return "the regions' attributes"
    return None
