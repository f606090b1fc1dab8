# SPDX-License-Identifier: Apache-2.0
"""ELF files with a field or two changed, each to something near what it was or to a neighbour's value."""

import io
import random
import struct
from collections.abc import Iterator

from elftools.elf.elffile import ELFFile

HEADER = {"e_entry": (24, "Q"), "e_flags": (48, "I")}
SEGMENT = {"p_type": (0, "I"), "p_flags": (4, "I"), "p_offset": (8, "Q"), "p_vaddr": (16, "Q"), "p_paddr": (24, "Q"),
           "p_filesz": (32, "Q"), "p_memsz": (40, "Q"), "p_align": (48, "Q")}  # fmt: skip
SECTION = {"sh_name": (0, "I"), "sh_type": (4, "I"), "sh_flags": (8, "Q"), "sh_addr": (16, "Q"), "sh_offset": (24, "Q"),
           "sh_size": (32, "Q"), "sh_addralign": (48, "Q")}  # fmt: skip
SYMBOL = {"st_name": (0, "I"), "st_shndx": (6, "H"), "st_value": (8, "Q"), "st_size": (16, "Q")}
STEPS = (1, 2, 4, 8, 16, 64, 0x100, 0x1000, 0x4000, 0x10_0000, 0x1000_0000)


class Places:
    """Where the fields of a file's tables are: rows of (offset, format), by kind."""

    def __init__(self, data: bytes):
        elf = ELFFile(io.BytesIO(data))
        self.tables = {
            "header": [dict(HEADER)],
            "segment": [_at(SEGMENT, elf["e_phoff"] + 56 * n) for n in range(elf["e_phnum"])],
            "section": [
                _at(SECTION, elf["e_shoff"] + 64 * n)
                for n, each in enumerate(elf.iter_sections())
                if n and not each.name.startswith(".debug")
            ],
            "symbol": [
                _at(SYMBOL, elf.get_section_by_name(".symtab")["sh_offset"] + 24 * n)
                for n, each in enumerate(elf.get_section_by_name(".symtab").iter_symbols())
                if each.name and not each.name.startswith("$") and each["st_info"]["type"] != "STT_FILE"
            ],
        }


def _at(fields, start):
    return {name: (start + offset, form) for name, (offset, form) in fields.items()}


def mutants(data: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """(what was changed, file): `count` of them, the same for the same seed."""
    chance, places = random.Random(seed), Places(data)
    for _ in range(count):
        changed, said = bytearray(data), []
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            kind = chance.choice(("header", "segment", "segment", "section", "section", "section", "symbol"))
            rows = places.tables[kind]
            row = chance.randrange(len(rows))
            name = chance.choice(list(rows[row]))
            value = _new_value(chance, changed, rows, row, name)
            offset, form = rows[row][name]
            struct.pack_into("<" + form, changed, offset, value)
            said.append(f"{kind} {row} {name} = {value:#x}")
        yield ", ".join(said), bytes(changed)


def _new_value(chance, data, rows, row, name):
    offset, form = rows[row][name]
    (old,) = struct.unpack_from("<" + form, data, offset)
    bits = 8 * struct.calcsize(form)
    other, other_form = chance.choice(rows)[name]
    (neighbour,) = struct.unpack_from("<" + other_form, data, other)
    step = chance.choice(STEPS)
    choices = (
        old + step,
        old - step,
        neighbour,
        neighbour,
        old ^ 1 << chance.randrange(min(bits, 8)),
        0,
        1,
        1 << bits - 1,
    )
    return chance.choice(choices) & (1 << bits) - 1
