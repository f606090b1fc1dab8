# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of bench/roofline.py, on reports that are written here."""

import importlib

import pytest
from conftest import ROOT

pytestmark = pytest.mark.quick


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    return importlib.import_module("roofline")


def report(cycles, bound, cpu=0):
    return {
        "total_cycles": cycles,
        "cpu_cycles": cpu,
        "roofline": {"bound_cycles": bound, "limiter": "array" if bound else None},
    }


def test_a_row_has_the_ratio_to_the_bound_and_the_cpus_share(bench):
    assert bench.row(report(3000, 2000, cpu=750)) == (3000, 2000, 1.5, 0.25)


def test_the_mean_of_the_ratios_is_geometric_and_leaves_toys_out(bench):
    reports = {"bert": report(200, 100), "mlp": report(9000, 1), "vit": report(800, 100)}
    assert bench.geometric_mean(reports) == pytest.approx(4)


def test_what_has_no_bound_has_no_ratio_and_no_part_in_the_mean(bench):
    reports = {"bert": report(200, 100), "vit": report(800, 0)}
    assert bench.geometric_mean(reports) == pytest.approx(2)
    assert bench.geometric_mean({"mlp": report(200, 100), "vit": report(800, 0)}) is None
    lines = list(bench.table(reports))
    assert lines[2].split() == ["vit", "800", "0", "-", "0.0%", "-"]
    assert lines[-1].split() == ["geometric", "mean", "2.00"]


def test_the_zoo_is_the_models_that_scons_builds(bench):
    assert {"bert", "lenet", "mlp"} <= set(bench.zoo())
    assert not any(name.startswith("_") for name in bench.zoo())
