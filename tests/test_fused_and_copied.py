# SPDX-License-Identifier: Apache-2.0
"""Graphs whose fusion or copies once gave wrong numbers, run whole on the simulated machine."""

import pytest
import torch
import torch.nn.functional as F
from acalsim_backend.capture.quantise import quantise
from acalsim_backend.errors import PlanError
from acalsim_backend.machine.file import load_machine
from acalsim_backend.offload import decide
from acalsim_backend.offload.tiling_file import read_choices
from acalsim_backend.pipeline import run_graph
from acalsim_backend.schedule.passes import make_plan
from host_fixtures import captured_function
from torch import nn


def f(*shape):
    return torch.randn(*shape)


def convolved_from_rows_last(x):
    return F.conv2d(x.permute(0, 3, 1, 2), torch.ones(8, 4, 3, 3) / 9, padding=1)


CASES = {
    # name: function, inputs, types of ops that the device of `default` computes
    "a time embedding added to an image": (
        lambda x, e, w: x + F.linear(e, w)[:, :, None, None],
        (f(2, 8, 4, 4), f(2, 16), f(8, 16)),
        {"MATMUL"},
    ),
    "a condition added to a sequence": (
        lambda x, e, w: x + F.linear(e, w)[:, None],
        (f(2, 6, 8), f(2, 16), f(8, 16)),
        {"MATMUL"},
    ),
    "a smaller product added to a batch": (
        lambda x, a, b: torch.bmm(a, b)[None] + x,
        (f(3, 2, 8, 8), f(2, 8, 8), f(2, 8, 8)),
        {"BMM"},
    ),
    "a product added to a row of itself": (
        lambda a, b: (a @ b) + (a @ b)[:1],
        (f(8, 8), f(8, 8)),
        {"MATMUL"},
    ),
    "two reshapes in a row that no strides say": (
        lambda x: x.view(2, 4, 2, 2)
        .transpose(1, 2)
        .reshape(4, 8)
        .view(4, 2, 4)
        .transpose(0, 1)
        .reshape(2, 16),
        (f(2, 16),),
        set(),
    ),
    "a copy of a copy that is cut": (
        lambda x: x.t().reshape(2, 12).t().reshape(3, 8)[:, 1:5].exp(),
        (f(4, 6),),
        set(),
    ),
    "a flipped sequence that is projected": (
        lambda x, w: x.flip(1) @ w,
        (f(1, 64, 64), f(64, 64)),
        {"MATMUL"},
    ),
    "a transposed and flipped weight": (
        lambda x, w: x @ w.flip(0).t(),
        (f(64, 64), f(64, 64)),
        {"MATMUL"},
    ),
    "a function behind a product, and bounds behind that": (
        lambda x, w: (
            torch.sigmoid(x @ w).clamp(0.3, 0.6),
            F.relu(F.gelu(w @ x)),
            F.relu6(torch.tanh(x @ x)),
        ),
        (f(24, 24), f(24, 24)),
        {"MATMUL"},
    ),
    "a product and a convolution, pooled as other images than they are": (
        lambda x, w, i, k: (
            F.max_pool2d((x @ w).view(2, 16, 8, 2), 2, padding=(1, 0)),
            F.max_pool2d(F.conv2d(i, k).view(1, 4, 4, 16), 2),
            F.max_pool2d(F.conv2d(i, k)[0], 2),
        ),
        (f(32, 11), f(11, 16), f(1, 3, 10, 10), f(4, 3, 3, 3)),
        {"MATMUL", "CONV"},
    ),
    "products of what the device computed, repeated": (
        lambda x, w, i, k: (
            torch.tanh(x).expand(3, 2) @ w,
            w.T @ torch.tanh(x).expand(40, 2).T,
            F.conv2d(torch.tanh(i).expand(1, 3, 10, 10), k),
        ),
        (f(1, 2), f(2, 40), f(1, 1, 10, 10), f(4, 3, 3, 3)),
        {"MATMUL", "CONV", "TANH"},
    ),
    "a choice between rows of one number and of many, summed up": (
        lambda m, x, y: torch.where(m, y, x).sum(1),
        (f(40, 1) > 0, f(40, 33), f(40, 1)),
        {"SUM"},
    ),
    "a choice between two numbers, averaged": (
        lambda z, y: (torch.where(z == 2, 1.0, -0.5).mean(0), torch.where(y > 0, 1.0, z[:1] + 2.0).sum(0)),
        (torch.arange(31 * 50).reshape(31, 50) % 5, f(31, 50)),
        {"MEAN", "SUM"},
    ),
    "an image whose channels come last": (convolved_from_rows_last, (f(1, 12, 12, 4),), {"CONV"}),
    "an image upside down": (
        lambda x: F.conv2d(x.flip(2), torch.ones(8, 4, 3, 3) / 9),
        (f(1, 4, 12, 12),),
        {"CONV"},
    ),
}


@pytest.fixture
def always(monkeypatch):
    """Everything that can go to the device goes there."""
    monkeypatch.setattr(decide, "kernel_cycles", lambda machine, ir, op: 1 << 60)


@pytest.mark.parametrize("name", CASES)
def test_its_outputs_equal_pytorchs(name, tmp_path, always):
    function, inputs, offloaded = CASES[name]
    captured = captured_function(function, inputs)
    _, report = run_graph(tmp_path, captured.ir, captured.inputs, captured.references, "default")
    assert report.check.max_rel_error < 1e-5
    assert {op.type for op in report.ops if op.placed_on != "cpu"} >= offloaded


class SoftmaxThenConvolution(nn.Module):
    """A softmax that only a quantised convolution reads, as in detection heads."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        return self.conv(x.softmax(1))


class NormThenLinear(nn.Module):
    """A norm of a sum, read only as int8: the sum is computed in the norm and kept in its result's memory."""

    def __init__(self):
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(16), nn.Linear(16, 8)

    def forward(self, x, y):
        return self.linear(self.norm(x + y))


@pytest.mark.parametrize(
    ("model", "inputs"),
    [(SoftmaxThenConvolution, (f(1, 8, 6, 6),)), (NormThenLinear, (f(5, 16), f(5, 16)))],
    ids=["softmax", "norm"],
)
def test_a_result_that_is_read_only_as_int8_has_memory_for_its_rows(model, inputs, tmp_path):
    torch.manual_seed(0)
    captured = captured_function(model(), inputs, keep_all=True)
    named = dict(zip(captured.ir.inputs, captured.inputs, strict=True))
    quantise(captured.ir, {**named, **captured.intermediates})
    _, report = run_graph(tmp_path, captured.ir, captured.inputs, captured.references, "default")
    assert report.check.max_rel_error < 0.05


@pytest.mark.parametrize("machine", ["cpu", "vector"])
def test_long_rows_are_summed_as_exactly_as_short_ones(machine, tmp_path):
    """2^20 squares, a mean far from 0, rows long in two dimensions, an odd number of elements."""
    torch.manual_seed(0)
    x, y, z = torch.rand(1 << 20) + 1, torch.rand(2, 300, 301) + 3, torch.rand(5001) * 100

    def sums(x, y, z):
        return (
            (x * x).mean(),
            y.mean((1, 2)),
            F.layer_norm(y, (300, 301)),
            z.sum(),
            torch.var(z),
            x.softmax(0),
        )

    captured = captured_function(sums, (x, y, z))
    outputs, report = run_graph(tmp_path, captured.ir, captured.inputs, captured.references, machine)
    assert report.check.passed
    exact = (x.double() ** 2).mean(), y.double().mean((1, 2))
    for output, reference in zip(outputs, exact, strict=False):
        assert abs(output / reference.numpy() - 1).max() < 1e-6


@pytest.mark.parametrize("k", [3, 32, 64])
def test_a_tiling_that_cuts_a_convolutions_kernel_is_refused(k, tmp_path):
    file = tmp_path / "model.tiling.toml"
    file.write_text(f"[default.conv_0]\nk = {k}\n")
    captured = captured_function(lambda x, w: F.conv2d(x, w), (f(1, 8, 8, 8), f(8, 8, 3, 3)))
    machine = load_machine("default")
    with pytest.raises(PlanError, match=r"k = \d+ for op 'conv_0'.* k is a multiple of 9 or at least 72"):
        make_plan(captured.ir, machine, timer=object(), choices=read_choices(file, "default"))
