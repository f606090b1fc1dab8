# SPDX-License-Identifier: Apache-2.0
"""Values in, a relocatable ELF file out, which the linker takes like a compiler's: a section and a symbol each.

The structures are pyelftools's, names and layout those of the ELF standard. The file is made part by part, so that
values of any size take no memory beside their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from elftools.construct import Container
from elftools.elf.constants import E_FLAGS, SH_FLAGS
from elftools.elf.structs import ELFStructs

from ..alignment import ALIGNMENT, aligned

FORMAT = ELFStructs(little_endian=True, elfclass=64)
FORMAT.create_basic_structs()
FORMAT.create_advanced_structs("ET_REL", "EM_RISCV", "ELFOSABI_SYSV")
HEADER_BYTES, SECTION_BYTES, SYMBOL_BYTES = (
    each.sizeof() for each in (FORMAT.Elf_Ehdr, FORMAT.Elf_Shdr, FORMAT.Elf_Sym)
)


@dataclass(frozen=True)
class DataObject:
    """A C object `symbol` of `size_bytes` in a section of that name; `data` makes its bytes."""

    symbol: str
    section: str
    is_written: bool
    size_bytes: int
    data: Callable[[], Any]


def relocatable(objects: Sequence[DataObject]) -> Iterator[Any]:
    """The file's bytes in parts: its header, each object aligned, symbols, names, and the table of sections.

    Every object has a section of its own, so that the linker holds one of them at a time.
    """
    strings = _Strings()
    symbols = b"".join(
        [_symbol(), *(_symbol_of(each, index, strings) for index, each in enumerate(objects, 1))]
    )
    sections, end = [_section()], HEADER_BYTES
    for each in objects:
        sections.append(_section_of(each, end, strings))
        end += aligned(each.size_bytes)
    for name in (".symtab", ".strtab"):
        strings.place(name)
    sections += [
        _symbol_table(symbols, end, len(objects) + 2, strings),
        _string_table(end + len(symbols), strings),
    ]
    padding = bytes(-len(symbols + strings.text) % 8)
    yield _header(end + len(symbols + strings.text + padding), len(sections))
    for each in objects:
        yield each.data()
        yield bytes(aligned(each.size_bytes) - each.size_bytes)
    yield from (symbols, strings.text, padding, *sections)


class _Strings:
    """A string table: names, each once, ended by a zero."""

    def __init__(self) -> None:
        self.text, self._places = b"\0", {"": 0}

    def place(self, name: str) -> int:
        """The name's offset in the table."""
        if name not in self._places:
            self._places[name] = len(self.text)
            self.text += name.encode() + b"\0"
        return self._places[name]


def _symbol_of(each: DataObject, section: int, strings: _Strings) -> bytes:
    return _symbol(
        st_name=strings.place(each.symbol),
        st_info=Container(bind="STB_GLOBAL", type="STT_OBJECT"),
        st_shndx=section,
        st_size=each.size_bytes,
    )


def _section_of(each: DataObject, offset: int, strings: _Strings) -> bytes:
    return _section(
        sh_name=strings.place(each.section),
        sh_type="SHT_PROGBITS",
        sh_flags=SH_FLAGS.SHF_ALLOC | (SH_FLAGS.SHF_WRITE if each.is_written else 0),
        sh_offset=offset,
        sh_size=each.size_bytes,
        sh_addralign=ALIGNMENT,
    )


def _symbol_table(symbols: bytes, offset: int, names: int, strings: _Strings) -> bytes:
    """`names` is the section of the symbols' names; behind the first symbol all are global."""
    return _section(
        sh_name=strings.place(".symtab"),
        sh_type="SHT_SYMTAB",
        sh_offset=offset,
        sh_size=len(symbols),
        sh_link=names,
        sh_info=1,
        sh_addralign=8,
        sh_entsize=SYMBOL_BYTES,
    )


def _string_table(offset: int, strings: _Strings) -> bytes:
    return _section(
        sh_name=strings.place(".strtab"),
        sh_type="SHT_STRTAB",
        sh_offset=offset,
        sh_size=len(strings.text),
        sh_addralign=1,
    )


def _header(section_table: int, sections: int) -> bytes:
    """The last section holds the names."""
    identity = Container(
        EI_MAG=list(b"\x7fELF"),
        EI_CLASS="ELFCLASS64",
        EI_DATA="ELFDATA2LSB",
        EI_VERSION="EV_CURRENT",
        EI_OSABI="ELFOSABI_SYSV",
        EI_ABIVERSION=0,
    )
    header: dict[str, Any] = {
        **dict.fromkeys(("e_entry", "e_phoff", "e_phentsize", "e_phnum"), 0),
        "e_ident": identity,
        "e_type": "ET_REL",
        "e_machine": "EM_RISCV",
        "e_version": "EV_CURRENT",
        "e_flags": E_FLAGS.EF_RISCV_RVC | E_FLAGS.EF_RISCV_FLOAT_ABI_DOUBLE,
        "e_ehsize": HEADER_BYTES,
        "e_shoff": section_table,
        "e_shentsize": SECTION_BYTES,
        "e_shnum": sections,
        "e_shstrndx": sections - 1,
    }
    return FORMAT.Elf_Ehdr.build(Container(**header))


def _section(**fields: Any) -> bytes:
    zero: dict[str, Any] = dict.fromkeys((str(each.name) for each in FORMAT.Elf_Shdr.subcons), 0)
    return FORMAT.Elf_Shdr.build(Container(**zero | {"sh_type": "SHT_NULL"} | fields))


def _symbol(**fields: Any) -> bytes:
    zero = {
        "st_name": 0,
        "st_info": Container(bind="STB_LOCAL", type="STT_NOTYPE"),
        "st_other": Container(local=0, visibility="STV_DEFAULT"),
        "st_shndx": "SHN_UNDEF",
        "st_value": 0,
        "st_size": 0,
    }
    return FORMAT.Elf_Sym.build(Container(**zero | fields))
