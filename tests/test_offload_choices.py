# SPDX-License-Identifier: Apache-2.0
"""Tilings that the user chooses, and choices that cannot be."""

import dataclasses
import re

import pytest
import torch
from acalsim_backend.codegen.generator import timer_for
from acalsim_backend.errors import PlanError
from acalsim_backend.offload.decide import Target
from acalsim_backend.offload.product import PRODUCTS
from acalsim_backend.offload.tiling_file import read_choices
from acalsim_backend.schedule.passes import make_plan, make_schedule
from host_fixtures import captured_function, f
from offload_fixtures import CASES, SMALL, assert_right, machine_with

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("case", "choice"),
    [
        ("linear", {"m": 3, "k": 5}), ("linear", {"columns": 7, "order": "n", "a_slots": 1}),
        ("linear", {"c_slots": 1, "b_slots": 3}),
        ("conv with padding and stride", {"rows": 1, "columns": 2}),
        ("conv with padding and stride", {"k": 18, "m": 4}),
        ("residual block", {"rows": 2, "order": "n", "b_slots": 1}), ("batches", {"batches": 2}),
    ],
)  # fmt: skip
def test_a_tiling_is_the_one_that_was_chosen_and_the_numbers_stay_right(small, case, choice):
    torch.manual_seed(0)
    function, *inputs = CASES[case]
    name = next(op.name for op in captured_function(function, inputs).ir.ops if op.op_type in PRODUCTS)
    small.target.choices = {name: choice}
    outputs, references, schedule, _ = small.run(function, *inputs)
    assert_right(outputs, references)
    assert dataclasses.asdict(schedule.offloaded[name].tiling).items() >= choice.items()


def test_an_op_is_on_the_cpu_where_the_user_says_so(small):
    function, *inputs = CASES["linear"]
    ir = captured_function(function, inputs).ir
    small.target.choices = {ir.ops[0].name: {"on": "cpu"}}
    (kernel,) = make_schedule(ir, small.target).kernels
    assert kernel.device is None and kernel.reason == "the tiling file says so"


def test_what_does_not_pay_goes_to_the_device_where_the_user_says_so(embedded, engine_library, tmp_path):
    machine = machine_with(tmp_path, **SMALL)
    ir = captured_function(lambda a, b: a @ b, (f(2, 2), f(2, 2))).ir
    kernels = [
        make_schedule(ir, Target(machine, timer_for(machine, engine_library), choices)).kernels[0]
        for choices in ({}, {ir.ops[0].name: {"on": "compute"}})
    ]
    assert [kernel.device for kernel in kernels] == [None, "compute"]
    assert re.fullmatch(r"\d+ cycles on the device, about \d+ on the CPU", kernels[0].reason)


def test_ops_of_a_run_share_the_cycles_of_its_start(embedded, engine_library, tmp_path):
    machine = machine_with(tmp_path, **{**SMALL, "start_cycles": 5000, "lanes": 4, "special_lanes": 1})
    target = Target(machine, timer_for(machine, engine_library))
    one = captured_function(lambda a, b: a @ b, (f(8, 8), f(8, 8))).ir
    two = captured_function(lambda a, b, c: a @ b @ c, (f(8, 8), f(8, 8), f(8, 8))).ir
    placed = [[kernel.device for kernel in make_schedule(ir, target).kernels] for ir in (one, two)]
    assert placed == [[None], ["compute", "compute"]]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[default.gemm_0]\ntile = 4", r"\[default.gemm_0\]: there is no key 'tile'; there are batches, m, "),
        ("[default.gemm_0]\nm = 0", r"\[default.gemm_0\]: m is 0; it is a whole number, 1 or larger"),
        ("[default.gemm_0]\norder = 'k'", r"\[default.gemm_0\]: order is 'k'; it is 'm' or 'n'"),
        ("[default.gemm_0]\non = 'gpu'", r"\[default.gemm_0\]: on is 'gpu'; it is 'cpu' or 'compute'"),
        (
            "[gemm_0]\nm = 4",
            r"'gemm_0' is no table of ops; a section is called \[MACHINE.OP\], as in \[default.gemm_0\]",
        ),
        ("m = ", r"x.tiling.toml: not valid TOML: Invalid value"),
    ],
)
def test_a_tiling_file_with_a_mistake_is_refused(tmp_path, text, line):
    path = tmp_path / "x.tiling.toml"
    path.write_text(text + "\n")
    with pytest.raises(PlanError, match=line):
        read_choices(path, "default")


def test_choices_that_cannot_be_are_refused_by_name(small):
    function, *inputs = CASES["linear"]
    ir = captured_function(function, inputs).ir
    name = ir.ops[0].name
    for choices, line in (
        (
            {"gemm_99": {"m": 4}},
            f"names op 'gemm_99', which is none of this model's; its products are {name}",
        ),
        (
            {name: {"m": 4096, "k": 4096, "columns": 4096}},
            f"has m = 4096, k = 4096, columns = 4096 for op '{name}', "
            "which cannot go to the device: no block",
        ),
    ):
        with pytest.raises(PlanError, match=line):
            make_plan(ir, small.machine, timer=small.target.timer, choices=choices)
