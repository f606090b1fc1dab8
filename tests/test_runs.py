# SPDX-License-Identifier: Apache-2.0
"""Kernels of a device that follow each other: one program, tensors that stay in the scratchpad, and the CPU between."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from acalsim_backend.alignment import ALIGNMENT
from acalsim_backend.codegen.generator import timer_for
from acalsim_backend.machine.file import load_machine
from acalsim_backend.pipeline import run_graph
from acalsim_backend.schedule.passes import make_plan
from host_fixtures import captured_function


def f(*shape):
    return torch.randn(*shape)


def perceptron(x, w, b, v):
    return F.layer_norm(F.gelu(F.linear(x, w, b)) @ v, (16,))


WEIGHTS = (f(24, 32), f(48, 32), f(48), f(48, 16))


def with_parameters(machine, **parameters):
    devices = tuple(
        replace(each, parameters={**each.parameters, **parameters}) if each.model == "compute" else each
        for each in machine.devices
    )
    return replace(machine, devices=devices)


def without_lanes(machine):
    return with_parameters(machine, lanes=0, special_lanes=0)


def planned(function, inputs, change=lambda machine: machine):
    captured, machine = captured_function(function, inputs), change(load_machine("default"))
    return make_plan(captured.ir, machine, timer=timer_for(machine))


def commands_of(plan):
    return [each for found in plan.offloaded.values() for _, mine in found.lists for each in mine]


def test_all_that_follows_each_other_on_a_device_is_one_program():
    plan = planned(perceptron, WEIGHTS)
    assert [len(run.kernels) for run in plan.runs] == [len(plan.kernels)]


def test_memories_of_any_size_are_used_as_far_as_blocks_lie_in_them():
    plan = planned(
        perceptron,
        WEIGHTS,
        lambda machine: with_parameters(machine, scratchpad_bytes=20001, accumulator_bytes=1786),
    )
    (run,) = plan.runs
    assert run.homes and not any(address % ALIGNMENT for address in run.homes.values())


def test_what_lives_within_a_run_takes_no_ram():
    plan = planned(perceptron, WEIGHTS)
    (run,) = plan.runs
    assert run.homes and not run.homes.keys() & plan.places.keys()
    stored = {each.dram.storage for each in commands_of(plan) if each.code == "COMMAND_SAVE"}
    assert stored == set(plan.ir.outputs)


class Thrice(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(f(32, 32))

    def forward(self, x):
        return torch.tanh(torch.tanh(x @ self.weight) @ self.weight) @ self.weight


def test_a_parameter_that_several_kernels_read_is_loaded_once():
    plan = planned(Thrice(), (f(4, 32),))
    loads = [each for each in commands_of(plan) if each.code == "COMMAND_LOAD"]
    assert [each.dram.storage in plan.ir.params for each in loads].count(True) == 1


def test_what_the_cpu_reads_lies_in_ram():
    plan = planned(lambda x: x.exp().cumsum(1).exp(), (f(8, 8),))
    assert len(plan.runs) == 2
    assert not any(run.homes for run in plan.runs)


def test_a_function_behind_a_product_is_computed_as_it_is_stored():
    plan = planned(lambda x, w: torch.tanh(x @ w), (f(32, 32), f(32, 32)))
    functions = {each.function for each in commands_of(plan) if each.code == "COMMAND_STORE"}
    assert functions == {"FUNCTION_TANH"}


def test_a_machine_without_lanes_computes_the_rest_on_the_cpu():
    plan = planned(perceptron, WEIGHTS, without_lanes)
    assert not plan.runs and not plan.parts
    assert {kernel.anchor.op_type.name for kernel in plan.kernels if kernel.device} <= {"GEMM", "MATMUL"}


CASES = {
    "broadcasting both ways": (lambda x, y: (x + y) * x.exp(), (f(5, 1, 7), f(1, 3, 7))),
    "a softmax over columns": (lambda x: x.softmax(0), (f(9, 5),)),
    "a masked softmax": (
        lambda x: x.masked_fill(torch.arange(8) > 5, -torch.inf).softmax(-1),
        (f(2, 4, 8),),
    ),
    "a group norm": (lambda x, w, b: F.group_norm(x, 4, w, b), (f(2, 8, 5, 3), f(8), f(8))),
    "a variance": (lambda x: x.var(1), (f(6, 20),)),
    "means over rows and columns": (lambda x: x.mean((2, 3)) + x.amax((2, 3)), (f(2, 6, 5, 4),)),
    "the place of the largest": (lambda x: x.argmax(1), (f(6, 11),)),
    "pooling with a border": (
        lambda x: F.avg_pool2d(x, 3, 2, 1) + F.max_pool2d(x, 3, 2, 1),
        (f(2, 3, 9, 9),),
    ),
    "a transposed convolution": (
        lambda x, w, b: F.relu(F.conv_transpose2d(x, w, b, stride=2)),
        (f(2, 6, 5, 4), f(6, 3, 2, 2), f(3)),
    ),
    "powers": (
        lambda x, y: x**2.5 + x.abs() ** y + 1.5**y + y**-3,
        (f(5, 7).abs(), f(5, 7)),
    ),
    "a depthwise convolution": (
        lambda x, w, b: F.relu6(F.conv2d(x, w, b, padding=1, groups=24) * 0.5).exp(),
        (f(2, 24, 9, 8), f(24, 1, 3, 3), f(24)),
    ),
    "one that jumps, of what was computed": (
        lambda x, w: F.conv2d(x.exp(), w, stride=2, padding=2, groups=40).relu(),
        (f(1, 40, 12, 13), f(40, 1, 5, 5)),
    ),
    "a permuted copy and a cut": (lambda x: x.permute(2, 0, 1).reshape(12, 10)[:, 2:9].exp(), (f(4, 5, 6),)),
    "pieces put together": (lambda x, y: torch.cat([x, y * 2, x], 1).relu(), (f(3, 4), f(3, 5))),
    "whole numbers": (
        lambda x, y: torch.where(x > y, x * 3 - y, y),
        (torch.arange(12), torch.arange(12).flip(0)),
    ),
    "rows of a table": (lambda w, i: w[i] * 2, (f(10, 6), torch.tensor([[1, 9, 0], [3, 3, 7]]))),
    "an embedding": (lambda w, i: F.embedding(i, w) + 1, (f(10, 6), torch.tensor([[1, 9, 0], [3, 3, 7]]))),
    "a number": (lambda x: (x.sum() + 1).sqrt(), (f(3, 3) ** 2,)),
    "more than fits at once": (lambda x: (x.exp() + 1).log().softmax(-1), (f(300, 300),)),
}


def test_both_units_share_a_depthwise_convolution():
    plan = planned(lambda x, w: F.conv2d(x, w, padding=1, groups=32), (f(1, 32, 24, 24), f(32, 1, 3, 3)))
    codes = {each.code for each in commands_of(plan)}
    assert {"COMMAND_POOL", "COMMAND_MATMUL"} <= codes


def test_a_depthwise_convolution_has_the_bits_of_the_cpus(tmp_path):
    captured = captured_function(*CASES["a depthwise convolution"])
    outputs = [
        run_graph(tmp_path / name, captured.ir, captured.inputs, captured.references, name)[0]
        for name in ("default", "cpu")
    ]
    assert np.array_equal(outputs[0][0], outputs[1][0])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("machine", ["default", "quad"])
def test_its_outputs_equal_pytorchs(name, machine, tmp_path):
    function, inputs = CASES[name]
    captured = captured_function(function, inputs)
    _, report = run_graph(tmp_path, captured.ir, captured.inputs, captured.references, machine)
    assert report.check.max_rel_error < 1e-5
    assert sum(op.cycles for op in report.ops) + report.overhead_cycles == report.total_cycles
