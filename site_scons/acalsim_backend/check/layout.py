# SPDX-License-Identifier: Apache-2.0
"""An ELF and its linker script in, answers to the rules' questions about both out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from .elf import Elf, Section, Segment
from .plan import Promises
from .script import Output, ProgramHeader, Region, Script


@dataclass(frozen=True, order=True)
class Violation:
    """A broken rule: what is wrong at `address`, in one line."""

    address: int
    text: str


@dataclass(frozen=True)
class Layout:
    """An ELF beside the linker script that made it."""

    elf: Elf
    script: Script

    @cached_property
    def _outputs(self) -> dict[str, list[Output]]:
        by_name: dict[str, list[Output]] = {}
        for output in self.script.outputs:
            by_name.setdefault(output.name, []).append(output)
        return by_name

    def outputs(self, section: Section) -> list[Output]:
        """The script's output sections of that name. Conditional ones (ONLY_IF_RO) can be several."""
        return self._outputs.get(section.name, [])

    def regions(self, section: Section) -> list[Region]:
        """The regions that the script assigns the section to. A section that it does not name has none."""
        return self._declared(output.region for output in self.outputs(section))

    def load_regions(self, section: Section) -> list[Region]:
        """The regions that the script loads the section to by AT>."""
        return self._declared(output.load_region for output in self.outputs(section))

    def _declared(self, names: Iterable[str | None]) -> list[Region]:
        declared = self.script.regions
        return [declared[name] for name in dict.fromkeys(names) if name is not None and name in declared]

    def moved(self, section: Section) -> bool:
        """Whether the script lets the section's load address differ from its address."""
        return any(output.moved for output in self.outputs(section))

    def header(self, segment: Segment) -> ProgramHeader | None:
        """The row of PHDRS that this PT_LOAD comes from; None if that is not clear.

        GNU ld keeps the order of PT_LOADs and adds segments of other types.
        """
        declared = [header for header in self.script.phdrs if header.p_type in ("PT_LOAD", "1")]
        made = [other.index for other in self.elf.segments if other.p_type == "PT_LOAD"]
        return declared[made.index(segment.index)] if len(declared) == len(made) else None

    def overlay(self, section: Section) -> int | None:
        """The number of the OVERLAY that the section belongs to; None if it is in none."""
        return next((output.overlay for output in self.outputs(section)), None)

    def covering(self, section: Section) -> list[Segment]:
        """The PT_LOADs that hold a section.

        The sections of an OVERLAY share addresses; their segments are told apart by their place in the file.
        """
        found = [segment for segment in self.elf.loads if segment.covers(section)]
        if len(found) > 1 and self.overlay(section) is not None:
            shift = section.sh_offset - section.sh_addr
            found = [segment for segment in found if segment.p_offset - segment.p_vaddr == shift]
        return found

    def load_address(self, section: Section) -> int | None:
        """The physical address that the section's content is loaded to; None if it has no content."""
        if not section.has_content:
            return None
        shifts = [segment.p_paddr - segment.p_vaddr for segment in self.covering(section)]
        return section.sh_addr + shifts[0] if shifts else None


def find_stack(elf: Elf, promises: Promises) -> tuple[int, int] | None:
    """(lowest address, top) of the stack; None if there is no sign of one.

    Each is the value of a symbol, `__stack_bottom` and `__stack_top`, or else an end of the section '.stack'.
    Without either, the lowest address follows from the size that the plan promises.
    """
    section = next((section for section in elf.occupying if section.name == ".stack"), None)
    start, end = elf.value("__stack_bottom"), elf.value("__stack_top")
    if section:
        start = section.sh_addr if start is None else start
        end = section.end if end is None else end
    if end is None:
        return None
    return end - (promises.stack_bytes or 0) if start is None else start, end


def span(start: int, end: int) -> str:
    return f"0x{start:x}..0x{end:x}"


def misaligned(value: int, alignment: int) -> bool:
    """Whether `value` is no multiple of `alignment`, or that is no power of two; 0 and 1 allow any value."""
    return alignment > 1 and bool(value % alignment or alignment & (alignment - 1))
