# SPDX-License-Identifier: Apache-2.0
"""Sweeps through scons, as a designer types them: tables, what is kept, what is refused."""

import csv
import json
import re
import signal
import subprocess
import sys
import time

import pyarrow.parquet
import pytest
from browser_fixtures import needs_chromium
from pipeline_fixtures import refused, report_of

GRID = """
[grid]
"devices.compute.rows" = [8, 16]
"ram.bytes_per_cycle" = [8, 32]
"""
COLUMNS = ["total_cycles", "bound_cycles", "passed", "sram_bytes", "macs_per_cycle"]


def write(tree, text, name="my"):
    (tree / f"{name}.toml").write_text(text)
    return f"SWEEP={name}.toml"


def table(tree, name="my/mlp"):
    return list(csv.DictReader((tree / f"build/sweeps/{name}.csv").read_text().splitlines()))


@needs_chromium
def test_a_grid_becomes_a_table_in_its_order_and_nothing_is_done_twice(tree, look):
    sweep = write(tree, 'machine = "default"' + GRID)
    said = tree.scons("sweep-mlp", sweep, "PARQUET=1").stdout
    rows = table(tree)
    keys = ["devices.compute.rows", "ram.bytes_per_cycle"]
    assert list(rows[0]) == keys + COLUMNS
    assert [[int(row[key]) for key in keys] for row in rows] == [[8, 8], [8, 32], [16, 8], [16, 32]]
    own = report_of(tree, "mlp")
    assert int(rows[3]["total_cycles"]) == own["total_cycles"]
    assert int(rows[3]["bound_cycles"]) == own["roofline"]["bound_cycles"]
    assert [row["passed"] for row in rows] == ["True"] * 4
    assert [row["macs_per_cycle"] for row in rows] == ["128", "128", "256", "256"]
    assert rows[0]["sram_bytes"] == str(0x40000 + 0x10000)
    assert "mlp on default: 4 points, 4 with equal outputs" in said

    parquet = pyarrow.parquet.read_table(tree / "build/sweeps/my/mlp.parquet").to_pylist()
    assert [{key: str(value) for key, value in row.items()} for row in parquet] == rows

    shown = look(
        tree / "build/sweeps/my/mlp.html",
        "({rows: document.querySelectorAll('table.sortable tbody tr').length,"
        " marks: charts.map((chart) => chart.spec.marks.length)})",
    )
    assert shown.found == {"rows": 4, "marks": [4]} and not shown.console

    assert "is up to date" in tree.scons("sweep-mlp", sweep, "PARQUET=1").stdout
    (tree / "build/sweeps/my/mlp.csv").unlink()
    assert "points: 4 kept" in tree.scons("sweep-mlp", sweep, "PARQUET=1").stdout


def test_several_models_and_precisions_are_one_table(tree):
    sweep = write(tree, 'models = ["mlp", "matmul"]\nprecision = ["float32", "int8"]\n[list]\nrows = [{}]\n')
    assert refused(tree.scons("sweep", sweep, check=False), r"row 1 of list is empty")
    write(
        tree,
        'models = ["mlp", "matmul"]\nprecision = ["float32", "int8"]\n'
        '[list]\nrows = [{"ram.latency_cycles" = 10}]\n',
    )
    said = tree.scons("sweep", sweep).stdout
    rows = table(tree, "my")
    assert [(row["model"], row["precision"]) for row in rows] == [
        (model, precision) for model in ("mlp", "matmul") for precision in ("float32", "int8")
    ]
    assert int(rows[1]["total_cycles"]) < int(rows[0]["total_cycles"])
    assert re.search(rf"{int(rows[1]['total_cycles']):,} +int8 +10 *$", said, re.MULTILINE)
    assert "ram.latency_cycles = 10, in int8" in (tree / "build/sweeps/my.html").read_text()


def test_a_point_that_cannot_be_is_named_and_the_others_go_on(tree):
    sweep = write(tree, '[grid]\n"devices.compute.rows" = [16, 0]\n')
    done = tree.scons("sweep-mlp", sweep)
    assert "devices.compute.rows = 0: machine: " in done.stderr and "lies between 1 and 1024" in done.stderr
    good, bad = table(tree)
    assert good["total_cycles"] and not bad["total_cycles"]


REFUSED = {
    "an unknown key": (
        '[grid]\n"ram.bytes" = [8]\n',
        r"^scons: sweep: my.toml: .*unknown key 'ram.bytes'; known are",
    ),
    "an unknown device": ('[grid]\n"devices.gpu.rows" = [8]\n', r"no device 'gpu'; it has echo, compute$"),
    "an empty grid": ("[grid]\n", r"^scons: sweep: my.toml: grid is empty"),
    "no values": ('[grid]\n"ram.channels" = []\n', r"'grid.ram.channels' is \[\]; it is a list of values$"),
    "no space": ('machine = "default"\n', r"one of \[grid\], \[list\] or \[sample\]; it has none of them$"),
    "two spaces": ('[grid]\n"ram.banks" = [8]\n[sample]\n"ram.banks" = [8]\n', r"it has grid and sample$"),
    "no machine": ('machine = "none"\n[grid]\n"ram.banks" = [8]\n', r"no machine named 'none'"),
    "a broken range": ('[sample]\n"ram.banks" = {from = 8, to = 4}\n', r"'from' is at most 'to'"),
    "no TOML": ("[grid\n", r"^scons: sweep: my.toml: not valid TOML"),
    "only impossible points": ('[grid]\n"ram.banks" = [0]\n', r"^sweep: .*my.toml: no point has a result$"),
}


@pytest.mark.parametrize("text, line", REFUSED.values(), ids=REFUSED)
def test_a_sweep_that_makes_no_sense_is_refused_in_a_line(tree, text, line):
    assert refused(tree.scons("sweep-mlp", write(tree, text), check=False), line)
    assert not (tree / "build/sweeps/my").exists() or not list((tree / "build/sweeps/my").iterdir())


def test_what_a_sweep_lacks_is_said_before_anything_is_built(tree):
    sweep = write(tree, GRID)
    for arguments, line in (
        (["sweep-mlp"], r"^scons: a sweep takes its file: SWEEP="),
        (["sweep-mlp", "SWEEP=none.toml"], r"^scons: sweep: none.toml: cannot be read"),
        (["sweep-none", sweep], r"^scons: there is no model 'none' to sweep"),
        (["sweep", sweep], r"^scons: .*my.toml has no 'models'"),
        (
            ["sweep-mlp", sweep, "SEARCH=optuna"],
            r"draws from the ranges of \[sample\]; this file has \[grid\]$",
        ),
        (["sweep-mlp", sweep, "SEARCH=luck"], r"SEARCH is 'luck'; known is optuna$"),
        (["sweep-mlp", sweep, "ENGINE=sst"], r"sweeps have the embedded engine"),
    ):
        assert refused(tree.scons(*arguments, check=False), line)


def test_a_scheduler_that_is_not_there_is_one_line(tree):
    sweep = write(tree, GRID)
    done = tree.scons("sweep-mlp", sweep, "SCHEDULER=tcp://127.0.0.1:1", check=False)
    assert refused(done, r"^sweep: no Dask scheduler at 'tcp://127.0.0.1:1': ")


def test_a_search_proposes_as_many_points_as_it_may_and_the_same_ones_again(tree):
    sweep = write(
        tree,
        '[sample]\ncount = 10\nobjectives = ["total_cycles", "macs_per_cycle"]\n'
        '"devices.compute.rows" = {from = 4, to = 32, step = 4}\n"ram.latency_cycles" = {from = 5, to = 80, log = true}\n'
        '"devices.compute.dataflow" = ["ws", "os"]\n',
    )
    tree.scons("sweep-mlp", sweep, "SEARCH=optuna")
    found = table(tree)
    assert len(found) == 10 and {row["devices.compute.dataflow"] for row in found} == {"ws", "os"}
    (tree / "build/sweeps/my/mlp.csv").unlink()
    tree.scons("sweep-mlp", sweep, "SEARCH=optuna")
    assert table(tree) == found


def test_an_interrupted_sweep_goes_on_where_it_was(tree):
    text = '[grid]\n"devices.compute.rows" = [4, 8, 12, 16, 20, 24]\n"ram.bytes_per_cycle" = [4, 8, 16, 24]\n'
    sweep, points = write(tree, text), tree / "build/sweeps/.points/points"
    before = len(list(points.rglob("*.json")))
    command = [sys.executable, "-m", "SCons", "-Q", "sweep-mlp", sweep]
    running = subprocess.Popen(
        command, cwd=tree.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while len(list(points.rglob("*.json"))) < before + 3 and running.poll() is None:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, complaint = running.communicate(timeout=60)
    assert running.returncode and "Traceback" not in complaint
    kept = len(list(points.rglob("*.json"))) - before
    assert 3 <= kept < 24 and not (tree / "build/sweeps/my/mlp.csv").exists()
    assert f"points: {kept} kept" in tree.scons("sweep-mlp", sweep).stdout


@needs_chromium
def test_advice_is_sorted_simulated_and_on_the_page(tree, look):
    said = tree.scons("advise-mlp").stdout
    advice = json.loads((tree / "build/reports/mlp.advice.json").read_text())
    cycles = [row["figures"]["total_cycles"] for row in advice["rows"] if row["figures"]]
    assert (
        cycles == sorted(cycles)
        and advice["figures"]["total_cycles"] == report_of(tree, "mlp")["total_cycles"]
    )
    keys = {row["key"] for row in advice["rows"]}
    assert {"ram.bytes_per_cycle", "cpu.latency.load", "devices.compute.rows", "firmware.stack_bytes"} <= keys
    assert "ram.bytes_per_cycle" in said
    shown = look(
        tree / "build/reports/mlp.html",
        "document.querySelector('#advice-table tbody tr th').textContent",
    )
    assert shown.found == advice["rows"][0]["key"] and not shown.console
