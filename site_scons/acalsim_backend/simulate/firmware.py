# SPDX-License-Identifier: Apache-2.0
"""What the host knows of a firmware ELF: where its blocks lie and what its addresses are called."""

from __future__ import annotations

import re
import shutil
from bisect import bisect_right
from functools import cached_property
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from ..errors import SimulateError
from ..machine.board import DEVICE_TREE_BYTES, DEVICE_TREE_END
from ..machine.machine import Machine


class Firmware:
    """A firmware ELF that passed the placement check."""

    def __init__(self, path: Path):
        self.path = Path(path)

    @cached_property
    def _symbols(self) -> dict[str, tuple[int, int, str]]:
        """name -> (address, bytes, kind) of every named symbol."""
        with open(self.path, "rb") as stream:
            table = ELFFile(stream).get_section_by_name(".symtab")
            if not isinstance(table, SymbolTableSection):
                raise SimulateError(f"{self.path}: no symbol table; it must not be stripped")
            return {
                s.name: (s["st_value"], s["st_size"], s["st_info"]["type"])
                for s in table.iter_symbols()
                if s.name
            }

    @cached_property
    def _functions(self) -> list[tuple[int, str]]:
        return sorted((value, name) for name, (value, _, kind) in self._symbols.items() if kind == "STT_FUNC")

    def place(self, address: int) -> str:
        """`<symbol+0xoffset>` with the hexadecimal address, for messages."""
        index = bisect_right(self._functions, (address, chr(0x10FFFF))) - 1
        if index < 0:
            return f"{address:#x} (before any function)"
        start, name = self._functions[index]
        return f"{address:#x} <{name}+{address - start:#x}>"

    def block(self, symbol: str) -> tuple[int, int]:
        """(address, bytes) of a data symbol."""
        if symbol not in self._symbols:
            raise SimulateError(f"{self.path}: no symbol '{symbol}'")
        return self._symbols[symbol][:2]

    def blocks(self, samples: Path) -> list[bytes]:
        """The input blocks of a file that has one for each sample, the first of them the ELF's own."""
        _, size = self._inputs
        block = samples.read_bytes()
        return [block[first : first + size] for first in range(0, len(block), size or 1)]

    @cached_property
    def _inputs(self) -> tuple[int, int]:
        """(offset in the file, bytes) of the section that holds the inputs."""
        with open(self.path, "rb") as stream:
            section = ELFFile(stream).get_section_by_name(".inputs")
            if section is None:
                raise SimulateError(f"{self.path}: no section '.inputs', where the inputs belong")
            return section["sh_offset"], section["sh_size"]

    def with_inputs(self, inputs: bytes, copy: Path) -> Path:
        """Write a copy of the ELF whose `.inputs` section holds `inputs`."""
        offset, size = self._inputs
        if len(inputs) != size:
            raise SimulateError(f"{self.path}: .inputs holds {size} bytes, {len(inputs)} were given")
        shutil.copyfile(self.path, copy)
        with open(copy, "r+b") as stream:
            stream.seek(offset)
            stream.write(inputs)
        return copy

    def constants(self) -> list[tuple[int, bytes]]:
        """(address, bytes) of the data that nobody writes, parameters left out: command lists lie there."""
        with open(self.path, "rb") as stream:
            return [
                (section["sh_addr"], section.data())
                for section in ELFFile(stream).iter_sections()
                if section["sh_type"] == "SHT_PROGBITS"
                and section["sh_flags"] == SH_FLAGS.SHF_ALLOC
                and section.name != ".weights"
            ]

    @property
    def memory_bytes(self) -> int:
        """The bytes of RAM that its segments take."""
        with open(self.path, "rb") as stream:
            return sum(each["p_memsz"] for each in ELFFile(stream).iter_segments("PT_LOAD"))

    def refuse_collision(self, machine: Machine) -> None:
        """Raise SimulateError where a segment lies where QEMU puts the board's device tree."""
        first = DEVICE_TREE_END - DEVICE_TREE_BYTES
        if machine.ram.end < DEVICE_TREE_END:
            return
        with open(self.path, "rb") as stream:
            loads = [each.header for each in ELFFile(stream).iter_segments("PT_LOAD")]
        for each in loads:
            begin, end = each["p_paddr"], each["p_paddr"] + each["p_memsz"]
            if begin < DEVICE_TREE_END and first < end:
                raise SimulateError(
                    f"{self.path}: a segment of {end - begin:#x} bytes at {begin:#x}..{end:#x} lies where QEMU puts "
                    f"the board's device tree, {first:#x}..{DEVICE_TREE_END:#x}; a program has to end below that, "
                    f"with at most {first - machine.ram.origin:#x} bytes in all"
                )

    def output_block(self, ram: Path, origin: int) -> bytes:
        """The `.outputs` section's bytes as the guest left them in its RAM file."""
        with open(self.path, "rb") as stream:
            section = ELFFile(stream).get_section_by_name(".outputs")
            address, size = (section["sh_addr"], section["sh_size"]) if section else (origin, 0)
        with open(ram, "rb") as stream:
            stream.seek(address - origin)
            return stream.read(size)


TRAP = re.compile(
    r"^trap: (?P<cause>.+?) at (?P<mepc>0x[0-9a-f]+).*?, mtval (?P<mtval>0x[0-9a-f]+)(?P<rest>.*)$", re.M
)


def trap_message(console: str, firmware: Firmware, machine: Machine) -> str:
    """One line about how the guest failed, from what the firmware printed last."""
    trap = TRAP.search(console)
    if not trap:
        said = console.strip().splitlines()
        return f"the guest gave up: {said[-1] if said else 'it did not say why'}"
    ram = f"RAM is {machine.ram.origin:#x}..{machine.ram.end:#x}"
    note = ": the stack has overflowed" if "overflowed" in trap["rest"] else ""
    return (
        f"the guest trapped: {trap['cause']} at mepc {firmware.place(int(trap['mepc'], 16))}, "
        f"mtval {int(trap['mtval'], 16):#x}{note}; {ram}"
    )
