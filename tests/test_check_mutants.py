# SPDX-License-Identifier: Apache-2.0
"""The placement check against an independent judge: readelf's words on files with changed fields."""

import pytest
from acalsim_backend.check.check import check
from acalsim_backend.errors import CheckError
from check_fixtures import PLAN, PROJECT
from placement_mutants import mutants
from placement_oracle import faults, readelf

COUNT = 250
"""As many as take some seconds; `python bench/placement.py 5000` tries more."""


def verdict(elf, script) -> str:
    """What the check says; empty if all is well. Its lines have no control characters."""
    try:
        check(elf, script, PLAN)
    except CheckError as error:
        assert str(error) and str(error).replace("\n", " ").isprintable(), repr(str(error))
        return str(error)
    return ""


def disagreement(elf, script) -> str | None:
    """How the check and the judge differ; None where they agree, or where readelf cannot read the file."""
    said, text = verdict(elf, script), readelf(elf)
    if text is None:
        return None
    broken = faults(text, elf.stat().st_size)
    if bool(said) == bool(broken):
        return None
    return (
        f"the check says {said or 'all is well'!r}, readelf shows {', '.join(sorted(broken)) or 'no fault'}"
    )


def test_the_judge_finds_nothing_in_a_sound_program(bench):
    elf = bench.elf(PROJECT)
    assert faults(readelf(elf), elf.stat().st_size) == set()


@pytest.mark.parametrize("seed", [1])
def test_the_check_misses_no_broken_rule_and_invents_none(bench, tmp_path, seed):
    script, path = bench.script(PROJECT), tmp_path / "mutant.elf"
    differing = {}
    for change, data in mutants(bench.elf(PROJECT).read_bytes(), COUNT, seed):
        path.write_bytes(data)
        if difference := disagreement(path, script):
            differing[change] = difference
    assert not differing
