# SPDX-License-Identifier: Apache-2.0
"""Programs, linker scripts and plans that the check is tried on, and ways to break them."""

import hashlib
import io
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from acalsim_backend.check.check import check
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
    .stack (NOLOAD) : {
        . = ALIGN(16); __stack_bottom = .; . += 0x4000; . = ALIGN(16); __stack_top = .;
    } > RAM :data
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


HEADER_FIELDS = {"e_machine": (18, "H"), "e_entry": (24, "Q"), "e_shoff": (40, "Q"), "e_flags": (48, "I"),
                 "e_phnum": (56, "H"),
                 "e_shentsize": (58, "H"), "e_shnum": (60, "H"), "e_shstrndx": (62, "H")}  # fmt: skip

SEGMENT_FIELDS = {"p_flags": (4, "I"), "p_offset": (8, "Q"), "p_vaddr": (16, "Q"), "p_paddr": (24, "Q"),
                  "p_filesz": (32, "Q"),
                  "p_memsz": (40, "Q"), "p_align": (48, "Q")}  # fmt: skip

SECTION_FIELDS = {"sh_flags": (8, "Q"), "sh_addr": (16, "Q"), "sh_offset": (24, "Q"), "sh_size": (32, "Q"),
                  "sh_addralign": (48, "Q"),
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
