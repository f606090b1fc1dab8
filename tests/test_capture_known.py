# SPDX-License-Identifier: Apache-2.0
"""Shapes that follow from values which are known before the model runs; and ops of the user's own."""

import re

import numpy as np
import pytest
import torch
from acalsim_backend.capture.model import capture_model
from acalsim_backend.capture.model_file import ModelFile
from acalsim_backend.errors import CaptureError
from host_fixtures import Case
from op_cases.computed import assert_same, computed_together
from torch import nn

pytestmark = pytest.mark.usefixtures("fresh_dynamo")


class Masked(nn.Module):
    """A function of an input and of buffers."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.register_buffer("mask", torch.tensor([True, False, True, True]))
        self.register_buffer("none", torch.zeros(4, dtype=torch.bool))
        self.register_buffer("grid", torch.tensor([[True, False, False, True], [True, True, False, False]]))
        self.register_buffer("counts", torch.tensor([2, 0, 3]))

    def forward(self, x):
        return self.function(self, x)


def assigned(self, x):
    y = x.clone()
    y[:, self.mask] = x[:, :3] * 2
    return y


def written_before(self, x):
    y = x.clone()
    y.mul_(3)
    return y[:, self.mask] * 2


X = torch.randn(2, 4, generator=torch.Generator().manual_seed(1))
KNOWN = {
    "columns": lambda self, x: x[:, self.mask] * 2,
    "elements": lambda self, x: x[self.grid] + 1,
    "a mask that is computed": lambda self, x: x[:, ~self.mask | (self.counts.sum() > 9)] * 2,
    "and other indices": lambda self, x: x[self.counts.clamp(max=1)[:, None], self.mask] * 2,
    "nothing": lambda self, x: torch.cat([x[:, self.none], x * 2], 1),
    "of what is written to": written_before,
    "assigned": assigned,
    "assigned what is read": lambda self, x: torch.ops.aten.index_put(
        x, (None, self.mask), x[:, self.mask] * 2
    ),
    "masked_select": lambda self, x: torch.masked_select(x, self.mask) * 2,
    "masked_select of a broadcast": lambda self, x: x[:1].masked_select(self.grid) * 2,
    "nonzero": lambda self, x: x[0].gather(0, self.mask.nonzero().squeeze(1)) * 2,
    "repeated": lambda self, x: x.repeat_interleave(self.counts[:2], 0) * 2,
    "unique": lambda self, x: x[:, torch.unique(self.counts)] * 2,
    "a length": lambda self, x: x[:, : self.counts.max().item()] * 2,
}


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    cases = [(Masked(function).eval(), (X,)) for function in KNOWN.values()]
    return dict(zip(KNOWN, computed_together(cases, tmp_path_factory.mktemp("known"))[1], strict=True))


@pytest.mark.parametrize("name", KNOWN)
def test_a_shape_that_follows_from_buffers_is_known(known, name):
    for output, reference in known[name]:
        assert_same(output, reference)


def refused(module, *inputs):
    case = Case(module, inputs)
    case.guard_dynamo, case.told = ModelFile(case.path).guard_dynamo, ModelFile(case.path).told
    with pytest.raises(CaptureError) as caught:
        capture_model(case)
    return str(caught.value)


def test_a_shape_that_follows_from_a_buffer_which_the_model_writes_to_is_not():
    def written(self, x):
        self.mask.logical_not_()
        return x[:, self.mask] * 2

    assert "depends on values" in refused(Masked(written), X)


@torch.library.custom_op("own::scaled", mutates_args=())
def scaled(x: torch.Tensor, factor: float) -> torch.Tensor:
    return (x.abs() * factor).sqrt()


@scaled.register_fake
def _(x, factor):
    return torch.empty_like(x)


@torch.library.custom_op("own::shift_", mutates_args=("x",))
def shift_(x: torch.Tensor) -> None:
    x.add_(3)


@torch.library.custom_op("own::outside", mutates_args=())
def outside(x: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(np.sort(x.numpy()))


@outside.register_fake
def _(x):
    return torch.empty_like(x)


def shifted(x):
    y = x * 2
    shift_(y)
    return scaled(y, 4.0) + 1


def test_the_body_of_an_op_of_the_users_is_taken(tmp_path):
    captured, ((result,),) = computed_together([(shifted, (X,))], tmp_path)
    assert [op.op_type.name for op in captured.ir.ops] == ["MUL", "ADD", "ABS", "MUL", "SQRT", "ADD"]
    assert_same(*result)


def test_an_op_whose_body_is_not_made_of_torch_ops_is_refused_with_its_line():
    line = test_an_op_whose_body_is_not_made_of_torch_ops_is_refused_with_its_line.__code__.co_firstlineno
    said = refused(Case(lambda x: outside(x) + 1, ()).build()[0], X)
    assert re.fullmatch(
        r".*op own\.outside\.default on \(2, 4\) is not supported: a custom op's Python body would be made of "
        rf"torch ops alone \(at tests/test_capture_known\.py:{line + 2}\)",
        said,
    )
