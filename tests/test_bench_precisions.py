# SPDX-License-Identifier: Apache-2.0
"""The table of bench/precisions.py, on reports that are written here."""

import importlib

import pytest
from conftest import ROOT

pytestmark = pytest.mark.quick


def report(cycles, error):
    return {"total_cycles": cycles, "check": {"max_rel_error": error}}


def test_a_row_has_each_precisions_cycles_their_ratio_to_float32_and_the_error(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    bench = importlib.import_module("precisions")
    others = {"int8": {"bert": report(1500, 0.028)}, "bfloat16": {"bert": report(3000, 0.0)}}
    head, row = bench.table({"bert": report(2000, 0)}, others)
    assert head.split() == ["model", "float32", "int8", "ratio", "error", "bfloat16", "ratio", "error"]
    assert row.split() == ["bert", "2,000", "1,500", "0.75", "2.8e-02", "3,000", "1.50", "0.0e+00"]
