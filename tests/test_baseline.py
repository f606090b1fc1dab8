# SPDX-License-Identifier: Apache-2.0
"""Cycles kept in a file, and runs held to it: what fails, what is said, what is left alone."""

import json
import re
from dataclasses import replace

import pytest
from acalsim_backend import baseline
from acalsim_backend.errors import BaselineError
from acalsim_backend.report.report_file import Check
from pipeline_fixtures import refused, report_of
from report_fixtures import made_report, write_report


class Guard:
    """A baseline file and the reports of `default`, written and checked as scons does."""

    def __init__(self, folder, capsys):
        self.file, self.reports, self.capsys = folder / "baseline.json", folder / "reports", capsys

    def run(self, what, *options):
        baseline.main([what, str(self.reports), "--baseline", str(self.file), *options])
        return self.capsys.readouterr().out

    def refusal(self, what, *options):
        with pytest.raises(BaselineError) as caught:
            self.run(what, *options)
        return str(caught.value).replace(str(self.file), "baseline.json").splitlines()

    def report(self, name="it", mm=1000, relu=90, **changes):
        """A report of mm + relu + 10 cycles of overhead."""
        write_report(self.reports, made_report(name, ops=(("mm", mm, 60), ("relu", relu, 0)), **changes))

    def models(self, variant="default"):
        return json.loads(self.file.read_text())["variants"][variant]


@pytest.fixture
def guard(tmp_path, capsys):
    """One model in baseline and report alike."""
    guard = Guard(tmp_path, capsys)
    guard.report()
    guard.run("write")
    return guard


def test_a_baseline_has_total_ops_and_machine_of_every_model(guard):
    assert json.loads(guard.file.read_text()) == {
        "schema": 1,
        "variants": {
            "default": {
                "it": {
                    "machine_sha256": "f" * 64,
                    "total_cycles": 1100,
                    "overhead_cycles": 10,
                    "ops": {"mm": 1000, "relu": 90},
                }
            }
        },
    }


def test_what_is_as_before_passes(guard):
    assert "1 model on default: none slower than" in guard.run("check")


def test_a_slower_model_fails_in_one_line_with_the_op_that_is_to_blame(guard):
    guard.report(mm=1100, relu=80)
    assert guard.refusal("check") == [
        "it on default: 1,100 -> 1,190 cycles (+8.18%), most of it op 'mm': 1,000 -> 1,100 cycles (+10.00%)"
    ]


@pytest.mark.parametrize(
    "mm, tolerance, fails", [(1011, 1, False), (1012, 1, True), (1001, 0, True), (1011, 0.99, True)]
)
def test_a_tolerance_is_per_cent_of_the_models_total(guard, mm, tolerance, fails):
    guard.report(mm=mm)
    if fails:
        assert len(guard.refusal("check", "--tolerance", str(tolerance))) == 1
    else:
        assert "none slower" in guard.run("check", "--tolerance", str(tolerance))


def test_a_faster_model_passes_and_is_said_with_how_to_accept_it(guard):
    guard.report(mm=900)
    said = guard.run("check")
    line = r"^it on default: 1,100 -> 1,000 cycles \(-9.09%\), most of it op 'mm': .*; `scons baseline` .*$"
    assert re.search(line, said, re.MULTILINE) and "none slower" in said
    assert "accepts" not in guard.run("check", "--tolerance", "10")
    guard.run("write")
    assert "accepts" not in guard.run("check")


def test_ops_that_came_or_went_and_the_overhead_may_be_to_blame(guard):
    write_report(guard.reports, made_report(ops=(("mm", 1000, 60), ("relu", 90, 0), ("copy", 50, 0))))
    assert guard.refusal("check")[0].endswith("most of it op 'copy': 0 -> 50 cycles")
    slow = made_report(ops=(("mm", 1000, 60), ("relu", 90, 0)))
    write_report(guard.reports, replace(slow, total_cycles=1105, overhead_cycles=15))
    assert guard.refusal("check")[0].endswith("most of it overhead: 10 -> 15 cycles (+50.00%)")


def test_another_machine_file_is_said_where_cycles_differ(guard):
    made = replace(made_report().provenance, machine_sha256="0" * 64)
    guard.report(provenance=made)
    guard.run("check")
    guard.report(mm=1001, provenance=made)
    assert guard.refusal("check")[0].endswith("(the machine file is another)")


def test_every_model_that_fails_has_one_line_the_worst_first(guard):
    for name in ("two", "three", "gone"):
        guard.report(name)
    guard.run("write")
    guard.report("it", mm=1001)
    guard.report("two", mm=2000)
    guard.report("new")
    (guard.reports / "gone.json").unlink()
    assert [line.split(":")[0] for line in guard.refusal("check")] == [
        "two on default", "it on default", "new on default", "gone on default"
    ]  # fmt: skip
    assert guard.refusal("check")[2:] == [
        "new on default: baseline.json does not have it; `scons baseline` adds it",
        "gone on default: baseline.json has it, and there is no report of it",
    ]


def test_other_variants_stay_as_they_are(guard):
    guard.report(machine="cpu", mm=5000)
    guard.run("write")
    guard.report(int8=True, mm=500)
    guard.run("write")
    totals = {name: guard.models(name)["it"]["total_cycles"] for name in ("default", "cpu", "default-int8")}
    assert totals == {"default": 1100, "cpu": 5100, "default-int8": 600}
    guard.run("check")


def test_models_that_are_gone_leave_the_baseline_unless_only_some_are_written(guard):
    guard.report("new")
    (guard.reports / "it.json").unlink()
    guard.run("write", "--models", "new")
    assert set(guard.models()) == {"it", "new"}
    guard.run("check", "--models", "new")
    guard.run("write")
    assert set(guard.models()) == {"new"}


@pytest.mark.parametrize(
    "content, line",
    [
        ("no JSON", "not a JSON file: .*"),
        ("[]", "this is no baseline, which `scons baseline` writes"),
        (
            '{"schema": 2}',
            "the baseline's schema is 2; known is 1: remove it, and `scons baseline` writes another",
        ),
        ('{"schema": 1, "variants": {"default": {"it": 7}}}', "'variants.default.it' is 7; it is an object"),
    ],
)
@pytest.mark.parametrize("what", ["write", "check"])
def test_a_file_that_is_no_baseline_is_refused_and_left_as_it_is(guard, what, content, line):
    guard.file.write_text(content)
    (said,) = guard.refusal(what)
    assert re.fullmatch(f"baseline.json: {line}", said)
    assert guard.file.read_text() == content


def test_a_missing_baseline_and_missing_reports_are_named(guard):
    guard.file.unlink()
    assert guard.refusal("check") == ["baseline.json: there is no such baseline; `scons baseline` writes one"]
    assert guard.refusal("write", "--models", "lost")[0].startswith("there is no report of model 'lost'; ")
    (guard.reports / "it.json").write_text('{"schema": 0, "model": "it"}')
    assert "the report's schema is 0; known is 1" in guard.refusal("write")[0] and not guard.file.exists()


@pytest.mark.parametrize("tolerance", ["-1", "nan", "much"])
def test_a_tolerance_is_a_number_of_per_cent(guard, tolerance):
    (line,) = guard.refusal("check", f"--tolerance={tolerance}")
    assert f"'{tolerance}' is no tolerance; it is a number of per cent, 0 or more" in line


def test_cycles_of_a_wrong_result_are_not_kept(guard):
    before = guard.file.read_text()
    guard.report(mm=1, check=Check(False, 1.0, 1.0, "mm"))
    assert guard.refusal("write")[0].endswith(
        "the outputs differ from PyTorch's; cycles of a wrong result are not kept"
    )
    assert guard.file.read_text() == before


def test_scons_writes_a_baseline_and_fails_where_a_model_becomes_slower(tree):
    guarding = ("MODEL=matmul", "BASELINE=kept cycles.json")
    tree.scons("baseline", *guarding)
    kept = json.loads((tree / "kept cycles.json").read_text())["variants"]["default"]
    assert kept["matmul"]["total_cycles"] == report_of(tree, "matmul")["total_cycles"]
    tree.scons("check-baseline", *guarding)
    tree.edit("sim/machines/default.toml", "latency_cycles = 40", "latency_cycles = 80")
    line = (
        r"^baseline: matmul on default: .* cycles \(\+.*%\), most of it op 'matmul_0': .* \(the machine .*\)$"
    )
    assert refused(tree.scons("check-baseline", *guarding, check=False), line)
    tree.scons("check-baseline", *guarding, "TOLERANCE=50")
    for argument, line in (
        ("MODEL=lost", "scons: MODEL names model 'lost'; there are .*"),
        ("TOLERANCE=-1", "scons: TOLERANCE is '-1'; it is a number of per cent, 0 or more"),
    ):
        assert refused(tree.scons("check-baseline", argument, check=False), f"^{line}$")
