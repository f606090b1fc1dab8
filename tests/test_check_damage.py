# SPDX-License-Identifier: Apache-2.0
"""The placement check on damaged files: it refuses them in one line and raises nothing else."""

import random
import re
import struct
from pathlib import Path

import pytest
from acalsim_backend.check.check import check
from acalsim_backend.errors import CheckError
from check_fixtures import PLAN, PROJECT, header, refused, section, segment


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
        (section(".rodata", sh_flags=0x802), "section '.rodata' has SHF_COMPRESSED"),
        (section(".strtab", sh_size=2), "symbol '.*' has its name behind the end of '.strtab'"),
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
