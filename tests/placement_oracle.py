# SPDX-License-Identifier: Apache-2.0
"""Judges a placement by what readelf prints, without a line of the check's code.

It knows the one script and plan of check_fixtures, PROJECT and PLAN, as constants of its own.
"""

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

READELF = "riscv64-unknown-elf-readelf"
RAM = range(0x8000_0000, 0x9000_0000)
NAMED = (".text", ".rodata", ".weights", ".data", ".inputs", ".bss", ".buffers", ".outputs", ".stack")
LOADS = ("R E", "R", "RW")
PLANNED = {"param_1": (".weights", 512, 64), "buffer_0": (".buffers", 256, 64)}
STACK_BYTES = 0x4000
SYMBOL_BYTES = 24
ECHO = range(0x1020_0000, 0x1020_1000)


class Sec(NamedTuple):
    number: int
    name: str
    type: str
    address: int
    offset: int
    size: int
    flags: str
    align: int

    @property
    def end(self):
        return self.address + self.size


class Seg(NamedTuple):
    type: str
    offset: int
    address: int
    physical: int
    in_file: int
    size: int
    flags: str
    align: int

    @property
    def end(self):
        return self.address + self.size


class Sym(NamedTuple):
    value: int
    size: int
    section: str
    name: str


SECTION = re.compile(
    r"^  \[ ?(\d+)\] (\S*) +(\S+(?:: +\S+)?) +([0-9a-f]{16}) ([0-9a-f]{6,}) ([0-9a-f]{6,}) [0-9a-f]{2,} ([ A-Zxop]{3,}) +"
    r"\d+ +\d+ +(\d+)$",
    re.M,
)
SEGMENT = re.compile(
    r"^  (\S+) +0x([0-9a-f]+) 0x([0-9a-f]+) 0x([0-9a-f]+) 0x([0-9a-f]+) 0x([0-9a-f]+) ([R ][W ][E ]) (0x[0-9a-f]+|0)$",
    re.M,
)
SYMBOL = re.compile(r"^ +\d+: ([0-9a-f]{16}) +(\w+) (\w+) +\w+ +\w+ +(\w+) ?(\S*)$", re.M)


def readelf(path: Path) -> str | None:
    """What readelf says of the file; None where it complains of it."""
    done = subprocess.run([READELF, "-hlSsW", path], capture_output=True)
    text = done.stdout.decode("latin-1")
    words = ("<corrupt", "<no-strings>", "bad section index")
    strange = done.returncode or done.stderr or any(word in text for word in words)
    return None if strange else text


def faults(text: str, file_bytes: int) -> set[str]:
    """The rules that are broken, by a word each, in a file of so many bytes."""
    sections = [
        Sec(int(n), name, kind, int(a, 16), int(o, 16), int(s, 16), flags, int(align))
        for n, name, kind, a, o, s, flags, align in SECTION.findall(text)
    ]
    segments = [
        Seg(kind, *(int(x, 16) for x in numbers), flags, int(align, 16))
        for kind, *numbers, flags, align in SEGMENT.findall(text)
    ]
    symbols = {
        name: Sym(int(value, 16), int(size, 0), section, name)
        for value, size, kind, section, name in SYMBOL.findall(text)
        if name and kind != "FILE" and section != "UND"
    }
    names = {str(each.number): each.name for each in sections}
    allocated = [
        each
        for each in sections
        if "A" in each.flags and each.size and not ("T" in each.flags and each.type == "NOBITS")
    ]
    loads = [each for each in segments if each.type == "LOAD" and (each.size or each.in_file)]
    parts = [(each.offset, each.in_file) for each in segments]
    parts += [(each.offset, each.size) for each in sections if each.type not in ("NOBITS", "NULL")]
    found = {"outside the file"} if any(sum(part) > file_bytes for part in parts) else set()
    if any(each.type == "SYMTAB" and each.size % SYMBOL_BYTES for each in sections):
        found.add("half a symbol")
    found |= _of_header(text, symbols)
    found |= _of_sections(allocated, loads)
    found |= _of_segments(loads, len([each for each in segments if each.type == "LOAD"]))
    found |= _of_symbols(symbols, names, sections, allocated)
    return found


def _of_header(text, symbols):
    entry = int(re.search(r"Entry point address: +(0x[0-9a-f]+)", text)[1], 16)
    flags = re.search(r"Flags: +0x[0-9a-f]+,? ?(.*)", text)[1]
    found = set()
    if "RVC" not in flags or "double-float ABI" not in flags:
        found.add("flags")
    start = symbols.get("_start")
    if entry != RAM.start or (start and start.value != entry):
        found.add("entry")
    return found


def _of_sections(allocated, loads):
    found = set()
    for each in allocated:
        holding = [load for load in loads if load.address <= each.address and each.end <= load.end]
        if each.name not in NAMED:
            found.add("orphan")
        if "C" in each.flags and each.type != "NOBITS":
            found.add("compressed")  # what is loaded never is
        if each.address < RAM.start or each.end > RAM.stop:
            found.add("region")
        if each.align > 1 and (each.address % each.align or each.align & (each.align - 1)):
            found.add("alignment")
        if len(holding) != 1:
            found.add("segment")
        if each.address < ECHO.stop and ECHO.start < each.end:
            found.add("device")
        for load in holding:
            in_file = each.type != "NOBITS"
            if in_file and each.offset - load.offset != each.address - load.address:
                found.add("offset")
            if in_file and each.offset + each.size > load.offset + load.in_file:
                found.add("offset")
            if ("W" in each.flags and "W" not in load.flags) or ("X" in each.flags and "E" not in load.flags):
                found.add("permission")
            if "R" not in load.flags:
                found.add("permission")
        if any(
            other.number > each.number and other.address < each.end and each.address < other.end
            for other in allocated
        ):
            found.add("overlap")
    return found


def _of_segments(loads, count):
    found = set()
    for place, load in enumerate(loads):
        if load.in_file > load.size:
            found.add("filesz")
        if load.size and (load.address < RAM.start or load.end > RAM.stop):
            found.add("segment outside")
        if load.physical != load.address:
            found.add("moved")
        if load.align > 1 and (load.align & (load.align - 1) or (load.address - load.offset) % load.align):
            found.add("segment alignment")
        if count == len(LOADS) and len(loads) == count and load.flags.strip() != LOADS[place]:
            found.add("segment flags")
        if load.size and "W" in load.flags and "E" in load.flags:
            found.add("write and execute")
        if any(
            other is not load and other.size and load.size
            and other.address < load.end and load.address < other.end
            for other in loads
        ):  # fmt: skip
            found.add("segments overlap")
    return found


def _of_symbols(symbols, names, sections, allocated):
    found = set()
    for name, (home, size, align) in PLANNED.items():
        each = symbols.get(name)
        if each is None or each.size != size or names.get(each.section) != home or each.value % align:
            found.add("planned symbol")
            continue
        place = next(section for section in sections if section.name == home)
        if "A" not in place.flags or each.value < place.address or each.value + size > place.end:
            found.add("planned symbol")
    bss = [symbols[name].value for name in ("__bss_start", "__bss_end") if name in symbols]
    if len(bss) == 2:
        inside = [each for each in allocated if each.name == ".bss"]
        if not inside and bss[0] != bss[1]:
            found.add("bss")
        if inside and not any(each.address <= bss[0] <= bss[1] <= each.end for each in inside):
            found.add("bss")
    return found | _of_stack(symbols, allocated, bss)


def _of_stack(symbols, allocated, bss):
    home = next((each for each in allocated if each.name == ".stack"), None)
    low = symbols["__stack_bottom"].value if "__stack_bottom" in symbols else home and home.address
    top = symbols["__stack_top"].value if "__stack_top" in symbols else home and home.end
    if top is None:
        return {"stack"}
    if low is None:
        low = top - STACK_BYTES
    place = range(home.address, home.end + 1) if home else range(RAM.start, RAM.stop + 1)
    found = set()
    if top - low < STACK_BYTES or top % 16 or not (place.start <= low <= top < place.stop):
        found.add("stack")
    obstacles = [(each.address, each.end) for each in allocated if each.name != ".stack"]
    obstacles += [tuple(bss)] if len(bss) == 2 else []
    if any(low < end and start < top for start, end in obstacles):
        found.add("stack")
    return found
