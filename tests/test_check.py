# SPDX-License-Identifier: Apache-2.0
"""The placement check on sound programs: it finds what the linker, readelf and the plan say."""

import re
import subprocess

import pytest
from acalsim_backend.check.check import Placement, check
from acalsim_backend.check.elf import read_elf
from acalsim_backend.check.placement_file import SectionRow
from acalsim_backend.check.rules import RULES
from check_fixtures import CROSS, FLASHED, PLAN, PROGRAM, PROJECT, TUTORIAL, header, refused

pytestmark = pytest.mark.quick


# What is right passes
def test_a_sound_program_passes_with_its_plan_and_nothing_is_left_out(bench):
    placement = check(bench.elf(PROJECT), bench.script(PROJECT), PLAN)
    assert isinstance(placement, Placement)
    assert placement.left_out == ()
    (ram,) = placement.regions
    assert (ram.region, ram.origin, ram.length) == ("RAM", 0x80000000, 0x10000000)
    names = [row.name for row in ram.sections]
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
    assert ram.sections[2] == SectionRow(".weights", 0x80001040, 512)


def test_one_region_without_phdrs_may_be_writable_and_executable(bench):
    placement = check(bench.elf(TUTORIAL), bench.script(TUTORIAL))
    assert [row.region for row in placement.regions] == ["RAM"]


def test_what_needs_the_plan_is_left_out_and_said(bench):
    left_out = "\n".join(check(bench.elf(PROJECT), bench.script(PROJECT)).left_out)
    for subject in ("e_flags", "size of the stack", "weights and buffers", "device windows"):
        assert subject in left_out
    partial = check(bench.elf(PROJECT), bench.script(PROJECT), {"stack_bytes": 16}).left_out
    assert not any("stack" in sentence for sentence in partial) and len(partial) == 3


def test_data_loaded_elsewhere_than_it_runs_counts_in_both_regions(bench):
    flash, sram = check(bench.elf(FLASHED), bench.script(FLASHED)).regions
    assert ".data" in [row.name for row in flash.sections]
    assert [row.name for row in sram.sections] == [".data", ".bss", ".stack"]


def test_sections_of_an_overlay_may_share_addresses_and_no_others(bench):
    shared = "OVERLAY : AT(0x80080000) { .o1 { *(.data) } .o2 { *(.inputs) } } > RAM\n    .bss"
    script = TUTORIAL.replace("*(.data .data.* .inputs)", "").replace(".bss", shared, 1)
    names = [row.name for row in check(bench.elf(script), bench.script(script)).regions[0].sections]
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
    assert [(row.region, row.used, row.length) for row in found] == expected


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
    assert len(names) == len(set(names)) == 22


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
