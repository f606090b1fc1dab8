# SPDX-License-Identifier: Apache-2.0
"""The placement check, on ELFs that the real cross compiler made from good and from broken scripts."""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from acalsim_backend.check import Placement, check
from acalsim_backend.check.elf import read_elf
from acalsim_backend.check.rules import RULES
from acalsim_backend.check.script import read_script
from acalsim_backend.errors import CheckError
from elftools.elf.elffile import ELFFile

CROSS = "riscv64-unknown-elf-"
SITE_SCONS = Path(__file__).parent.parent / "site_scons"

PROJECT = """\
OUTPUT_ARCH(riscv)
ENTRY(_start)
MEMORY { RAM (rwx) : ORIGIN = 0x80000000, LENGTH = 0x10000000 }
PHDRS { text PT_LOAD FLAGS(5); rodata PT_LOAD FLAGS(4); data PT_LOAD FLAGS(6); }
SECTIONS {
    .text : { KEEP(*(.text.init)) *(.text .text.*) } > RAM :text
    .rodata : ALIGN(4096) { *(.rodata .rodata.* .srodata .srodata.*) } > RAM :rodata
    .weights : ALIGN(64) { *(.weights .weights.*) } > RAM :rodata
    .data : ALIGN(4096) { *(.data .data.* .sdata .sdata.*) } > RAM :data
    .inputs : ALIGN(64) { *(.inputs) } > RAM :data
    .bss (NOLOAD) : { __bss_start = .; *(.bss .bss.* .sbss .sbss.* COMMON) __bss_end = .; } > RAM :data
    .buffers (NOLOAD) : ALIGN(64) { *(.buffers) } > RAM :data
    .outputs (NOLOAD) : ALIGN(64) { *(.outputs) } > RAM :data
    .stack (NOLOAD) : { . = ALIGN(16); __stack_bottom = .; . += 0x4000; . = ALIGN(16); __stack_top = .; } > RAM :data
}
"""
"""The form of script that code generation prints."""

TUTORIAL = """\
/* one region, no PHDRS: nothing is separated */
ENTRY(_start)
MEMORY
{
    RAM (rwx) : ORIGIN = 0x80000000, LENGTH = 0x100000
}
SECTIONS
{
    .text : { _start = .; *(.text.init) *(.text .text.*) } > RAM
    .rodata : { *(.rodata .rodata.* .weights) } > RAM
    .data : { *(.data .data.* .inputs) } > RAM
    .bss : {
        __bss_start = .;
        *(.bss .bss.* .buffers .outputs)
        *(COMMON)
        __bss_end = .;
    } > RAM
    .stack : {
        . = ALIGN(16);
        . = . + 0x4000;  /* 16KB stack */
        __stack_top = .;
    } > RAM
}
"""

FLASHED = """\
ENTRY(_start)
MEMORY { FLASH (rx) : org = 0x20000000, len = 64K  SRAM (rw) : ORIGIN = 0x80000000 LENGTH = 1M }
SECTIONS {
    .text : { *(.text.init) *(.text) *(.rodata .weights) } > FLASH
    .data : { *(.data .inputs) } > SRAM AT> FLASH
    .bss (NOLOAD) : { *(.bss .buffers .outputs) } > SRAM
    .stack (NOLOAD) : { . = ALIGN(16); . += 0x1000; __stack_top = .; } > SRAM
}
"""
"""Data that a start-up routine copies from FLASH to SRAM."""

PROGRAM = """\
    .section .text.init,"ax"
    .globl _start
    .weak _start
_start:
    la sp, __stack_top
1:  j 1b
    .section .rodata,"a"
    .dword 1
    .section .weights,"a"
    .globl param_1
    .balign 64
    .type param_1, @object
    .size param_1, 512
param_1:
    .fill 512, 1, 7
    .data
    .dword 2
    .section .inputs,"aw"
    .dword 3
    .bss
    .space 100
    .section .buffers,"aw",@nobits
    .globl buffer_0
    .balign 64
    .type buffer_0, @object
    .size buffer_0, 256
buffer_0:
    .space 256
    .section .outputs,"aw",@nobits
    .space 64
"""

PLAN = {
    "elf": {"class": 64, "float_abi": "double", "rvc": True},
    "stack_bytes": 0x4000,
    "symbols": [
        {"name": "param_1", "section": ".weights", "size_bytes": 512, "alignment": 64},
        {"name": "buffer_0", "section": ".buffers", "size_bytes": 256, "alignment": 64},
    ],
    "windows": [{"name": "echo", "base": 0x10200000, "size_bytes": 0x1000}],
    "something else": "is ignored",
}


class Bench:
    """Links the program with a script, each combination once a session."""

    def __init__(self, folder: Path):
        self.folder = folder

    def script(self, text: str) -> Path:
        path = self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.ld"
        path.write_text(text)
        return path

    def elf(
        self, script: str, program: str = PROGRAM, march: str = "rv64gc", mabi: str = "lp64d", *flags: str
    ) -> Path:
        key = hashlib.sha256("\0".join((script, program, march, mabi, *flags)).encode()).hexdigest()[:12]
        source, elf = self.folder / f"{key}.S", self.folder / f"{key}.elf"
        if not elf.exists():
            source.write_text(program)
            command = [f"{CROSS}gcc", f"-march={march}", f"-mabi={mabi}", "-mcmodel=medany", "-nostdlib"]
            command += ["-Wl,--no-warn-rwx-segments", *flags, "-T", self.script(script), source, "-o", elf]
            subprocess.run(command, check=True, capture_output=True)
        return elf

    def patched(self, elf: Path, change) -> Path:
        """A copy of `elf` in which `change(bytearray)` has altered bytes."""
        data = bytearray(elf.read_bytes())
        change(data)
        path = self.folder / f"patched-{hashlib.sha256(data).hexdigest()[:12]}.elf"
        path.write_bytes(data)
        return path


@pytest.fixture(scope="session")
def bench(tmp_path_factory) -> Bench:
    for tool in ("gcc", "readelf"):
        if not shutil.which(CROSS + tool):
            pytest.skip(f"{CROSS}{tool} is not installed")
    return Bench(tmp_path_factory.mktemp("check"))


HEADER_FIELDS = {"e_machine": (18, "H"), "e_entry": (24, "Q"), "e_shoff": (40, "Q"), "e_flags": (48, "I"), "e_phnum": (56, "H"),
                 "e_shentsize": (58, "H"), "e_shnum": (60, "H"), "e_shstrndx": (62, "H")}  # fmt: skip
SEGMENT_FIELDS = {"p_flags": (4, "I"), "p_offset": (8, "Q"), "p_vaddr": (16, "Q"), "p_paddr": (24, "Q"), "p_filesz": (32, "Q"),
                  "p_memsz": (40, "Q"), "p_align": (48, "Q")}  # fmt: skip
SECTION_FIELDS = {"sh_flags": (8, "Q"), "sh_addr": (16, "Q"), "sh_offset": (24, "Q"), "sh_size": (32, "Q"), "sh_addralign": (48, "Q"),
                  "sh_entsize": (56, "Q")}  # fmt: skip


def put(data: bytearray, start: int, fields: dict, **values: int) -> None:
    for name, value in values.items():
        offset, form = fields[name]
        struct.pack_into("<" + form, data, start + offset, value)


def header(**values: int):
    return lambda data: put(data, 0, HEADER_FIELDS, **values)


def segment(index: int, **values: int):
    return lambda data: put(data, 64 + 56 * index, SEGMENT_FIELDS, **values)


def section(name: str, **values: int):
    def change(data: bytearray) -> None:
        elf = ELFFile(io.BytesIO(bytes(data)))
        index = next(i for i, row in enumerate(elf.iter_sections()) if row.name == name)
        put(data, elf["e_shoff"] + 64 * index, SECTION_FIELDS, **values)

    return change


def refused(elf: Path, script: Path, plan: dict | None = None) -> list[str]:
    with pytest.raises(CheckError) as caught:
        check(elf, script, plan)
    return str(caught.value).splitlines()


def run(*arguments: str | Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "acalsim_backend.check", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, env={"PYTHONPATH": str(SITE_SCONS)}, timeout=20
    )


# What is right passes


def test_a_sound_program_passes_with_its_plan_and_nothing_is_left_out(bench):
    placement = check(bench.elf(PROJECT), bench.script(PROJECT), PLAN)
    assert isinstance(placement, Placement)
    assert placement.left_out == []
    (ram,) = placement.regions
    assert (ram["region"], ram["origin"], ram["length"]) == ("RAM", 0x80000000, 0x10000000)
    names = [row["name"] for row in ram["sections"]]
    assert names == [
        ".text",
        ".rodata",
        ".weights",
        ".data",
        ".inputs",
        ".bss",
        ".buffers",
        ".outputs",
        ".stack",
    ]
    assert ram["sections"][2] == {"name": ".weights", "address": 0x80001040, "size_bytes": 512}


def test_one_region_without_phdrs_may_be_writable_and_executable(bench):
    placement = check(bench.elf(TUTORIAL), bench.script(TUTORIAL))
    assert [row["region"] for row in placement.regions] == ["RAM"]


def test_what_needs_the_plan_is_left_out_and_said(bench):
    left_out = "\n".join(check(bench.elf(PROJECT), bench.script(PROJECT)).left_out)
    for subject in ("e_flags", "size of the stack", "weights and buffers", "device windows"):
        assert subject in left_out
    partial = check(bench.elf(PROJECT), bench.script(PROJECT), {"stack_bytes": 16}).left_out
    assert not any("stack" in sentence for sentence in partial) and len(partial) == 3


def test_data_loaded_elsewhere_than_it_runs_counts_in_both_regions(bench):
    flash, sram = check(bench.elf(FLASHED), bench.script(FLASHED)).regions
    assert ".data" in [row["name"] for row in flash["sections"]]
    assert [row["name"] for row in sram["sections"]] == [".data", ".bss", ".stack"]


def test_sections_of_an_overlay_may_share_addresses_and_no_others(bench):
    shared = "OVERLAY : AT(0x80080000) { .o1 { *(.data) } .o2 { *(.inputs) } } > RAM\n    .bss"
    script = TUTORIAL.replace("*(.data .data.* .inputs)", "").replace(".bss", shared, 1)
    names = [row["name"] for row in check(bench.elf(script), bench.script(script)).regions[0]["sections"]]
    assert names.count(".o1") == names.count(".o2") == 2
    plain = TUTORIAL.replace("*(.data .data.* .inputs)", "").replace(
        ".bss", ".o1 : {} > RAM .o2 : {} > RAM .bss", 1
    )
    assert any("sections '.o1' at" in line for line in refused(bench.elf(script), bench.script(plain)))


@pytest.mark.parametrize("script", [PROJECT, TUTORIAL, FLASHED])
def test_region_fill_agrees_with_the_linkers_own_figures(bench, script):
    bench.elf(script)
    object_file = bench.folder / "program.o"
    (bench.folder / "program.S").write_text(PROGRAM)
    subprocess.run(
        [f"{CROSS}gcc", "-mcmodel=medany", "-c", bench.folder / "program.S", "-o", object_file], check=True
    )
    command = [
        f"{CROSS}ld",
        "--print-memory-usage",
        "-T",
        bench.script(script),
        object_file,
        "-o",
        "/dev/null",
    ]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    units = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
    rows = re.findall(r"(\w+): +(\d+) (\w+) +(\d+) (\w+)", printed)
    expected = [(name, int(used) * units[u], int(size) * units[v]) for name, used, u, size, v in rows]
    found = check(bench.elf(script), bench.script(script)).regions
    assert [(row["region"], row["used"], row["length"]) for row in found] == expected


@pytest.mark.parametrize("script", [PROJECT, TUTORIAL, FLASHED])
def test_sections_and_segments_are_those_readelf_prints(bench, script):
    path = bench.elf(script)
    printed = subprocess.run(
        [f"{CROSS}readelf", "-SlW", path], check=True, capture_output=True, text=True
    ).stdout
    elf = read_elf(path)
    rows = re.findall(
        r"^ +\[ *\d+\] (\S+) +(\S+) +([0-9a-f]{16}) (\w+) (\w+) \w\w +([A-Z]*) +\d+ +\d+ +(\d+)$",
        printed,
        re.M,
    )
    expected = [(n, t, int(a, 16), int(o, 16), int(s, 16), int(align)) for n, t, a, o, s, f, align in rows]
    assert len(expected) > 5
    ours = [
        (s.name, str(s.sh_type).removeprefix("SHT_"), s.sh_addr, s.sh_offset, s.sh_size, s.sh_addralign)
        for s in elf.sections[1:]
    ]
    assert ours == expected
    assert [s.flag_letters for s in elf.sections[1:]] == [re.sub("[^WAX]", "", row[5]) for row in rows]
    rows = re.findall(r"^  LOAD +(\w+) (\w+) (\w+) (\w+) (\w+) ([RWE ]{3}) (\w+)", printed, re.M)
    ours = [
        (s.p_offset, s.p_vaddr, s.p_paddr, s.p_filesz, s.p_memsz, s.flag_letters, s.p_align)
        for s in elf.loads
    ]
    assert ours == [
        (*(int(v, 16) for v in row[:5]), row[5].replace(" ", "-").replace("E", "X"), int(row[6], 16))
        for row in rows
    ]


# Each rule, broken


def test_every_rule_is_listed_once():
    names = [rule.__name__ for rule in RULES]
    assert len(names) == len(set(names)) == 19


def test_a_program_for_another_machine_is_refused_in_one_line(bench):
    elf = bench.patched(bench.elf(PROJECT), header(e_machine=62))
    (line,) = refused(elf, bench.script(PROJECT))
    assert (
        "ELF64, little endian, EM_X86_64, ET_EXEC; expected ELF64, little endian, EM_RISCV, ET_EXEC" in line
    )


def test_a_32_bit_program_is_refused_in_one_line(bench):
    elf = bench.elf(PROJECT, PROGRAM, "rv32gc", "ilp32d")
    (line,) = refused(elf, bench.script(PROJECT))
    assert "is ELF32, little endian, EM_RISCV" in line


def test_an_object_file_is_not_an_executable(bench):
    elf = bench.elf(PROJECT, PROGRAM, "rv64gc", "lp64d", "-r")
    (line,) = refused(elf, bench.script(PROJECT))
    assert "ET_REL; expected ELF64, little endian, EM_RISCV, ET_EXEC" in line


def test_another_float_abi_than_planned_is_named(bench):
    elf = bench.elf(PROJECT, PROGRAM, "rv64imac", "lp64")
    assert refused(elf, bench.script(PROJECT), PLAN) == [
        "e_flags 0x1 say float ABI soft, RVC yes; planned is float ABI double, RVC yes"
    ]


def test_missing_compressed_instructions_are_named(bench):
    elf = bench.elf(PROJECT, PROGRAM, "rv64g", "lp64d")
    assert refused(elf, bench.script(PROJECT), PLAN) == [
        "e_flags 0x4 say float ABI double, RVC no; planned is float ABI double, RVC yes"
    ]


def broken_script(
    old: str, new: str, checked: str = PROJECT, linked: str = PROJECT, plan: dict | None = PLAN
):
    """Link with `linked`, then check against `checked` with `old` replaced by `new`."""
    assert old in checked
    return lambda bench: (bench.elf(linked), bench.script(checked.replace(old, new)), plan)


def broken_link(old: str, new: str, script: str = PROJECT, plan: dict | None = PLAN, program: str = PROGRAM):
    """Link and check with a script in which `old` is replaced by `new`."""
    assert old in script
    changed = script.replace(old, new)
    return lambda bench: (bench.elf(changed, program), bench.script(changed), plan)


def broken_elf(*changes, script: str = PROJECT, plan: dict | None = PLAN):
    def build(bench: Bench):
        elf = bench.elf(script)
        for change in changes:
            elf = bench.patched(elf, change)
        return elf, bench.script(script), plan

    return build


def broken_plan(**values):
    return lambda bench: (bench.elf(PROJECT), bench.script(PROJECT), PLAN | values)


def planned(name: str, **values):
    return broken_plan(
        symbols=[{"name": name, "section": ".weights", "size_bytes": 512, "alignment": 64} | values]
    )


BROKEN = {
    "a section past its region's end names the excess": (
        broken_script("LENGTH = 0x10000000", "LENGTH = 0x1100"),
        "section '.weights' needs 0x80001040..0x80001240 in region RAM, which ends at 0x80001100 (0x140 bytes too many)",
    ),
    "a section in another region than the script says": (
        broken_script(
            "SRAM (rw) : ORIGIN = 0x80000000", "SRAM (rw) : ORIGIN = 0x90000000", FLASHED, FLASHED, None
        ),
        "section '.stack' needs 0x80000200..0x80001200, outside region SRAM at 0x90000000..0x90100000",
    ),
    "a section loaded outside its load region": (
        broken_script("len = 64K", "len = 0x200", FLASHED, FLASHED, None),
        "section '.data' is loaded at 0x20000240..0x20000250, outside region FLASH at 0x20000000..0x20000200",
    ),
    "a section that the script does not name is an orphan": (
        broken_link("    .inputs : ALIGN(64) { *(.inputs) } > RAM :data\n", ""),
        "section '.inputs' at 0x80002008..0x80002010 is an orphan: the linker script does not name it",
    ),
    "a section assigned to no region is an orphan": (
        broken_link("{ *(.outputs) } > RAM", "{ *(.outputs) }"),
        "section '.outputs' at 0x800021c0..0x80002200 is an orphan: the linker script assigns it to no region",
    ),
    "a section assigned to an undeclared region is an orphan": (
        broken_script("{ *(.outputs) } > RAM", "{ *(.outputs) } > ROM"),
        "section '.outputs' at 0x800021c0..0x80002200 is an orphan: the linker script assigns it to undeclared region ROM",
    ),
    "two sections overlap": (
        broken_elf(section(".weights", sh_addr=0x80001000)),
        "sections '.rodata' at 0x80001000..0x80001008 and '.weights' at 0x80001000..0x80001200 overlap",
    ),
    "two load ranges overlap": (
        broken_elf(segment(2, p_paddr=0x20000000), script=FLASHED, plan=None),
        "sections '.data' loaded at 0x20000000..0x20000010 and '.text' loaded at 0x20000000..0x20000240 (p_paddr) overlap",
    ),
    "a load address that differs without AT>": (
        broken_elf(segment(3, p_paddr=0x80008000)),
        "PT_LOAD segment 3 has p_paddr 0x80008000, expected its p_vaddr 0x80002000: the linker script says no AT> there",
    ),
    "a misaligned section": (
        broken_elf(section(".weights", sh_addralign=0x80)),
        "section '.weights' has sh_addr 0x80001040, expected a multiple of its sh_addralign 0x80",
    ),
    "a misaligned segment": (
        broken_elf(segment(2, p_align=0x10000)),
        "PT_LOAD segment 2 has p_vaddr 0x80001000 and p_offset 0x2000, expected them equal modulo p_align 0x10000",
    ),
    "an entry that is not RAM's origin": (
        broken_elf(header(e_entry=0x80000004)),
        "entry is 0x80000004, expected region RAM's origin 0x80000000",
    ),
    "an entry pushed away by code before it": (
        broken_link("{ KEEP(*(.text.init))", "{ LONG(0); KEEP(*(.text.init))"),
        "entry is 0x80000004 ('_start'), expected region RAM's origin 0x80000000",
    ),
    "an entry that is not the entry symbol": (
        broken_elf(header(e_entry=0x80000002)),
        "entry is 0x80000002, expected '_start' at 0x80000000",
    ),
    "an entry outside its region without RAM": (
        broken_elf(header(e_entry=0x20000002), script=FLASHED, plan=None),
        "entry is 0x20000002, expected region FLASH's origin 0x20000000",
    ),
    "a section outside every segment": (
        broken_elf(segment(3, p_memsz=0x100)),
        "section '.stack' at 0x80002200..0x80006200 should lie in one PT_LOAD segment, lies in none",
    ),
    "a section inside two segments": (
        broken_elf(segment(2, p_memsz=0x2000)),
        "section '.data' at 0x80002000..0x80002008 should lie in one PT_LOAD segment, lies in segments 2, 3",
    ),
    "a section elsewhere in the file than its segment": (
        broken_elf(section(".weights", sh_offset=0x2000)),
        "section '.weights' has sh_offset 0x2000, expected 0x2040 from p_offset of PT_LOAD segment 2",
    ),
    "a section of which the segment loads only a part": (
        broken_elf(segment(2, p_filesz=0x100)),
        "section '.weights' needs file offsets up to 0x2240, past 0x2100, the end of PT_LOAD segment 2",
    ),
    "a writable section in a read-only segment": (
        broken_elf(section(".weights", sh_flags=3)),
        "section '.weights' needs RW-, more than the p_flags R-- of PT_LOAD segment 2",
    ),
    "a segment that reaches out of every region": (
        broken_elf(segment(3, p_memsz=0x10000000)),
        "PT_LOAD segment 3 covers 0x80002000..0x90002000, but no region holds 0x90000000",
    ),
    "a segment that takes the ELF header along in front of RAM": (
        broken_link("ORIGIN = 0x80000000", "ORIGIN = 0x80000200", TUTORIAL, None),
        "PT_LOAD segment 1 covers 0x80000000..0x80004680, but no region holds 0x80000000",
    ),
    "a segment with more file than memory": (
        broken_elf(segment(2, p_filesz=0x300)),
        "PT_LOAD segment 2 has p_filesz 0x300, expected at most p_memsz 0x240",
    ),
    "a segment with other flags than the script's": (
        broken_elf(segment(2, p_flags=5)),
        "PT_LOAD segment 2 has p_flags R-X, expected 'rodata' FLAGS R--",
    ),
    "a writable and executable segment under PHDRS that separate": (
        broken_elf(segment(1, p_flags=7)),
        "PT_LOAD segment 1 at 0x80000000..0x8000000a is writable and executable (RWX); the PHDRS of the linker script separate them",
    ),
    "a writable and executable segment under regions that separate": (
        broken_elf(segment(2, p_flags=7), script=FLASHED, plan=None),
        "PT_LOAD segment 2 at 0x80000000..0x80000010 is writable and executable (RWX); "
        "the regions' attributes of the linker script separate them",
    ),
    "a stack smaller than planned": (
        broken_link(". += 0x4000", ". += 0x2000"),
        "stack at 0x80002200..0x80004200 has 0x2000 bytes, planned are 0x4000",
    ),
    "a stack top that is not aligned": (
        broken_link(". = ALIGN(16); __stack_top = .;", ". += 8; __stack_top = .;"),
        "stack top 0x80006208 should be a multiple of 0x10",
    ),
    "a stack that leaves its section": (
        broken_link("__stack_top = .;", "__stack_top = . + 0x100;"),
        "stack at 0x80002200..0x80006300 should lie in section '.stack' at 0x80002200..0x80006200",
    ),
    "a stack above RAM": (
        broken_link(
            "    .stack",
            "    __stack_top = ORIGIN(RAM) + LENGTH(RAM) + 16;\n    .heap",
            plan=PLAN,
            script=PROJECT.replace(" __stack_bottom = .;", "").replace(" __stack_top = .;", ""),
        ),
        "stack at 0x8fffc010..0x90000010 should lie in region RAM at 0x80000000..0x90000000",
    ),
    "a stack inside bss": (
        broken_link(
            "__stack_top = .; }", "__stack_top = .; __bss_end = .; }", PROJECT.replace("__bss_end = .;", "")
        ),
        "stack at 0x80002200..0x80006200 reaches __bss_start..__bss_end at 0x80002048..0x80006200",
    ),
    "a stack that reaches another section": (
        broken_link("__stack_bottom = .;", "__stack_bottom = . - 0x20;"),
        "stack at 0x800021e0..0x80006200 reaches section '.outputs' at 0x800021c0..0x80002200",
    ),
    "no stack at all": (
        broken_link(
            "    .stack",
            "    .heap",
            PROJECT.replace("__stack_top", "top"),
            program=PROGRAM.replace("__stack_top", "top"),
        ),
        "stack is missing: the ELF has neither section '.stack' nor '__stack_top'",
    ),
    "a planned symbol that is missing": (
        planned("param_9"),
        "symbol 'param_9' is missing, planned are 0x200 bytes in section '.weights'",
    ),
    "a symbol of another size than planned": (
        planned("param_1", size_bytes=1024),
        "symbol 'param_1' at 0x80001040..0x80001240 has 0x200 bytes, planned are 0x400",
    ),
    "a symbol in another section than planned": (
        planned("param_1", section=".data"),
        "symbol 'param_1' at 0x80001040..0x80001240 is in section '.weights', planned is '.data'",
    ),
    "a symbol less aligned than planned": (
        planned("param_1", alignment=4096),
        "symbol 'param_1' is at 0x80001040, planned is a multiple of 0x1000",
    ),
    "a symbol that reaches out of its section": (
        broken_elf(section(".weights", sh_size=0x100)),
        "symbol 'param_1' at 0x80001040..0x80001240 reaches out of section '.weights' at 0x80001040..0x80001140",
    ),
    "a section in a device's window": (
        broken_plan(windows=[{"name": "compute", "base": 0x80005000, "size_bytes": 0x1000}]),
        "section '.stack' at 0x80002200..0x80006200 reaches device 'compute' at 0x80005000..0x80006000",
    ),
}


@pytest.mark.parametrize("build, sentence", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_rule_is_named_with_expected_and_actual_range(bench, build, sentence):
    assert sentence in refused(*build(bench))


def test_all_broken_rules_are_reported_in_order_of_address(bench):
    elf = bench.elf(PROJECT)
    for change in (segment(3, p_flags=7), section(".weights", sh_addralign=0x80), header(e_entry=0x80000004)):
        elf = bench.patched(elf, change)
    lines = refused(elf, bench.script(PROJECT), PLAN)
    subjects = [re.match(r"entry|section '.\w+'|PT_LOAD segment \d", line)[0] for line in lines]
    assert subjects == ["entry", "entry", "section '.weights'", "PT_LOAD segment 3", "PT_LOAD segment 3"]


@pytest.mark.parametrize(
    "plan, sentence",
    [
        ([], "plan: expected an object, found list"),
        ({"stack_bytes": "16K"}, "plan: 'stack_bytes' should be of type int, found '16K'"),
        ({"stack_bytes": -1}, "plan: 'stack_bytes' is negative: -1"),
        ({"symbols": [{"name": "a"}]}, "plan: symbols[0]: 'section' should be of type str, found None"),
        ({"windows": [7]}, "plan: windows[0]: expected an object, found int"),
        (
            {"elf": {"class": 64, "float_abi": "double"}},
            "plan: elf: 'rvc' should be of type bool, found None",
        ),
        (
            {"symbols": [{"name": "a", "section": "b", "size_bytes": 0, "alignment": 0}]},
            "alignment of 'a' is 0",
        ),
    ],
)
def test_a_malformed_plan_is_one_clear_line(bench, plan, sentence):
    (line,) = refused(bench.elf(PROJECT), bench.script(PROJECT), plan)
    assert sentence in line


# Linker scripts

FORMS = {
    "hex, octal, binary and decimal": ("ORIGIN = 020, LENGTH = 0x10", 16, 16),
    "suffixes": ("ORIGIN = 4K, LENGTH = 2m", 0x1000, 0x200000),
    "letter bases": ("ORIGIN = 80000000h, LENGTH = $100", 0x80000000, 0x100),
    "short keywords": ("org = 0x80000000, len = 64k", 0x80000000, 0x10000),
    "one-letter keywords without comma": ("o = 0x80000000 l = 64k", 0x80000000, 0x10000),
    "arithmetic": ("ORIGIN = 0x80000000 + 4 * (1K - 0x10), LENGTH = 1 << 20 | 3", 0x80000FC0, 0x100003),
    "no blanks": ("ORIGIN=0x1000,LENGTH=0x1000-16", 0x1000, 0xFF0),
    "a condition": (
        "ORIGIN = DEFINED(there) ? there : 0x40, LENGTH = DEFINED(x) && x > 1 ? x : 1",
        0x40,
        0x2000,
    ),
    "functions": ("ORIGIN = ALIGN(0x1001, 4K), LENGTH = MAX(LOG2CEIL(1M), MIN(8, 9))", 0x2000, 20),
    "another region": ("ORIGIN = ORIGIN(first) + LENGTH(first), LENGTH = LENGTH(again) / 2", 0x30, 8),
    "symbols of the script": ("ORIGIN = x, LENGTH = y", 0x2000, 7),
    "symbols of the ELF": ("ORIGIN = z, LENGTH = 1", 0x99, 1),
    "unary operators": ("ORIGIN = ~0 - -1, LENGTH = !0 + 1", 0, 2),
    "comments": ("ORIGIN = /* a { */ 4, # b }\n LENGTH = /**/ 5", 4, 5),
}


@pytest.mark.parametrize("form, origin, length", FORMS.values(), ids=FORMS.keys())
def test_regions_are_read_in_every_form(tmp_path, form, origin, length):
    path = tmp_path / "a.ld"
    path.write_text(
        "x = 0x1000; x *= 2; PROVIDE(y = 7);\n"
        'MEMORY { first (rx) : ORIGIN = 0x20, LENGTH = 0x10 }\nREGION_ALIAS("again", first)\n'
        f"MEMORY {{ it (r!wx) : {form} }}"
    )
    region = read_script(path, {"z": 0x99}).regions["it"]
    assert (region.origin, region.length, region.attributes) == (origin, length, "r!wx")


def test_sections_are_read_in_every_form(tmp_path):
    path = tmp_path / "a.ld"
    path.write_text("""
        OUTPUT_FORMAT("elf64-littleriscv", "elf64-bigriscv", "elf64-littleriscv") OUTPUT_ARCH(riscv)
        SEARCH_DIR("=/usr/lib"); GROUP(-lc AS_NEEDED(-lgcc)) EXTERN(a b) ENTRY(_start)
        MEMORY { RAM : ORIGIN = 0, LENGTH = 1M  ROM-1 (rx) : ORIGIN = 1M, LENGTH = 1M }
        PHDRS { h PT_PHDR PHDRS; t PT_LOAD FILEHDR PHDRS AT(0x1000) FLAGS(4|1); n 4; u PT_LOAD FLAGS(SHF_ALLOC); }
        SECTIONS {
            . = 0x100; PROVIDE_HIDDEN(a$b = SIZEOF(.note.gnu.build-id) + ADDR(.text)); ASSERT(. < 1M, "too big")
            .text : { foo/*.o(.text*) /* c */ *lib.a:*(.x) KEEP (*(EXCLUDE_FILE (*crt.o *b.o) .ctors SORT(.init.*))) } >RAM AT>ROM-1 :t :NONE =0xff+1
            .a 0x80001000 + 8 (NOLOAD) : AT(0x80002000) ALIGN(16) SUBALIGN(8) { BYTE(1) QUAD(. + 4); . += 4; c = .; }
            .b . (READONLY (TYPE = SHT_PROGBITS)) : ALIGN_WITH_INPUT ONLY_IF_RO { INPUT_SECTION_FLAGS (SHF_ALLOC & !SHF_WRITE) *(.r*,.s*) FILL(0x90) }
            .c DEFINED(q) ? 1 : 2 : { *([a-z]*.o ?.o) CONSTRUCTORS SORT(CONSTRUCTORS); } > RAM
            OVERLAY 0x1000 : NOCROSSREFS AT(0x4000) { .o1 { *(.o1) } :t .o2 { *(.o2) } =0 } > RAM
            /DISCARD/ : { *(.note*) }
            ".d e" : { *("f g") } > RAM
        }
        VERSION { V1 { global: x; local: *; }; }
    """)
    script = read_script(path, {})
    assert script.entry == "_start"
    assert [(header.name, header.p_type, header.p_flags) for header in script.phdrs] == [
        ("h", "PT_PHDR", None),
        ("t", "PT_LOAD", 5),
        ("n", "4", None),
        ("u", "PT_LOAD", None),
    ]
    assert [(output.name, output.region, output.load_region, output.moved) for output in script.outputs] == [
        (".text", "RAM", "ROM-1", True),
        (".a", None, None, True),
        (".b", None, None, False),
        (".c", "RAM", None, True),
        (".o1", "RAM", None, True),
        (".o2", "RAM", None, True),
        ("/DISCARD/", None, None, False),
        (".d e", "RAM", None, True),
    ]


def test_included_files_are_read_where_they_stand(tmp_path):
    (tmp_path / "memory.ld").write_text("RAM : ORIGIN = 1, LENGTH = 2")
    (tmp_path / "a.ld").write_text("MEMORY { INCLUDE memory.ld }\nINCLUDE b.ld\n")
    (tmp_path / "b.ld").write_text("SECTIONS { .text : { *(.text) } > RAM }")
    script = read_script(tmp_path / "a.ld", {})
    assert script.regions["RAM"].end == 3 and script.outputs[0].name == ".text"
    (tmp_path / "b.ld").write_text("INCLUDE a.ld")
    with pytest.raises(CheckError, match="a.ld includes itself"):
        read_script(tmp_path / "a.ld", {})


@pytest.mark.parametrize("flags", [[], ["-n"], ["-N"], ["-r"]])
def test_the_linkers_own_scripts_are_understood(bench, flags):
    printed = subprocess.run(
        [f"{CROSS}ld", *flags, "--verbose"], check=True, capture_output=True, text=True
    ).stdout
    script = bench.script(printed.split("=" * 50)[1])
    assert ".text" in [output.name for output in read_script(script, {}).outputs]


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("MEMORY { RAM : ORIGIN = 1 }", "line 1, column 27: expected 'LENGTH =', found '}'"),
        ("MEMORY {\n RAM : ORIGIN = , LENGTH = 1 }", "line 2, column 17: expected an expression, found ','"),
        ("MEMORY { RAM (q) : ORIGIN = 1, LENGTH = 1 }", "line 1, column 15: expected ')' after attributes"),
        ("MEMORY { A : o = 1, l = 1 A : o = 1, l = 1 }", "column 27: region 'A' is declared twice"),
        ("MEMORY { A : o = 1 / 0, l = 1 }", "column 22: division by zero"),
        (
            "MEMORY { A : o = nowhere, l = 1 }",
            "column 18: symbol 'nowhere' has a value neither in the script",
        ),
        ("MEMORY { A : o = ADDR(.x), l = 1 }", "column 18: ADDR() has no value before sections are placed"),
        ("MEMORY { A : o = ORIGIN(B), l = 1 }", "region 'B', which the script does not declare"),
        ("x = x + 1; MEMORY { A : o = x, l = 1 }", "nested too deeply, or a symbol is defined by itself"),
        ("x = " + "(" * 5000, "nested too deeply"),
        ("SECTIONS { .text { } }", "line 1, column 18: expected an expression, found '{'"),
        ("SECTIONS { .text : { *(.text } }", "column 30: expected a pattern or ')', found '}'"),
        (
            "SECTIONS { .text : { *(.text)",
            "expected a pattern, an assignment or '}', found the end of the file",
        ),
        ("SECTIONS { . = 1 }", "line 1, column 18: expected ';', found '}'"),
        ("SECTIONS { /* never closed", "found '/'"),
        ("#include <x>\n%", "line 2, column 1: expected a command or an assignment, found '%'"),
        ("INCLUDE nowhere.ld", "column 9: INCLUDE names 'nowhere.ld'"),
        ("REGION_ALIAS(A, B)", "column 17: alias of region 'B'"),
    ],
)
def test_what_is_no_linker_script_is_one_line_with_line_and_column(tmp_path, text, sentence):
    path = tmp_path / "a.ld"
    path.write_text(text)
    with pytest.raises(CheckError) as caught:
        read_script(path, {})
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_a_script_without_memory_is_refused(bench):
    (line,) = refused(bench.elf(PROJECT), bench.script("ENTRY(_start) SECTIONS { .text : { *(.text) } }"))
    assert "declares no region of MEMORY" in line


# Damaged files


def survives(elf: Path, script: Path) -> None:
    """`elf` passes or is refused by CheckError; any other exception fails the test."""
    try:
        check(elf, script, PLAN)
    except CheckError as error:
        assert str(error).strip()


def test_every_truncation_is_refused_in_one_line(bench, tmp_path):
    data, script = bench.elf(PROJECT).read_bytes(), bench.script(PROJECT)
    path = tmp_path / "cut.elf"
    path.write_bytes(data)
    for length in (*range(300), *range(300, len(data) - 100, 37), *range(len(data) - 100, len(data))):
        path.write_bytes(data[:length])
        assert len(refused(path, script, PLAN)) == 1


def test_random_bytes_never_raise_anything_else(bench, tmp_path):
    chance, script, path = random.Random(1), bench.script(PROJECT), tmp_path / "random.elf"
    for round_number in range(150):
        magic = b"\x7fELF\x02\x01\x01" if round_number % 2 else b""
        path.write_bytes(magic + chance.randbytes(chance.randrange(3000)))
        assert len(refused(path, script, PLAN)) == 1


def test_flipped_bytes_never_raise_anything_else(bench, tmp_path):
    good, script, path = bench.elf(PROJECT).read_bytes(), bench.script(PROJECT), tmp_path / "flipped.elf"
    chance, headers = random.Random(2), struct.unpack_from("<Q", good, 40)[0]
    interesting = [*range(64 + 4 * 56), *range(headers - 500, len(good))]
    for _ in range(300):
        data = bytearray(good)
        for _ in range(chance.choice((1, 1, 2, 8))):
            data[chance.choice(interesting)] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
        path.write_bytes(data)
        survives(path, script)


def test_flipped_characters_of_a_script_never_raise_anything_else(bench, tmp_path):
    chance, elf, path = random.Random(3), bench.elf(PROJECT), tmp_path / "flipped.ld"
    for _ in range(150):
        text = list(PROJECT)
        for _ in range(chance.choice((1, 2, 5))):
            text[chance.randrange(len(text))] = chance.choice("(){}[];:,.*/\\\"'=<>+-~!?&|09xK \n\0é#$")
        path.write_text("".join(text))
        survives(elf, path)


HUGE = 1 << 60


@pytest.mark.parametrize(
    "change, sentence",
    [
        (header(e_shnum=0xFFFF), "claims 65535 section headers; at most 4096 are read"),
        (header(e_phnum=0xFFFF), "claims 65535 program headers; at most 256 are read"),
        (header(e_shnum=0), "has no section headers"),
        (header(e_shentsize=0), "e_shentsize is 0, expected 64"),
        (header(e_shoff=HUGE), "the table of section headers is at file offsets 0x1000000000000000.."),
        (header(e_shstrndx=0xFF00), "damaged ELF file|e_shstrndx is 65280"),
        (
            section(".weights", sh_size=HUGE),
            "section '.weights' is at file offsets 0x2040..0x1000000000002040",
        ),
        (section(".symtab", sh_entsize=0), "'.symtab' has sh_entsize 0, expected 24|damaged ELF file"),
        (segment(2, p_filesz=HUGE), "segment 2 is at file offsets 0x2000..0x1000000000002000"),
    ],
)
def test_headers_that_claim_too_much_are_refused_at_once(bench, change, sentence):
    (line,) = refused(bench.patched(bench.elf(PROJECT), change), bench.script(PROJECT))
    assert re.search(sentence, line)


def test_a_section_that_claims_the_whole_address_space_is_refused(bench):
    elf = bench.patched(bench.elf(PROJECT), section(".bss", sh_size=HUGE))
    assert any(
        "section '.bss' needs 0x80002048..0x1000000080002048" in line
        for line in refused(elf, bench.script(PROJECT))
    )


@pytest.mark.parametrize("subject", ["missing", "folder", "/dev/zero", "empty", "nul\0name"])
def test_what_is_no_file_is_one_clear_line_for_every_argument(bench, tmp_path, subject):
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").touch()
    odd = tmp_path / subject
    assert len(refused(odd, bench.script(PROJECT))) == 1
    assert len(refused(bench.elf(PROJECT), odd)) == 1


# The command


def test_the_command_prints_a_table_and_writes_json(bench, tmp_path):
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    options = ["--plan", tmp_path / "plan.json", "--json", tmp_path / "out.json"]
    result = run(bench.elf(PROJECT), bench.script(PROJECT), *options)
    assert (result.returncode, result.stderr) == (0, "")
    assert re.search(
        r"^RAM 0x80000000\.\.0x90000000 \[#\.+\] 0\.0%, 25,088 of 268,435,456 bytes$", result.stdout, re.M
    )
    assert re.search(r"^  0x0080001040 +512 A   \.weights$", result.stdout, re.M)
    written = json.loads((tmp_path / "out.json").read_text())
    assert written == {"placement": check(bench.elf(PROJECT), bench.script(PROJECT)).regions, "left_out": []}


def test_the_command_says_what_it_left_out(bench):
    result = run(bench.elf(TUTORIAL), bench.script(TUTORIAL))
    assert result.returncode == 0 and "needs the plan's 'windows'" in result.stdout


def test_quiet_prints_nothing_when_all_is_well(bench):
    result = run(bench.elf(PROJECT), bench.script(PROJECT), "--quiet")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_a_refusal_is_lines_on_stderr_and_leaves_no_json(bench, tmp_path):
    script = bench.script(PROJECT.replace("LENGTH = 0x10000000", "LENGTH = 0x1100"))
    result = run(bench.elf(PROJECT), script, "--json", tmp_path / "out.json")
    assert result.returncode == 1 and result.stdout == ""
    assert all(line.startswith("check: ") for line in result.stderr.splitlines())
    assert "Traceback" not in result.stderr and not (tmp_path / "out.json").exists()


def test_usage_errors_exit_with_two(bench):
    assert run(bench.elf(PROJECT)).returncode == 2


def test_an_unreadable_plan_and_an_unwritable_json_are_one_line_each(bench, tmp_path):
    (tmp_path / "plan.json").write_text("{")
    (tmp_path / "file").touch()
    for options in (["--plan", tmp_path / "plan.json"], ["--json", tmp_path / "file" / "out.json"]):
        result = run(bench.elf(PROJECT), bench.script(PROJECT), *options)
        assert result.returncode == 1 and len(result.stderr.splitlines()) == 1
        assert result.stderr.startswith("check: ")
