# SPDX-License-Identifier: Apache-2.0
"""The placement check as a command: its table, its JSON, its exit status."""

import json
import re

import pytest
from acalsim_backend import doors
from acalsim_backend.check.check import check
from acalsim_backend.check.placement_file import PlacementFile
from check_fixtures import PLAN, PROJECT, TUTORIAL, run

pytestmark = pytest.mark.quick


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
    written = doors.read(tmp_path / "out.json", PlacementFile)
    assert written == PlacementFile(check(bench.elf(PROJECT), bench.script(PROJECT)).regions, ())


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
