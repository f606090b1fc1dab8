# SPDX-License-Identifier: Apache-2.0
"""The pipeline by itself: from an IR and arrays to the machine's arrays and a report."""

import numpy as np
import pytest
from acalsim_backend import ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc, pipeline
from acalsim_backend.host.build import host_tools
from acalsim_backend.report.report_file import Check

pytestmark = [pytest.mark.quick, pytest.mark.usefixtures("fresh_dynamo")]


def sum_ir():
    ir = ACALSimIR("sum")
    for name, roles in (
        ("input_0", {"is_input": True}),
        ("input_1", {"is_input": True}),
        ("t_2", {"is_output": True}),
    ):
        ir.add_tensor(TensorDesc(name, (2, 3), **roles))
    ir.add_op(ACALSimOp(ACALSimOpType.ADD, "add_0", ("input_0", "input_1"), ("t_2",)))
    ir.outputs.append("t_2")
    return ir


def test_run_graph_takes_arrays_to_the_machines_arrays_and_a_report(tmp_path):
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones((2, 3), np.float32)
    (c,), report = pipeline.run_graph(tmp_path, sum_ir(), [a, b], [a + b])
    np.testing.assert_array_equal(c, a + b)
    assert report.check == Check(True, 0.0, 0.0, None)
    assert [op.type for op in report.ops] == ["ADD"]


def test_a_wrong_reference_fails_the_check_at_the_op_that_made_it(tmp_path):
    zeros = np.zeros((2, 3), np.float32)
    _, report = pipeline.run_graph(tmp_path, sum_ir(), [zeros, zeros], [zeros + 1])
    assert not report.check.passed and report.check.first_bad_op == "add_0"


def test_an_output_folder_that_another_machine_used_is_built_anew(tmp_path):
    x = np.ones((2, 3), np.float32)
    digests = []
    for machine in ("default", "cpu", "default"):
        _, report = pipeline.run_graph(tmp_path, sum_ir(), [x, x], [x + x], machine)
        digests.append(report.provenance.elf_sha256)
    assert digests[0] == digests[2] != digests[1]


def test_host_tools_are_built_once_and_for_all_processes(capfd, users_cache):
    host_tools()
    capfd.readouterr()
    host_tools.cache_clear()
    tools = host_tools()
    assert tools.plugin.is_file() and tools.library.is_file() and tools.plugin.is_relative_to(users_cache)
    assert capfd.readouterr().err == ""
