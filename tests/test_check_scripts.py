# SPDX-License-Identifier: Apache-2.0
"""Linker scripts as the placement check reads them: every form, and what is none."""

import subprocess

import pytest
from acalsim_backend.check.script import read_script
from acalsim_backend.errors import CheckError
from check_fixtures import CROSS, PROJECT, refused

pytestmark = pytest.mark.quick

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
        PHDRS { h PT_PHDR PHDRS; t PT_LOAD FILEHDR PHDRS AT(0x1000) FLAGS(4|1);
                n 4; u PT_LOAD FLAGS(SHF_ALLOC); }
        SECTIONS {
            . = 0x100; PROVIDE_HIDDEN(a$b = SIZEOF(.note.gnu.build-id) + ADDR(.text));
            ASSERT(. < 1M, "too big")
            .text : { foo/*.o(.text*) /* c */ *lib.a:*(.x)
                      KEEP (*(EXCLUDE_FILE (*crt.o *b.o) .ctors SORT(.init.*)))
            } >RAM AT>ROM-1 :t :NONE =0xff+1
            .a 0x80001000 + 8 (NOLOAD) : AT(0x80002000) ALIGN(16) SUBALIGN(8)
                { BYTE(1) QUAD(. + 4); . += 4; c = .; }
            .b . (READONLY (TYPE = SHT_PROGBITS)) : ALIGN_WITH_INPUT ONLY_IF_RO
                { INPUT_SECTION_FLAGS (SHF_ALLOC & !SHF_WRITE) *(.r*,.s*) FILL(0x90) }
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
