# SPDX-License-Identifier: Apache-2.0
"""Which ops go to a device, and why the others stay on the CPU."""

import re

import pytest
import torch
from acalsim_backend.codegen.generator import timer_for
from acalsim_backend.machine.file import load_machine
from acalsim_backend.offload.decide import Target
from acalsim_backend.schedule.passes import make_plan, make_schedule
from acalsim_backend.schedule.plan_rows import plan_file
from host_fixtures import captured_function, f
from offload_fixtures import LARGE, machine_with
from torch import nn

pytestmark = pytest.mark.quick


def kernel_of(machine, library, function, *inputs):
    torch.manual_seed(0)
    return make_schedule(
        captured_function(function, inputs).ir, Target(machine, timer_for(machine, library))
    ).kernels[-1]


@pytest.mark.parametrize(("function", "inputs", "reason"), [
    (lambda a, b: a @ b, (f(2, 3), f(3, 2)), r"\d+ cycles on the device, about \d+ on the CPU"),
    (nn.ConvTranspose2d(8, 8, 3), (f(1, 8, 20, 20),), "transposed convolution"),
    (torch.exp, (f(2000),), "the device has no EXP"),
])  # fmt: skip
def test_what_stays_on_the_cpu_says_why(engine_library, tmp_path, function, inputs, reason):
    kernel = kernel_of(machine_with(tmp_path, **LARGE), engine_library, function, *inputs)
    assert kernel.device is None
    assert re.fullmatch(reason, kernel.reason)


def test_a_machine_without_a_device_says_so():
    torch.manual_seed(0)
    schedule = make_schedule(
        captured_function(lambda a, b: a @ b, (f(20, 30), f(30, 20))).ir, Target(load_machine("cpu"))
    )
    assert schedule.kernels[0].reason == "the machine has no compute device"


def test_memories_too_small_for_any_block_leave_an_op_on_the_cpu(engine_library, tmp_path, always):
    kernel = kernel_of(
        machine_with(tmp_path, scratchpad_bytes=64),
        engine_library,
        lambda a, b: a @ b,
        f(20, 300),
        f(300, 20),
    )
    assert kernel.reason == "no block of it fits the device's memories"


def test_the_plan_says_where_ops_run_and_why(engine_library, tmp_path):
    torch.manual_seed(0)
    machine = machine_with(tmp_path, **LARGE)
    ir = captured_function(lambda a, b: torch.exp(a @ b), (f(64, 64), f(64, 64))).ir
    rows = plan_file(ir, make_plan(ir, machine, timer=timer_for(machine, engine_library)), machine).ops
    assert [(row.placed_on, row.reason) for row in rows] == [
        ("compute", ""),
        ("cpu", "the device has no EXP"),
    ]
