# SPDX-License-Identifier: Apache-2.0
"""Rules on what the plan promises: ELF flags, the stack, symbols, and no section in a device's window."""

from __future__ import annotations

from collections.abc import Iterator

from elftools.elf.constants import SH_FLAGS

from .layout import Layout, Violation, find_stack, span
from .plan import PlannedSymbol, Promises

STACK_ALIGNMENT = 16
"""Alignment of the stack pointer in bytes. Source: RISC-V psABI, integer calling convention."""


def flags_are_as_planned(layout: Layout, promises: Promises) -> Iterator[Violation]:
    if promises.elf is None:
        return
    found = f"float ABI {layout.elf.float_abi}, RVC {_yes(layout.elf.rvc)}"
    right = f"float ABI {promises.elf.float_abi}, RVC {_yes(promises.elf.rvc)}"
    if found != right:
        yield Violation(0, f"e_flags 0x{layout.elf.e_flags:x} say {found}; planned is {right}")


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"


def stack_fits(layout: Layout, promises: Promises) -> Iterator[Violation]:
    stack = find_stack(layout.elf, promises)
    if stack is None:
        if promises.stack_bytes is not None:
            yield Violation(0, "stack is missing: the ELF has neither section '.stack' nor '__stack_top'")
        return
    start, end = stack
    if promises.stack_bytes is not None and end - start < promises.stack_bytes:
        yield Violation(
            start,
            f"stack at {span(start, end)} has 0x{end - start:x} bytes, "
            f"planned are 0x{promises.stack_bytes:x}",
        )
    if end % STACK_ALIGNMENT:
        yield Violation(end, f"stack top 0x{end:x} should be a multiple of 0x{STACK_ALIGNMENT:x}")
    homes = _stack_homes(layout)
    if not any(low <= start <= end <= high for _, low, high in homes):
        expected = " or ".join(f"{name} at {span(low, high)}" for name, low, high in homes)
        yield Violation(start, f"stack at {span(start, end)} should lie in {expected}")


def _stack_homes(layout: Layout) -> list[tuple[str, int, int]]:
    """(name, start, end) of the places where the stack may be: its own section, or else any region."""
    section = next((section for section in layout.elf.occupying if section.name == ".stack"), None)
    if section:
        return [("section '.stack'", section.sh_addr, section.end)]
    return [(f"region {region.name}", region.origin, region.end) for region in layout.script.regions.values()]


def stack_stays_off_data(layout: Layout, promises: Promises) -> Iterator[Violation]:
    stack = find_stack(layout.elf, promises)
    if stack is None:
        return
    obstacles = [
        (f"section '{section.name}'", section.sh_addr, section.end)
        for section in layout.elf.occupying
        if section.name != ".stack"
    ]
    bss_start, bss_end = layout.elf.value("__bss_start"), layout.elf.value("__bss_end")
    if bss_start is not None and bss_end is not None:
        obstacles.append(("__bss_start..__bss_end", bss_start, bss_end))
    for name, start, end in obstacles:
        if stack[0] < end and start < stack[1]:
            yield Violation(stack[0], f"stack at {span(*stack)} reaches {name} at {span(start, end)}")


def cleared_memory_is_bss(layout: Layout, promises: Promises) -> Iterator[Violation]:
    """What the reset code sets to zero, __bss_start to __bss_end, lies in .bss. What .bss has besides is not cleared."""
    start, end = layout.elf.value("__bss_start"), layout.elf.value("__bss_end")
    homes = [section for section in layout.elf.occupying if section.name in (".bss", ".sbss")]
    if start is None or end is None or (start == end and not homes):
        return
    low = min((section.sh_addr for section in homes), default=0)
    high = max((section.end for section in homes), default=0)
    if not low <= start <= end <= high:
        home = f"in .bss at {span(low, high)}" if homes else "in .bss, which is empty"
        yield Violation(start, f"__bss_start..__bss_end at {span(start, end)} should lie {home}")


def symbols_are_as_planned(layout: Layout, promises: Promises) -> Iterator[Violation]:
    for planned in promises.symbols or ():
        symbol = layout.elf.symbols.get(planned.name)
        if symbol is None:
            yield Violation(
                0,
                f"symbol '{planned.name}' is missing, planned are "
                f"0x{planned.size_bytes:x} bytes in section '{planned.section}'",
            )
            continue
        for problem in _differences(layout, planned):
            yield Violation(symbol.st_value, f"symbol '{planned.name}' {problem}")


def _differences(layout: Layout, planned: PlannedSymbol) -> Iterator[str]:
    symbol = layout.elf.symbols[planned.name]
    start, end = symbol.st_value, symbol.st_value + symbol.st_size
    if symbol.st_size != planned.size_bytes:
        yield f"at {span(start, end)} has 0x{symbol.st_size:x} bytes, planned are 0x{planned.size_bytes:x}"
    if symbol.section != planned.section:
        yield f"at {span(start, end)} is in section '{symbol.section}', planned is '{planned.section}'"
    if start % planned.alignment:
        yield f"is at 0x{start:x}, planned is a multiple of 0x{planned.alignment:x}"
    home = next((section for section in layout.elf.sections if section.name == symbol.section), None)
    if home and not home.sh_flags & SH_FLAGS.SHF_ALLOC:
        yield f"at {span(start, end)} is in section '{home.name}', which no memory holds (without SHF_ALLOC)"
    if home and not home.sh_addr <= start <= end <= home.end:
        yield f"at {span(start, end)} reaches out of section '{home.name}' at {span(home.sh_addr, home.end)}"


def sections_stay_off_devices(layout: Layout, promises: Promises) -> Iterator[Violation]:
    for window in promises.windows or ():
        for section in layout.elf.occupying:
            if section.sh_addr < window.end and window.base < section.end:
                yield Violation(
                    section.sh_addr,
                    f"section '{section.name}' at {span(section.sh_addr, section.end)} reaches "
                    f"device '{window.name}' at {span(window.base, window.end)}",
                )
