# SPDX-License-Identifier: Apache-2.0
"""Sweeps and advice of machines with own devices: their keys are turned as any other, and nothing is out of date."""

import csv

import pytest
from acalsim_backend.machine.file import find_machine, load_machine, read_table
from acalsim_backend.machine.keys import numeric_keys
from acalsim_backend.sweep.advise import turned
from own_fixtures import RELU_RULES, RELU_UNIT, write_relu_unit
from pipeline_fixtures import report_of

SWEEP = '[grid]\n"devices.mine.work_cycles" = [40, 100]\n'


@pytest.fixture
def unit(tmp_path):
    """A user's folder, whose device computes the perceptron's ReLU."""
    write_relu_unit(tmp_path)
    (tmp_path / "my.toml").write_text(SWEEP)
    return tmp_path


def test_an_own_devices_keys_are_swept_and_its_files_noticed(unit, tree):
    def sweep():
        said = tree.scons(f"MACHINE={unit}/user.toml", "sweep-mlp", f"SWEEP={unit}/my.toml").stdout
        rows = csv.DictReader((tree / "build/user/sweeps/my/mlp.csv").read_text().splitlines())
        return [(int(row["total_cycles"]), row["passed"]) for row in rows], said

    (fast, slow), said = sweep()
    assert slow == (fast[0] + 60, "True") and "points: 2 simulated" in said
    tree.scons(f"MACHINE={unit}/user.toml", "sim-mlp")
    assert report_of(tree, "mlp", "build/user")["total_cycles"] == fast[0]
    assert "up to date" in sweep()[1]
    (tree / "build/user/sweeps/my/mlp.csv").unlink()
    assert "points: 2 kept" in sweep()[1]

    (unit / "unit.py").write_text(RELU_UNIT.replace("yield self.work_cycles", "yield 7 + self.work_cycles"))
    rows, said = sweep()
    assert rows == [(fast[0] + 7, "True"), (slow[0] + 7, "True")] and "points: 2 simulated" in said
    (unit / "rules.py").write_text(RELU_RULES.replace('"RELU"', '"SIGMOID"'))
    rows, _ = sweep()
    assert rows[0] == rows[1] and rows[0][0] not in (fast[0], fast[0] + 7)


def test_one_device_in_two_files_is_one_sweep_and_a_file_that_is_none_a_row_without_result(unit, tree):
    (unit / "quick.py").write_text(RELU_UNIT.replace("yield self.work_cycles", "yield 1"))
    (unit / "bad.py").write_text("class Unit(\n")
    (unit / "my.toml").write_text('[grid]\n"devices.mine.model" = ["unit.py", "quick.py", "bad.py"]\n')
    sweep = (f"MACHINE={unit}/user.toml", "sweep-mlp", f"SWEEP={unit}/my.toml")
    done = tree.scons(*sweep, check=False)
    assert done.returncode and f"device: {unit}/bad.py:1: '(' was never closed" in done.stderr
    (unit / "bad.py").write_text(RELU_UNIT)
    assert "points: 2 kept, 1 simulated" in tree.scons(*sweep).stdout
    slow, quick, other = csv.DictReader((tree / "build/user/sweeps/my/mlp.csv").read_text().splitlines())
    assert int(slow["total_cycles"]) == int(quick["total_cycles"]) + 39 == int(other["total_cycles"])


def test_advice_doubles_and_halves_what_a_device_declares(unit, points_of):
    path = unit / "user.toml"
    keys = numeric_keys(read_table(path), load_machine(str(path)))
    turns = [turn for turn in turned(keys) if turn[0].startswith("devices.mine.")]
    assert {("devices.mine.work_cycles", 40, 80), ("devices.mine.work_cycles", 40, 20)} < set(turns)
    points, cycles = points_of("mlp"), {}
    bench = points.bench("advice")
    for to in (40, 80, 20):
        job = points.job({"devices.mine.work_cycles": to}, str(find_machine(str(path))))
        cycles[to] = bench.measure(job).total_cycles
    assert (cycles[80] - cycles[40], cycles[20] - cycles[40]) == (40, -20)
