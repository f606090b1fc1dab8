# SPDX-License-Identifier: Apache-2.0
"""Reports as tables: a DataFrame of many, a CSV file of one."""

import csv
from dataclasses import replace

import pytest
from acalsim_backend import load_reports
from acalsim_backend.errors import ReportError
from acalsim_backend.report.rows import csv_text, op_rows
from conftest import modules_imported_by
from pipeline_fixtures import report_of
from report_fixtures import made_report, write_report


@pytest.fixture
def build(tmp_path):
    """Reports of three variants, and what else lies beside reports."""
    for folder, machine, int8 in (
        ("", "default", False),
        ("cpu/", "cpu", False),
        ("default-int8/", "default", True),
    ):
        reports = tmp_path / f"build/{folder}reports"
        for model in ("one", "two"):
            write_report(reports, made_report(model, machine, int8=int8))
            (reports / f"{model}.host.json").write_text('{"simulate_wall_s": 0.5}')
            (reports / f"{model}.verify.json").write_text('{"schema": 1, "check": {}, "ops": []}')
    (tmp_path / "build/edge/reports").mkdir(parents=True)
    return tmp_path / "build"


def test_a_row_an_op_says_of_which_run_it_is(build):
    frame = load_reports(f"{build}/**/reports")
    assert len(frame) == 3 * 2 * 2
    runs = frame[["model", "machine", "engine", "precision"]].drop_duplicates()
    assert sorted(map(tuple, runs.values)) == sorted(
        (model, machine, "embedded", precision)
        for model in ("one", "two")
        for machine, precision in (("default", "float32"), ("cpu", "float32"), ("default", "int8"))
    )
    op = frame[frame.name == "mm"].iloc[0]
    assert (op.cycles, op.ledger_cpu, op.ledger_compute, op.roofline_by_dram) == (80, 20, 60, 4)
    assert (op.torch_ops, op.fused, op.reason) == ("aten.mm.default aten.add.Tensor", "mm_add", "")


def test_a_row_a_report_has_its_totals_and_its_file(build):
    frame = load_reports(f"{build}/**/reports", ops=False)
    assert len(frame) == 6 and set(frame.total_cycles) == {100} and set(frame.roofline_bound_cycles) == {50}
    table = frame[frame.precision == "float32"].pivot(index="model", columns="machine", values="path")
    assert table.loc["two", "cpu"] == str(build / "cpu/reports/two.json")


def test_each_report_is_loaded_once_however_many_patterns_fit_it(build):
    assert len(load_reports(f"{build}/reports", f"{build}/reports/one.json", ops=False)) == 2


def test_a_report_of_before_there_were_rooflines_is_one_too(tmp_path):
    path = write_report(tmp_path, replace(made_report(), roofline=None))
    assert load_reports(path, ops=False).total_cycles[0] == 100


@pytest.mark.parametrize(
    "content, line",
    [
        ("no JSON", "not a JSON file: .*"),
        ('{"simulate_wall_s": 1.0}', "this is no report; a report is what `scons sim-NAME` leaves in .*"),
        ('{"schema": 0, "model": "it"}', "the report's schema is 0; known is 1: simulate anew"),
        ('{"schema": 1, "model": "it"}', "it has no key 'machine'"),
    ],
)
def test_what_is_no_report_is_refused_by_name(tmp_path, content, line):
    path = tmp_path / "it.json"
    path.write_text(content)
    with pytest.raises(ReportError, match=f"^{path}: {line}$"):
        load_reports(path)


def test_a_pattern_that_fits_nothing_is_named(tmp_path):
    with pytest.raises(
        ReportError, match="^no report fits '.*/nowhere/\\*'; say 'build/\\*\\*/reports', or .*$"
    ):
        load_reports(tmp_path / "nowhere/*")


def test_pandas_is_imported_only_by_who_asks_for_frames():
    program = "import acalsim_backend as a, acalsim_backend.report.__main__"
    assert "pandas" not in modules_imported_by(program)
    found = modules_imported_by(f"{program}\na.load_reports")
    assert "pandas" in found and "torch" not in found


def test_a_reason_with_commas_and_quotes_survives_the_csv():
    report = made_report()
    reason = 'too small, says "the device"'
    report = replace(report, ops=(replace(report.ops[0], reason=reason), *report.ops[1:]))
    assert [row["reason"] for row in csv.DictReader(csv_text(op_rows(report)).splitlines())] == [reason, ""]


def test_the_report_stage_leaves_the_ops_as_csv(host_tree):
    text = (host_tree / "build/reports/chained_matmul.ops.csv").read_text()
    report = report_of(host_tree, "chained_matmul")
    rows = list(csv.DictReader(text.splitlines()))
    assert [(row["name"], int(row["cycles"])) for row in rows] == [
        (op["name"], op["cycles"]) for op in report["ops"]
    ]
    assert {row["model"] for row in rows} == {"chained_matmul"}
    assert int(rows[0]["roofline_bound_cycles"]) == report["ops"][0]["roofline"]["bound_cycles"]
