# SPDX-License-Identifier: Apache-2.0
"""What the CPU's kernels are said to cost, beside simulated programs."""

import pytest
import torch
import torch.nn.functional as F
from acalsim_backend import pipeline
from acalsim_backend.cost.kernels import kernel_cycles
from acalsim_backend.errors import CostError
from acalsim_backend.machine.file import load_machine
from host_fixtures import captured_function, f

MACHINES = ("cpu", "vector")
WITHIN = 0.15


def convolved(x, channels, kernel, **options):
    weight = torch.ones(channels, x.shape[1] // options.get("groups", 1), kernel, kernel) / kernel**2
    return F.conv2d(x, weight, torch.ones(channels), **options)


PRODUCTS = (
    (lambda x: convolved(x, 16, 3), (1, 16, 14, 14)),
    (lambda x: convolved(x, 32, 3, stride=2), (1, 16, 9, 9)),
    (lambda x: convolved(x, 24, 1), (1, 16, 8, 8)),
    (lambda x: convolved(x, 32, 3, groups=32), (1, 32, 10, 10)),
    (lambda x: convolved(x, 6, 5), (1, 1, 28, 28)),
    (lambda x: x @ x[0, :, :48], (4, 64, 64)),
    (lambda x: x @ x.transpose(1, 2), (1, 32, 32)),
    (lambda x: F.linear(x, torch.ones(100, 128), torch.ones(100)), (1, 128)),
    (lambda x: F.linear(x, torch.ones(64, 96), torch.ones(64)), (16, 96)),
)


def foretold_and_simulated(folder, machine, cases):
    """(op, foretold cycles, simulated cycles) of functions that are ops of one graph."""
    captured = captured_function(
        lambda *inputs: [function(x) for (function, _), x in zip(cases, inputs, strict=True)],
        [f(*shape) for _, shape in cases],
    )
    _, report = pipeline.run_graph(folder, captured.ir, captured.inputs, captured.references, machine)
    ops = {op.name: op for op in captured.ir.ops}
    return [
        (op.name, kernel_cycles(load_machine(machine), captured.ir, ops[op.name]), op.cycles)
        for op in report.ops
        if op.name in ops
    ]


def assert_close(found):
    wrong = [each for each in found if abs(each[1] / each[2] - 1) > WITHIN]
    assert found and not wrong


@pytest.mark.parametrize("machine", MACHINES)
def test_products_are_foretold_within_15_percent(tmp_path, machine):
    found = foretold_and_simulated(tmp_path, machine, PRODUCTS)
    assert_close([each for each in found if each[0].startswith(("conv", "gemm", "bmm", "matmul"))])


def test_a_convolution_goes_to_the_array_beside_a_cpu_with_vectors(tmp_path):
    """Which the CPU, whose vectors are longer than a row of the image, could not fill."""
    machine = tmp_path / "default_v.toml"
    text = load_machine("default").path.read_text()
    machine.write_text(text.replace('isa = "rv64gc"', 'isa = "rv64gcv"\nvlen = 256'))
    captured = captured_function(lambda x: convolved(x, 64, 3, padding=1), [f(1, 64, 2, 2)])
    plan = pipeline.plan_graph(captured.ir, load_machine(str(machine)))
    assert [kernel.device for kernel in plan.kernels] == ["compute"]


ROWS = (
    (lambda x: x.softmax(-1), (6, 31)),
    (lambda x: x.softmax(-1), (4, 128)),
    (lambda x: x.sum(-1), (6, 31)),
    (lambda x: x.log_softmax(-1), (16, 64)),
    (lambda x: F.layer_norm(x, (96,), torch.ones(96), torch.ones(96)), (8, 96)),
    (torch.tanh, (4, 256)),
    (F.gelu, (4, 256)),
    (torch.sigmoid, (7, 37)),
)


@pytest.mark.parametrize("machine", MACHINES)
def test_rows_and_elements_are_foretold_within_25_percent(tmp_path, machine):
    found = foretold_and_simulated(tmp_path, machine, ROWS)
    assert len(found) == len(ROWS)
    assert not [each for each in found if abs(each[1] / each[2] - 1) > 0.25]


def test_an_op_whose_cost_is_not_known_is_refused_by_name():
    ir = captured_function(lambda x: x.cumsum(0), [f(9)]).ir
    with pytest.raises(CostError, match="op 'cumsum_0': what CUMSUM takes on the CPU is not known"):
        kernel_cycles(load_machine("cpu"), ir, ir.ops[0])


def test_a_transposed_convolution_some_of_whose_phases_have_no_columns_has_a_cost():
    def apart(x, w):
        return F.conv_transpose2d(x, w, None, (3, 4), (1, 1), (2, 2), 2, (1, 1))

    ir = captured_function(apart, (f(1, 2, 3, 1), f(2, 1, 1, 1))).ir
    op = next(op for op in ir.ops if op.op_type.name == "CONV")
    for machine in ("default", "vector"):
        assert 100 < kernel_cycles(load_machine(machine), ir, op) < 2000
