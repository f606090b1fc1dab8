# SPDX-License-Identifier: Apache-2.0
"""Reads ELF files: the path in, headers, sections, segments and symbols out as frozen data.

Names and values are those of the ELF standard. pyelftools reads the file. Every offset and count is checked
against the file's size first, so that a damaged file is refused at once, in one line.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from elftools.elf.constants import E_FLAGS, P_FLAGS, SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section as PlainSection
from elftools.elf.sections import SymbolTableSection

from ..errors import CheckError, printable

MAX_SECTIONS = 4096
MAX_SEGMENTS = 256
_SHENTSIZE, _PHENTSIZE, _SYMENTSIZE = 64, 56, 24


@dataclass(frozen=True)
class Section:
    name: str
    sh_type: str | int
    sh_flags: int
    sh_addr: int
    sh_offset: int
    sh_size: int
    sh_addralign: int

    @property
    def end(self) -> int:
        return self.sh_addr + self.sh_size

    @property
    def occupies_memory(self) -> bool:
        """Whether it is allocated and not empty. A .tbss is a template, which takes no memory."""
        is_tbss = self.sh_flags & SH_FLAGS.SHF_TLS and not self.has_content
        return bool(self.sh_flags & SH_FLAGS.SHF_ALLOC and self.sh_size and not is_tbss)

    @property
    def has_content(self) -> bool:
        """Whether its bytes are in the file; those of .bss are not."""
        return self.sh_type != "SHT_NOBITS"

    @property
    def flag_letters(self) -> str:
        """The flags as readelf prints them: W, A, X."""
        letters = (("W", SH_FLAGS.SHF_WRITE), ("A", SH_FLAGS.SHF_ALLOC), ("X", SH_FLAGS.SHF_EXECINSTR))
        return "".join(letter for letter, flag in letters if self.sh_flags & flag)


@dataclass(frozen=True)
class Segment:
    index: int
    p_type: str | int
    p_flags: int
    p_offset: int
    p_vaddr: int
    p_paddr: int
    p_filesz: int
    p_memsz: int
    p_align: int

    @property
    def end(self) -> int:
        return self.p_vaddr + self.p_memsz

    @property
    def flag_letters(self) -> str:
        return flag_letters(self.p_flags)

    @property
    def is_empty(self) -> bool:
        return self.p_memsz == 0 and self.p_filesz == 0

    def covers(self, section: Section) -> bool:
        return self.p_vaddr <= section.sh_addr and section.end <= self.end


@dataclass(frozen=True)
class Symbol:
    name: str
    st_value: int
    st_size: int
    section: str | None


@dataclass(frozen=True)
class Elf:
    """What is read from the file. `symbols` are by name; a global one hides local ones of the same name."""

    e_flags: int
    e_entry: int
    sections: tuple[Section, ...]
    segments: tuple[Segment, ...]
    symbols: Mapping[str, Symbol]
    code: Mapping[int, bytes] = field(default_factory=dict)
    """What executable sections hold, by address."""

    @cached_property
    def occupying(self) -> list[Section]:
        """The sections that take up memory, by address."""
        return sorted(
            (section for section in self.sections if section.occupies_memory),
            key=lambda section: (section.sh_addr, section.sh_size),
        )

    @cached_property
    def loads(self) -> list[Segment]:
        """The PT_LOAD segments that are not empty."""
        return [segment for segment in self.segments if segment.p_type == "PT_LOAD" and not segment.is_empty]

    @property
    def float_abi(self) -> str:
        return _FLOAT_ABIS[self.e_flags & E_FLAGS.EF_RISCV_FLOAT_ABI]

    @property
    def rvc(self) -> bool:
        return bool(self.e_flags & E_FLAGS.EF_RISCV_RVC)

    def value(self, name: str) -> int | None:
        """A symbol's value; None if there is no such symbol."""
        symbol = self.symbols.get(name)
        return None if symbol is None else symbol.st_value


_FLOAT_ABIS = {
    E_FLAGS.EF_RISCV_FLOAT_ABI_SOFT: "soft",
    E_FLAGS.EF_RISCV_FLOAT_ABI_SINGLE: "single",
    E_FLAGS.EF_RISCV_FLOAT_ABI_DOUBLE: "double",
    E_FLAGS.EF_RISCV_FLOAT_ABI_QUAD: "quad",
}


def flag_letters(p_flags: int) -> str:
    """A segment's flags as three letters, as in `R-X`."""
    letters = (("R", P_FLAGS.PF_R), ("W", P_FLAGS.PF_W), ("X", P_FLAGS.PF_X))
    return "".join(letter if p_flags & flag else "-" for letter, flag in letters)


def regular_file(path: Path, what: str) -> BinaryIO:
    """Open a file for reading. Raises CheckError for a pipe and the like: opening one might wait for ever."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise CheckError(f"{path}: not a regular file, expected the {what}")
        return open(path, "rb")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CheckError(f"{path}: cannot read the {what}: {reason}") from None


def read_elf(path: str | Path, elf_class: int = 64) -> Elf:
    """Read the RISC-V executable at `path`; `elf_class` is 32 or 64.

    Raises CheckError, in one line, where the file is no ELF file, is damaged, or is of another class, machine
    or type.
    """
    with regular_file(Path(path), "ELF file") as stream:
        size_bytes = os.fstat(stream.fileno()).st_size
        if stream.read(4) != b"\x7fELF":
            raise CheckError(f"{path}: not an ELF file ({size_bytes} bytes, without ELF's first four)")
        stream.seek(0)
        return _read(path, stream, size_bytes, elf_class)


def _read(path: str | Path, stream: BinaryIO, file_bytes: int, elf_class: int) -> Elf:
    try:
        elf = _Headers(stream)
        _refuse_other_machines(elf, elf_class)
        _refuse_bad_tables(elf, file_bytes)
        sections = tuple(_sections(elf, file_bytes))
        segments = tuple(_segments(elf, file_bytes))
        return Elf(elf["e_flags"], elf["e_entry"], sections, segments, _symbols(elf), _code(elf))
    except CheckError as error:
        raise CheckError(f"{path}: {printable(str(error))}") from None
    except Exception as error:  # a damaged file can make pyelftools raise a dozen types
        detail = printable(" ".join(str(error).split())[:100])
        raise CheckError(f"{path}: damaged ELF file ({type(error).__name__}: {detail})") from None


class _Headers(ELFFile):  # type: ignore[misc]  # pyelftools has no types
    """Does not read what sections hold that no rule looks at: damage there is not ours to find."""

    def _make_section(self, section_header: Any) -> PlainSection:
        if section_header["sh_type"] in ("SHT_SYMTAB", "SHT_STRTAB"):
            return super()._make_section(section_header)
        name, flags = self._get_section_name(section_header), section_header["sh_flags"]
        has_bytes = flags & SH_FLAGS.SHF_ALLOC and section_header["sh_type"] != "SHT_NOBITS"
        if has_bytes and flags & SH_FLAGS.SHF_COMPRESSED:
            raise CheckError(f"section '{name}' has SHF_COMPRESSED; what is loaded is as it runs")
        return PlainSection(section_header, name, self)


def _refuse_other_machines(elf: ELFFile, elf_class: int) -> None:
    found = (elf.elfclass, "little" if elf.little_endian else "big", elf["e_machine"], elf["e_type"])
    right = (elf_class, "little", "EM_RISCV", "ET_EXEC")
    if found != right:
        form = "ELF{}, {} endian, {}, {}"
        raise CheckError(f"is {form.format(*found)}; expected {form.format(*right)}")


def _refuse_bad_tables(elf: ELFFile, file_bytes: int) -> None:
    rows = (
        ("section", "sh", _SHENTSIZE, MAX_SECTIONS),
        ("program", "ph", _PHENTSIZE, MAX_SEGMENTS),
    )
    for what, prefix, entry_bytes, most in rows:
        offset, count = elf[f"e_{prefix}off"], elf[f"e_{prefix}num"]
        if count > most:
            raise CheckError(f"claims {count} {what} headers; at most {most} are read")
        if count == 0:
            raise CheckError(f"has no {what} headers")
        if elf[f"e_{prefix}entsize"] != entry_bytes:
            raise CheckError(f"e_{prefix}entsize is {elf[f'e_{prefix}entsize']}, expected {entry_bytes}")
        _refuse_outside(f"the table of {what} headers", offset, count * entry_bytes, file_bytes)
    if elf["e_shstrndx"] >= elf["e_shnum"]:
        raise CheckError(f"e_shstrndx is {elf['e_shstrndx']}, there are {elf['e_shnum']} sections")


def _refuse_outside(what: str, offset: int, size_bytes: int, file_bytes: int) -> None:
    if offset + size_bytes > file_bytes:
        raise CheckError(
            f"{what} is at file offsets 0x{offset:x}..0x{offset + size_bytes:x}, "
            f"but the file ends at 0x{file_bytes:x}: truncated or damaged"
        )


def _sections(elf: ELFFile, file_bytes: int) -> Iterator[Section]:
    for section in elf.iter_sections():
        header = section.header
        if header.sh_type not in ("SHT_NOBITS", "SHT_NULL"):
            _refuse_outside(f"section '{section.name}'", header.sh_offset, header.sh_size, file_bytes)
        yield Section(
            section.name,
            header.sh_type,
            header.sh_flags,
            header.sh_addr,
            header.sh_offset,
            header.sh_size,
            header.sh_addralign,
        )


def _segments(elf: ELFFile, file_bytes: int) -> Iterator[Segment]:
    names = ("p_type", "p_flags", "p_offset", "p_vaddr", "p_paddr", "p_filesz", "p_memsz", "p_align")
    for index in range(elf.num_segments()):
        header = elf.get_segment(index).header
        segment = Segment(index, *(header[name] for name in names))
        _refuse_outside(f"segment {index}", segment.p_offset, segment.p_filesz, file_bytes)
        yield segment


def _code(elf: ELFFile) -> dict[int, bytes]:
    return {
        section["sh_addr"]: section.data()
        for section in elf.iter_sections()
        if section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR and section["sh_type"] == "SHT_PROGBITS"
    }


def _symbols(elf: ELFFile) -> dict[str, Symbol]:
    """The symbols by name. In the table local ones come first, so that global ones replace them here."""
    table = next((each for each in elf.iter_sections() if each["sh_type"] == "SHT_SYMTAB"), None)
    if not isinstance(table, SymbolTableSection):
        return {}
    if table["sh_entsize"] != _SYMENTSIZE:
        raise CheckError(f"'{table.name}' has sh_entsize {table['sh_entsize']}, expected {_SYMENTSIZE}")
    names = dict(enumerate(section.name for section in elf.iter_sections()))
    symbols = [
        symbol
        for symbol in table.iter_symbols()
        if symbol.name and symbol["st_info"]["type"] != "STT_FILE" and symbol["st_shndx"] != "SHN_UNDEF"
    ]
    strings = elf.get_section(table["sh_link"])
    for symbol in symbols:
        if symbol["st_name"] + len(symbol.name) >= strings["sh_size"]:
            raise CheckError(f"symbol '{symbol.name}' has its name behind the end of '{strings.name}'")
    return {
        symbol.name: Symbol(
            symbol.name,
            symbol["st_value"],
            symbol["st_size"],
            names.get(symbol["st_shndx"]),
        )
        for symbol in symbols
    }
