# SPDX-License-Identifier: Apache-2.0
"""Machines of the field: they run a model, and keep to cycles that were measured on the hardware."""

import importlib
import json

import pytest
from conftest import ROOT

LAYERS = {
    "gemmini": {"conv1": 0.06, "conv13": 0.06, "conv26": 0.06, "conv45": 0.06},
    "tpuv3": {"gemm_256x256x256": 0.05, "gemm_512x512x512": 0.05, "layernorm_2048x768": 0.25},
}
"""For some measured layers the error that is allowed; bench/fidelity.py has all of them."""


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    return importlib.import_module("fidelity")


@pytest.mark.parametrize("machine", LAYERS)
def test_a_machine_of_the_field_takes_the_cycles_that_were_measured(bench, engine_library, machine):
    rows = [row for row in bench.rows_of(bench.ANCHORS / f"{machine}.csv") if row["layer"] in LAYERS[machine]]
    assert len(rows) == len(LAYERS[machine])
    for row, measured, ours in bench.compared(machine, rows, engine_library):
        assert abs(ours / measured - 1) <= LAYERS[machine][row["layer"]], row["layer"]


def test_the_mean_leaves_out_what_is_not_held(bench, monkeypatch, capsys):
    rows = [
        {"layer": name, "cycles": "100", "held": held}
        for name, held in (("a", "yes"), ("b", "no"), ("c", "yes"))
    ]
    monkeypatch.setattr(
        bench, "compared", lambda machine, rows: zip(rows, (100, 100, 100), (110, 300, 94), strict=True)
    )
    assert bench.show("gemmini", rows) == pytest.approx(0.08)
    assert "not held" in capsys.readouterr().out.splitlines()[2]


@pytest.mark.parametrize(
    ("machine", "precision"),
    [("gemmini", "int8"), ("nvdla", "int8"), ("ethos_u55", "int8"), ("tpuv3", "float32")],
)
def test_a_machine_of_the_field_runs_a_model_on_its_array(host_tree, machine, precision):
    host_tree.scons(f"MACHINE={machine}", f"PRECISION={precision}", "sim-mlp")
    folder = machine if precision == "float32" else f"{machine}-{precision}"
    report = json.loads((host_tree / f"build/{folder}/reports/mlp.json").read_text())
    assert report["check"]["passed"]
    assert report["devices"]["compute"]["macs"] > 0
