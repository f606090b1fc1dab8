# SPDX-License-Identifier: Apache-2.0
"""What changed from one report to another: the numbers, the order, the names; by hand and through scons."""

import json
from dataclasses import replace

import pytest
from acalsim_backend import compare
from acalsim_backend.errors import CompareError
from acalsim_backend.report.changes import compared
from browser_fixtures import needs_chromium
from pipeline_fixtures import refused, report_of
from report_fixtures import made_report, write_report

BEFORE = made_report(ops=(("mm", 80, 60), ("relu", 10, 0), ("gone", 5, 0), ("same", 7, 0)))
AFTER = made_report(ops=(("mm", 60, 20), ("relu", 40, 0), ("same", 7, 0), ("new", 15, 0)))


@pytest.fixture
def files(tmp_path):
    return [str(write_report(tmp_path, each, name)) for each, name in ((BEFORE, "before"), (AFTER, "after"))]


def said(capsys, *arguments):
    assert compare.main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out


def test_every_cycle_of_difference_is_found_in_the_ledger_and_in_the_ops():
    found = compared(BEFORE, AFTER)
    assert (found.total.a, found.total.b, found.total.difference) == (112, 132, 20)
    assert found.total.percent == pytest.approx(100 * 20 / 112)
    assert sum(each.difference for each in found.ledger) == 20
    assert sum(op.cycles.difference for op in found.ops) == 20
    for op in found.ops:
        assert sum(each.difference for each in op.ledger) == op.cycles.difference


def test_the_largest_change_comes_first_whichever_way_it_goes():
    found = compared(BEFORE, AFTER)
    changes = [(op.name, op.cycles.difference) for op in found.ops]
    assert changes == [("relu", 30), ("mm", -20), ("new", 15), ("gone", -5)]
    assert [(each.name, each.difference) for each in found.ledger] == [("cpu", 60), ("compute", -40)]
    assert found.unchanged_ops == 2  # "same" and the overhead


def test_ops_that_only_one_side_has_are_named():
    found = compared(BEFORE, AFTER)
    assert (found.added, found.removed) == (("new",), ("gone",))
    assert [op.cycles.percent for op in found.ops if op.name in ("new", "gone")] == [None, -100.0]


def test_an_op_whose_cycles_only_went_elsewhere_has_changed_too():
    found = compared(made_report(ops=(("mm", 80, 60),)), made_report(ops=(("mm", 80, 30),)))
    assert found.total.difference == 0 and [op.name for op in found.ops] == ["mm"]


def test_an_overhead_that_changed_stands_among_the_ops():
    slower = replace(BEFORE, overhead_cycles=13, total_cycles=115)
    assert [(op.name, op.cycles.difference) for op in compared(BEFORE, slower).ops] == [("overhead", 3)]


def test_what_else_differs_is_named():
    made = replace(BEFORE.provenance, weights_sha256="x" * 64, compiler="gcc 13.1")
    other = made_report(machine="cpu", int8=True, provenance=made)
    differences = [(each.name, each.a, each.b) for each in compared(BEFORE, other).differences]
    assert differences == [
        ("machine", "default", "cpu"),
        ("precision", "float32", "int8"),
        ("weights", "w" * 64, "x" * 64),
        ("compiler", "gcc 12.2", "gcc 13.1"),
    ]
    assert not compared(BEFORE, AFTER).differences


def test_totals_come_first_and_changes_have_cycles_and_per_cent(capsys, files):
    lines = [" ".join(line.split()) for line in said(capsys, *files).splitlines()]
    wanted = [
        "total 112 132 +20 +17.9%",
        "cpu 52 112 +60 +115.4%",
        "relu 10 40 +30 +300.0% cpu +30",
        "new 15 +15 added",
    ]
    places = [lines.index(each) for each in wanted]
    assert places == sorted(places)
    assert "2 more took as long as before" in lines


def test_equal_reports_are_said_to_be_equal(capsys, files):
    assert "as many cycles, op by op" in said(capsys, files[0], files[0])


def test_folders_are_compared_model_by_model_the_largest_change_first(capsys, tmp_path):
    for folder, cycles in (("a", (80, 90)), ("b", (81, 190))):
        for model, each in zip(("one", "two"), cycles, strict=True):
            write_report(tmp_path / folder, made_report(model, ops=(("mm", each, 0),)))
    write_report(tmp_path / "a", made_report("old"))
    write_report(tmp_path / "b", made_report("new"))
    out = tmp_path / "changes.json"
    printed = said(capsys, tmp_path / "a", tmp_path / "b", "--json", out)
    assert "only in A: old" in printed and "only in B: new" in printed
    told = json.loads(out.read_text())
    assert [each["model"] for each in told["comparisons"]] == ["two", "one"]
    assert (told["schema"], told["models_added"], told["models_removed"]) == (1, ["new"], ["old"])
    assert told["comparisons"][0]["total"]["difference"] == 100
    rows = [line.split()[:4] for line in printed.splitlines() if line.startswith((" all", " two"))]
    assert rows == [["two", "100", "200", "+100"], ["all", "190", "291", "+101"]]


@needs_chromium
def test_a_page_has_the_numbers_of_the_json(tmp_path, files, look):
    told, page = tmp_path / "changes.json", tmp_path / "changes.html"
    assert compare.main([*files, "--json", str(told), "--html", str(page)]) == 0
    (comparison,) = json.loads(told.read_text())["comparisons"]
    seen = look(
        page,
        "[...document.querySelectorAll('#of-1-ops tbody tr')].map((row) => [row.cells[0].textContent,"
        " Number(row.cells[3].dataset.value), row.cells[3].textContent])",
        width=390,
    )
    changes = [(op["name"], op["cycles"]["difference"]) for op in comparison["ops"]]
    assert not seen.console and [(name, number) for name, number, _ in seen.found] == changes
    assert [text for _, _, text in seen.found] == ["+30", "-20", "+15", "-5"]


@pytest.mark.parametrize(
    "content, line",
    [
        ("no JSON", "not a JSON file: .*"),
        ("[]", "this is no report; .*"),
        ('{"schema": 0, "model": "it"}', "the report's schema is 0; known is 1: simulate anew"),
        ('{"schema": 1, "model": "it", "machine": 7}', "'machine' is 7; it is of type str"),
    ],
)
def test_what_is_no_report_is_refused_and_nothing_is_written(tmp_path, files, content, line):
    (tmp_path / "it.json").write_text(content)
    with pytest.raises(CompareError, match=f"^{tmp_path}/it.json: {line}$"):
        compare.main([files[0], str(tmp_path / "it.json"), "--json", str(tmp_path / "out.json")])
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    "b, more, line",
    [
        ("nowhere.json", [], "nowhere.json: cannot be read: No such file or directory"),
        ("", ["--models", "it,lost"], ".*: there is no report of model 'lost', which would be lost.json"),
        ("", ["--json", "."], ".: cannot be written: .*"),
    ],
)
def test_what_is_not_there_is_named(tmp_path, b, more, line):
    write_report(tmp_path, BEFORE)
    with pytest.raises(CompareError, match=f"^{line}$"):
        compare.main([str(tmp_path), b or str(tmp_path), *more])


def test_scons_builds_the_reports_of_the_machines_that_are_compared(host_tree):
    done = host_tree.scons("compare", "A=default", "B=cpu", "MODEL=matmul")
    cycles = [report_of(host_tree, "matmul", folder)["total_cycles"] for folder in ("build", "build/cpu")]
    assert f"A  default (embedded, float32): {cycles[0]:,} cycles" in done.stdout
    assert f"B  cpu (embedded, float32): {cycles[1]:,} cycles" in done.stdout
    assert "matmul_0" in done.stdout and "warning" not in done.stderr
    assert "as a page: build/compare/default-cpu.html" in done.stdout
    assert "<h1>default <span" in (host_tree / "build/compare/default-cpu.html").read_text()
    again = host_tree.scons("compare", "A=build/reports/matmul.json", "B=cpu").stdout
    assert "simulate" not in again and f"{cycles[1] - cycles[0]:+,}" in again


@pytest.mark.parametrize(
    "arguments, line",
    [
        (["A=cpu"], "scons: compare takes A and B: two machines, .*"),
        (["A=cpu", "B=lost"], "scons: machine: no machine named 'lost'; there are: .*"),
        (["A=cpu", "B=lost.json"], "scons: B is 'lost.json'; there is no such report"),
        (["A=cpu", "B=default", "MODEL=lost"], "scons: MODEL names model 'lost'; there are .*"),
    ],
)
def test_scons_names_what_it_cannot_compare(host_tree, arguments, line):
    assert refused(host_tree.scons("compare", *arguments, check=False), f"^{line}$")


def test_scons_refuses_two_machines_that_would_lie_in_one_folder(host_tree, tmp_path):
    other = tmp_path / "cpu.toml"
    other.write_text((host_tree / "sim/machines/cpu.toml").read_text())
    done = host_tree.scons("compare", "A=cpu", f"B={other}", check=False)
    assert refused(
        done, "^scons: A and B would both lie in build/cpu; give the machine files different names$"
    )
