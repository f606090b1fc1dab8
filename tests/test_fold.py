# SPDX-License-Identifier: Apache-2.0
"""Constant factors and summands behind products: put into the product's weights, or left where they are."""

import numpy as np
import pytest
import torch
from host_fixtures import captured_function, f, run_on_host
from torch import nn


def trained(model):
    """A model whose batch normalisations have seen something."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            if module.affine:
                nn.init.normal_(module.weight)
                nn.init.normal_(module.bias)
    return model.eval()


class Behind(nn.Module):
    """A layer with parameters, and a function of its result and of constants behind it."""

    def __init__(self, layer, function, **constants):
        super().__init__()
        self.layer, self.function = layer, function
        for name, value in constants.items():
            self.register_buffer(name, value)

    def forward(self, x):
        return self.function(self, self.layer(x))


FOLDED = {
    "batch norm behind a convolution": (
        lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)),
        (2, 2, 5, 5),
        ["CONV"],
    ),
    "batch norm behind a convolution without bias": (
        lambda: nn.Sequential(nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3)),
        (2, 2, 5, 5),
        ["CONV"],
    ),
    "batch norm without weights": (
        lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3, affine=False)),
        (2, 2, 5, 5),
        ["CONV"],
    ),
    "batch norm behind a depthwise convolution": (
        lambda: nn.Sequential(nn.Conv2d(4, 4, 3, groups=4, padding=1), nn.BatchNorm2d(4), nn.ReLU()),
        (1, 4, 5, 5),
        ["CONV", "RELU"],
    ),
    "batch norm behind a grouped convolution": (
        lambda: nn.Sequential(nn.Conv2d(4, 6, 3, groups=2), nn.BatchNorm2d(6)),
        (1, 4, 5, 5),
        ["CONV"],
    ),
    "batch norm behind a convolution of one dimension": (
        lambda: nn.Sequential(nn.Conv1d(2, 3, 3), nn.BatchNorm1d(3)),
        (2, 2, 7),
        ["CONV"],
    ),
    "batch norm behind a transposed convolution": (
        lambda: nn.Sequential(nn.ConvTranspose2d(2, 3, 2, stride=2), nn.BatchNorm2d(3)),
        (1, 2, 4, 4),
        ["CONV"],
    ),
    "batch norm behind a linear layer": (
        lambda: nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)),
        (5, 4),
        ["GEMM"],
    ),
    "two batch norms": (
        lambda: nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)),
        (1, 2, 3, 3),
        ["CONV"],
    ),
    "a number": (lambda: Behind(nn.Linear(4, 3), lambda m, y: y * 0.5 + 2), (5, 4), ["GEMM"]),
    "a divisor": (lambda: Behind(nn.Linear(4, 3), lambda m, y: y / 3), (5, 4), ["GEMM"]),
    "a difference": (lambda: Behind(nn.Linear(4, 3), lambda m, y: (y - m.c) * m.c, c=f(3)), (5, 4), ["GEMM"]),
    "a scaled summand": (
        lambda: Behind(nn.Conv2d(2, 3, 1), lambda m, y: torch.add(y, m.c, alpha=2), c=f(3, 1, 1)),
        (1, 2, 3, 3),
        ["CONV"],
    ),
    "a factor in front": (lambda: Behind(nn.Linear(4, 3), lambda m, y: m.c * y, c=f(1, 3)), (5, 4), ["GEMM"]),
}

LEFT = {
    "the result is read by another too": (
        lambda: Behind(nn.Linear(4, 3), lambda m, y: (y * 2, y.sum(0))),
        (5, 4),
        {"MUL"},
    ),
    "the result is an output": (lambda: Behind(nn.Linear(4, 3), lambda m, y: (y * 2, y)), (5, 4), {"MUL"}),
    "a factor a row": (lambda: Behind(nn.Linear(4, 3), lambda m, y: y * m.c, c=f(5, 1)), (5, 4), {"MUL"}),
    "a factor an element": (
        lambda: Behind(nn.Linear(4, 3), lambda m, y: y * m.c, c=f(5, 3)),
        (5, 4),
        {"MUL"},
    ),
    "a factor a column of an image": (
        lambda: Behind(nn.Conv2d(2, 3, 1), lambda m, y: y * m.c, c=f(3)),
        (1, 2, 3, 3),
        {"MUL"},
    ),
    "a factor that makes the result larger": (
        lambda: Behind(nn.Linear(4, 3), lambda m, y: y * m.c, c=f(2, 1, 1)),
        (5, 4),
        {"MUL"},
    ),
    "what is divided": (lambda: Behind(nn.Linear(4, 3), lambda m, y: 2 / y), (5, 4), {"RECIPROCAL", "DIV"}),
    "what is subtracted from": (
        lambda: Behind(nn.Linear(4, 3), lambda m, y: 2 - y),
        (5, 4),
        {"SUB", "ADD", "MUL", "NEG"},
    ),
    "what is scaled and added to a constant": (
        lambda: Behind(nn.Linear(4, 3), lambda m, y: torch.add(m.c, y, alpha=2), c=f(3)),
        (5, 4),
        {"ADD"},
    ),
    "itself": (lambda: Behind(nn.Linear(4, 3), lambda m, y: y * y), (5, 4), {"MUL"}),
    "batch norm behind a relu": (
        lambda: nn.Sequential(nn.Conv2d(2, 3, 1), nn.ReLU(), nn.BatchNorm2d(3)),
        (1, 2, 3, 3),
        {"MUL", "ADD"},
    ),
    "batch norm in front": (
        lambda: nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 3, 3, padding=1)),
        (1, 2, 4, 4),
        {"MUL", "ADD"},
    ),
    "a grouped transposed convolution": (
        lambda: nn.Sequential(nn.ConvTranspose2d(4, 4, 2, groups=2), nn.BatchNorm2d(4)),
        (1, 4, 3, 3),
        {"MUL"},
    ),
}


class Shared(nn.Module):
    """One layer called twice, with a factor behind one call."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x) * 2, self.layer(x + 1)


class Tied(nn.Module):
    """A weight that is an embedding too."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(4, 4)

    def forward(self, i):
        return torch.addmm(torch.ones(4), self.embedding(i), self.embedding.weight) * 3


def kinds(captured):
    return [op.op_type.name for op in captured.ir.ops]


def assert_right(captured, folder):
    """The program's outputs are PyTorch's; folded weights are rounded once more than PyTorch's steps."""
    outputs = run_on_host(captured, folder)
    for output, reference in zip(outputs, captured.references, strict=True):
        np.testing.assert_allclose(output, reference, rtol=1e-5, atol=1e-5 * np.abs(reference).max())


@pytest.mark.parametrize("name", FOLDED)
def test_what_a_channel_is_scaled_and_shifted_by_is_in_the_weights(name, tmp_path):
    make, shape, ops = FOLDED[name]
    captured = captured_function(trained(make()), (f(*shape),))
    assert kinds(captured) == ops
    assert_right(captured, tmp_path)


@pytest.mark.parametrize("name", LEFT)
def test_what_is_no_constant_a_channel_stays(name, tmp_path):
    make, shape, expected = LEFT[name]
    captured = captured_function(trained(make()), (f(*shape),))
    assert expected & set(kinds(captured)), kinds(captured)
    assert_right(captured, tmp_path)


@pytest.mark.parametrize(
    "layer, shape",
    [(lambda: nn.Linear(4, 3), (5, 4)), (lambda: nn.Conv2d(2, 3, 1), (1, 2, 3, 3))],
    ids=["linear", "convolution"],
)
def test_a_weight_that_two_share_is_left_alone(layer, shape, tmp_path):
    captured = captured_function(trained(Shared(layer())), (f(*shape),))
    assert "MUL" in kinds(captured)
    assert_right(captured, tmp_path)


def test_a_weight_that_is_a_table_too_is_left_alone(tmp_path):
    torch.manual_seed(0)
    captured = captured_function(Tied(), (torch.tensor([0, 3, 2]),))
    assert "MUL" in kinds(captured)
    assert_right(captured, tmp_path)


def test_a_model_keeps_its_own_weights():
    model = trained(nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    captured_function(model, (f(1, 2, 5, 5),))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_what_was_folded_leaves_no_parameter_behind_and_names_all_its_ops():
    captured = captured_function(
        trained(nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))), (f(1, 2, 5, 5),)
    )
    (op,) = captured.ir.ops
    assert captured.ir.params == list(op.inputs[1:]) == list(captured.ir.constants)
    assert op.aten == ("aten.convolution.default", "aten.mul.Tensor", "aten.add.Tensor")


def test_folded_values_are_rounded_once():
    model = trained(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)))
    captured = captured_function(model, (f(5, 4),))
    linear, norm = (layer.double() for layer in model)
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    weight, bias = (captured.ir.constants[name] for name in captured.ir.ops[0].inputs[1:])
    np.testing.assert_allclose(weight, (linear.weight * scale[:, None]).detach().t(), rtol=3e-7)
    np.testing.assert_allclose(
        bias, ((linear.bias - norm.running_mean) * scale + norm.bias).detach(), rtol=1e-6, atol=1e-6
    )
