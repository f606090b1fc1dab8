# SPDX-License-Identifier: Apache-2.0
"""Each rule of the placement check, broken on purpose: the rule and both ranges are named."""

import re

import pytest
from check_fixtures import FLASHED, PLAN, PROGRAM, PROJECT, TUTORIAL, Bench, header, refused, section, segment

pytestmark = pytest.mark.quick


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
        "section '.weights' needs 0x80001040..0x80001240 in region RAM, "
        "which ends at 0x80001100 (0x140 bytes too many)",
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
        "section '.outputs' at 0x800021c0..0x80002200 is an orphan: "
        "the linker script assigns it to no region",
    ),
    "a section assigned to an undeclared region is an orphan": (
        broken_script("{ *(.outputs) } > RAM", "{ *(.outputs) } > ROM"),
        "section '.outputs' at 0x800021c0..0x80002200 is an orphan: "
        "the linker script assigns it to undeclared region ROM",
    ),
    "two sections overlap": (
        broken_elf(section(".weights", sh_addr=0x80001000)),
        "sections '.rodata' at 0x80001000..0x80001008 and '.weights' at 0x80001000..0x80001200 overlap",
    ),
    "two load ranges overlap": (
        broken_elf(segment(2, p_paddr=0x20000000), script=FLASHED, plan=None),
        "sections '.data' loaded at 0x20000000..0x20000010 and "
        "'.text' loaded at 0x20000000..0x20000240 (p_paddr) overlap",
    ),
    "a load address that differs without AT>": (
        broken_elf(segment(3, p_paddr=0x80008000)),
        "PT_LOAD segment 3 has p_paddr 0x80008000, expected its p_vaddr 0x80002000: "
        "the linker script says no AT> there",
    ),
    "a misaligned section": (
        broken_elf(section(".weights", sh_addralign=0x80)),
        "section '.weights' has sh_addr 0x80001040, expected a multiple of its sh_addralign 0x80",
    ),
    "a misaligned segment": (
        broken_elf(segment(2, p_align=0x10000)),
        "PT_LOAD segment 2 has p_vaddr 0x80001000 and p_offset 0x2000, "
        "expected them equal modulo p_align 0x10000",
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
        "PT_LOAD segment 1 at 0x80000000..0x8000000a is writable and executable (RWX); "
        "the PHDRS of the linker script separate them",
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
            "__stack_top = .;", "__stack_top = .; __bss_end = .;", PROJECT.replace("__bss_end = .;", "")
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
        "symbol 'param_1' at 0x80001040..0x80001240 reaches out of "
        "section '.weights' at 0x80001040..0x80001140",
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
