# SPDX-License-Identifier: Apache-2.0
"""From a model file to its report through scons, as users type it: real compiler, real QEMU, real sockets."""

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from pipeline_fixtures import MODELS, ON_CPU, report_of


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_simulated_and_equals_pytorch(host_tree, name):
    report = report_of(host_tree, name)
    assert report["schema"] == 1 and report["model"] == name
    assert (report["machine"], report["engine"]) == ("default", "embedded")
    assert report["check"]["passed"] and report["check"]["max_rel_error"] <= 1e-6
    assert report["check"]["first_bad_op"] is None


@pytest.mark.parametrize("name", MODELS)
def test_the_cycles_of_a_report_sum_exactly(host_tree, name):
    report = report_of(host_tree, name)
    assert report["total_cycles"] == report["cpu_cycles"] + report["stall_cycles"]
    assert report["total_cycles"] == sum(op["cycles"] for op in report["ops"]) + report["overhead_cycles"]
    assert all(op["cycles"] > 0 for op in report["ops"])
    assert all(sum(op["ledger"].values()) == op["cycles"] for op in report["ops"])
    assert (
        sum(report["ledger"].values()) == report["total_cycles"]
        and report["ledger"]["cpu"] == report["cpu_cycles"]
    )


def test_a_report_says_what_the_device_did_while_the_cpu_waited(host_tree):
    report = report_of(host_tree, "matmul")
    (op,) = report["ops"]
    assert all(op["ledger"][stage] > 0 for stage in ("cpu", "stall", "fetch", "compute", "dram"))
    waited = sum(cycles for stage, cycles in op["ledger"].items() if stage not in ("cpu", "stall"))
    assert (
        0 <= report["devices"]["compute"]["busy_cycles"] - waited <= 20
    )  # the CPU's way from START to its first wait


def test_a_report_says_why_an_op_is_on_the_cpu(host_tree):
    for op in report_of(host_tree, "chained_matmul")["ops"]:
        assert ("reason" in op) == (op["placed_on"] == "cpu")


def test_a_table_is_as_wide_as_its_numbers_where_there_is_no_terminal(tree):
    (tree / "build/reports/mlp.json").unlink()
    printed = tree.scons("sim-mlp", env={**os.environ, "COLUMNS": "40"}).stdout
    report = report_of(tree, "mlp")
    assert "…" not in printed and f"mlp on default (embedded): {report['total_cycles']:,} cycles" in printed
    assert all(
        re.search(rf"^ {op['name']} +{op['placed_on']} +{op['cycles']:,} ", printed, re.MULTILINE)
        for op in report["ops"]
    )


def test_a_report_says_all_that_its_schema_promises(host_tree):
    report = report_of(host_tree, "matmul")
    counters = (
        "total_cycles cpu_cycles stall_cycles instructions memory_reads memory_writes memory_bytes_read "
        "memory_bytes_written device_transactions overhead_cycles"
    )
    assert all(type(report[name]) is int for name in counters.split())
    assert [op["type"] for op in report["ops"]] == ["MATMUL"]
    assert report["ops"][0]["torch_ops"] == ["aten.mm.default", "aten.add.Tensor"] and report["ops"][0][
        "fused"
    ] == ["add_1"]
    assert report["ops"][0]["macs"] == 8 * 16 * 8 and report["ops"][0]["placed_on"] == "compute"
    assert set(report["ops"][0]) == {
        "index",
        "name",
        "type",
        "placed_on",
        "cycles",
        "ledger",
        "instructions",
        "macs",
        "source",
        "torch_ops",
        "fused",
        "roofline",
    }
    assert set(report["placement"][0]) == {"region", "origin", "length", "used", "sections"}
    assert set(report["devices"]) == {"echo", "compute"}
    assert (
        report["devices"]["echo"]["transactions"] + report["devices"]["compute"]["transactions"]
        == (report["device_transactions"])
    )
    assert {
        len(report["provenance"][f"{what}_sha256"]) for what in ("model", "weights", "elf", "machine")
    } == {64}
    assert report["provenance"]["torch"].startswith("2.13.0")


def test_memory_traffic_is_at_least_what_a_matmul_must_move(tree):
    tree.scons(*ON_CPU, "sim-matmul")
    report = report_of(tree, "matmul", "build/cpu")
    assert report["memory_bytes_read"] >= 4 * (8 * 16 + 16 * 8 + 8)
    assert report["memory_bytes_written"] >= 4 * 8 * 8


def test_reports_are_bit_identical_from_run_to_run_and_under_load(tree):
    before = (tree / "build/reports/mlp.json").read_bytes()
    shutil.rmtree(tree / "build/mlp/run")
    load = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    try:
        tree.scons("sim-mlp")
    finally:
        for process in load:
            process.kill()
            process.wait()
    assert (tree / "build/reports/mlp.json").read_bytes() == before


def test_the_guests_outputs_are_what_the_report_compared(host_tree):
    plan = json.loads((host_tree / "build/matmul/plan.json").read_text())["outputs"][0]
    guest = np.frombuffer(
        (host_tree / "build/matmul/run/outputs.bin").read_bytes(), plan["dtype"], 64, plan["offset"]
    )
    torch = np.fromfile(host_tree / "build/capture/matmul/outputs.bin", "float32", 64)
    assert np.abs(guest - torch).max() <= 1e-6 * np.abs(torch).max()


def test_a_wrong_result_fails_the_target_naming_the_op(tree):
    tree.edit("kernels/matmul.h", "sums[i][j] = 0.0f;", "sums[i][j] = 1.0f;")
    done = tree.scons(*ON_CPU, "sim-matmul", check=False)
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert "report: model 'matmul': outputs differ from PyTorch's" in done.stderr
    assert report_of(tree, "matmul", "build/cpu")["check"]["passed"] is False
    assert tree.scons(*ON_CPU, "sim-matmul", check=False).returncode != 0, (
        "a failed target must not count as built"
    )
