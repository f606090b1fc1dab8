# SPDX-License-Identifier: Apache-2.0
"""What becomes one kernel and where results lie, on small models as PyTorch gives them."""

from math import inf

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from acalsim_backend.machine.file import load_machine
from acalsim_backend.offload.decide import Target
from acalsim_backend.report.verify import read_tensor
from acalsim_backend.schedule.passes import make_schedule
from acalsim_backend.schedule.plan_rows import kept_file
from host_fixtures import Library, captured_function, f
from torch import nn

pytestmark = pytest.mark.quick

CPU = Target(load_machine("cpu"))


def scheduled(function, *inputs, keep_all=False):
    torch.manual_seed(0)
    return make_schedule(captured_function(function, inputs).ir, CPU, keep_all)


def kernels(function, *inputs):
    """Each kernel as its ops' types in order of computation, its anchor's in capitals."""
    return [
        " ".join(op.op_type.name if op is kernel.anchor else op.op_type.name.lower() for op in kernel.ops)
        for kernel in scheduled(function, *inputs).kernels
    ]


# --- what is computed together --------------------------------------------------------------------


def test_a_linear_layer_and_what_follows_it_are_one_kernel():
    assert kernels(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), f(2, 4)) == ["GEMM relu"]
    assert kernels(nn.Sequential(nn.Linear(4, 3), nn.GELU(), nn.Hardtanh()), f(2, 4)) == [
        "GEMM gelu hardtanh"
    ]


def test_what_a_matrix_product_of_a_stack_is_followed_by_joins_through_its_view():
    assert kernels(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), f(2, 5, 4)) == ["GEMM relu"]


def test_a_residual_add_joins_the_product_in_front_of_it():
    assert kernels(lambda x, w: x + torch.relu(x @ w), f(4, 4), f(4, 4)) == ["MATMUL relu add"]


def test_a_residual_add_joins_the_later_of_two_products():
    assert kernels(lambda x, w, v: x @ w + x @ v, f(4, 4), f(4, 4), f(4, 4)) == ["MATMUL", "MATMUL add"]


def test_a_chain_of_pointwise_ops_is_one_kernel():
    assert kernels(lambda x, y: torch.sigmoid((x + 1) * y).sqrt() - x, f(3, 4), f(4)) == [
        "ADD mul sigmoid sqrt sub"
    ]


def test_a_value_that_two_read_is_computed_once():
    schedule = scheduled(lambda x, w: (lambda y: (y @ w, y.t() @ w))(torch.exp(x)), f(4, 4), f(4, 4))
    assert sum(op.op_type.name == "EXP" for kernel in schedule.kernels for op in kernel.ops) == 1
    assert len(schedule.kernels) == 3


def test_no_op_is_computed_twice_even_where_it_feeds_two_kernels():
    def function(x, w):
        y = torch.relu(x @ w)
        return torch.softmax(y * 2, -1) + y, y.sum(0), y @ w

    schedule = scheduled(function, f(4, 4), f(4, 4))
    names = [op.name for kernel in schedule.kernels for op in kernel.ops]
    assert len(names) == len(set(names))


def test_softmax_takes_in_scale_and_mask():
    assert kernels(lambda x, m: torch.softmax(x * 0.5 + m, -1), f(2, 3, 4), f(3, 4)) == ["mul add SOFTMAX"]


def test_softmax_takes_in_a_mask_of_bools():
    mask = torch.ones(3, 4, dtype=torch.bool).tril()
    assert kernels(lambda x, m: torch.softmax(x.masked_fill(m, -inf), -1), f(2, 3, 4), mask) == [
        "where SOFTMAX"
    ]


@pytest.mark.parametrize(
    "function, expected",
    [
        (lambda x: (x * x).sum(-1), ["mul SUM"]),
        (lambda x: (x > 0).any(0), ["gt ANY"]),
        (lambda x: F.layer_norm(x + 1, (4,)), ["add LAYER_NORM"]),
        (lambda x: (x - 1).argmax(1), ["sub ARGMAX"]),
        (lambda x: (x * 2).var(1).sqrt(), ["mul VAR sqrt"]),
    ],
    ids=["sum", "any", "layer norm", "argmax", "var"],
)
def test_a_reduction_takes_in_what_it_reduces(function, expected):
    assert kernels(function, f(3, 4)) == expected


def test_a_reduction_does_not_take_in_what_others_read_too():
    assert kernels(lambda x: (lambda y: (y.sum(-1), y))(x * x), f(3, 4)) == ["MUL", "SUM"]


def test_a_number_that_was_reduced_is_not_in_reach_of_the_rows_it_came_from():
    assert kernels(lambda x: x / x.sum(-1, keepdim=True), f(3, 4)) == ["SUM", "DIV"]
    assert kernels(lambda x: x.sum(-1, keepdim=True) * 2, f(3, 4)) == ["SUM mul"]


def test_nothing_is_fused_across_a_random_access():
    places = torch.tensor([2, 0, 1])
    assert kernels(lambda x, i: torch.exp(x).index_select(0, i), f(3, 4), places) == ["EXP", "INDEX_SELECT"]
    assert kernels(lambda x, w, i: (x @ w)[i], f(3, 4), f(4, 4), places) == ["MATMUL", "INDEX"]
    assert kernels(lambda x, i: torch.exp(x).gather(0, i), f(3, 4), torch.zeros(3, 4, dtype=torch.int64)) == [
        "EXP",
        "GATHER",
    ]


def test_the_places_of_a_lookup_are_computed_in_its_kernel_and_so_is_what_becomes_of_it():
    assert kernels(lambda w, i: F.embedding(i * 2, w) + 1, f(7, 4), torch.tensor([0, 1])) in (
        ["MUL embedding add"],
        ["MUL", "EMBEDDING add"],
    )


def test_a_transposed_value_is_not_at_hand():
    assert kernels(lambda x: torch.exp(x) + torch.exp(x).t(), f(4, 4)) in (["EXP", "ADD"], ["EXP", "EXP add"])
    assert kernels(lambda x, w: x @ w + (x @ w).t(), f(4, 4), f(4, 4))[-1] == "ADD" or kernels(
        lambda x, w: x @ w + (x @ w).t(), f(4, 4), f(4, 4)
    ) == ["MATMUL", "MATMUL add"]


# --- what costs nothing ---------------------------------------------------------------------------


def test_views_and_permutations_are_no_kernels():
    assert kernels(lambda x: (x.view(2, 6).t()[1:, None] * 2).squeeze(1).expand(3, 5, 2).sum(0), f(3, 4)) in (
        ["mul SUM"],
        ["MUL", "SUM"],
    )


def test_a_split_of_a_product_is_read_where_it_lies():
    def heads(x, w):
        q, k, v = (x @ w).view(5, 3, 2, 4).permute(1, 2, 0, 3).unbind(0)
        return q @ k.transpose(-1, -2) @ v

    assert kernels(heads, f(5, 8), f(8, 24)) == ["MATMUL", "BMM", "BMM"]


def test_attention_writes_its_result_in_the_layout_that_the_next_product_reads():
    def attention(x, w, o):
        q, k, v = (x @ w).view(6, 3, 2, 4).permute(1, 2, 0, 3).unbind(0)
        scores = torch.softmax(q @ k.transpose(-1, -2) * 0.5, -1)
        return (scores @ v).transpose(0, 1).reshape(6, 8) @ o

    schedule = scheduled(attention, f(6, 8), f(8, 24), f(8, 8))
    found = [" ".join(op.op_type.name for op in kernel.ops) for kernel in schedule.kernels]
    assert "COPY" not in " ".join(found) and "VIEW" not in " ".join(found) and len(found) == 5
    joined = schedule.kernels[-2].results[0]
    assert schedule.access[joined].strides[-3:] == (4, 8, 1), "(head, row, column) within rows of 8"


def test_the_operands_of_cat_are_computed_where_cat_would_bring_them():
    schedule = scheduled(lambda x, w: torch.cat([x @ w, torch.relu(x)], 1), f(3, 4), f(4, 5))
    assert [kernel.anchor.op_type.name for kernel in schedule.kernels] == ["MATMUL", "RELU"]
    storage = schedule.ir.outputs[0]
    places = {kernel.anchor.op_type.name: schedule.access[kernel.results[0]] for kernel in schedule.kernels}
    assert {access.storage for access in places.values()} == {storage}
    assert (places["MATMUL"].offset, places["RELU"].offset) == (0, 5) and places["RELU"].strides == (9, 1)


def test_an_operand_of_cat_that_is_an_input_is_copied():
    schedule = scheduled(lambda x, y: torch.cat([x, y + 1]), f(3, 4), f(2, 4))
    assert sorted(kernel.anchor.op_type.name for kernel in schedule.kernels) == ["ADD", "CAT"]


def test_a_tensor_that_two_cats_take_lies_in_one_of_them():
    schedule = scheduled(
        lambda x, y: (lambda z: (torch.cat([z, y]), torch.cat([y, z])))(x + 1), f(3, 4), f(2, 4)
    )
    assert [kernel.anchor.op_type.name for kernel in schedule.kernels] == ["ADD", "CAT", "CAT"]


def test_the_producer_of_a_padded_convolution_writes_into_the_padded_buffer():
    schedule = scheduled(
        nn.Sequential(nn.Conv2d(2, 3, 1), nn.ReLU(), nn.Conv2d(3, 2, 3, padding=1)), f(1, 2, 5, 5)
    )
    assert [kernel.anchor.op_type.name for kernel in schedule.kernels] == ["CONV", "PAD", "CONV"]
    first, pad, last = schedule.kernels
    written, read = schedule.access[first.results[0]], schedule.access[last.anchor.inputs[0]]
    assert (written.storage, written.strides[-2:], written.offset) == (read.storage, (7, 1), 8)


def test_batch_normalisation_disappears():
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU()).eval()
    assert kernels(model, f(1, 2, 5, 5)) == ["CONV relu"]


def test_a_residual_block_is_two_convolutions():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
            self.norm_one, self.norm_two = nn.BatchNorm2d(3), nn.BatchNorm2d(3)

        def forward(self, x):
            return torch.relu(self.norm_two(self.two(torch.relu(self.norm_one(self.one(x))))) + x)

    assert kernels(Block(), f(1, 3, 4, 4)) == ["CONV relu", "CONV add relu"]


# --- outputs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (x + 1).t(),
        lambda x: (x + 1)[1:],
        lambda x: (x + 1).expand(2, 3, 4),
        lambda x: x.t(),
        lambda x: x.view(12),
        lambda x: (x @ x.t()).flip(0),
        lambda x: (x * 2).unfold(1, 2, 1),
    ],
    ids=["permuted", "sliced", "expanded", "an input permuted", "an input viewed", "flipped", "unfolded"],
)
def test_an_output_is_dense_and_has_all_of_a_memory_of_its_own(function):
    schedule = scheduled(function, f(3, 4))
    (output,) = schedule.ir.outputs
    access = schedule.access[output]
    assert access.is_dense and access.offset == 0 and not schedule.ir.tensors[access.storage].is_input
    assert schedule.storages[access.storage].elements == schedule.ir.tensors[output].elements


def test_an_output_that_is_a_view_of_an_output_is_the_same_memory():
    schedule = scheduled(lambda x: (lambda y: (y, y.view(12)))(x + 1), f(3, 4))
    assert (
        len(schedule.kernels) == 1
        and len({schedule.access[name].storage for name in schedule.ir.outputs}) == 1
    )


def test_a_kernel_leaves_only_what_is_needed():
    schedule = scheduled(lambda x, w: torch.relu(torch.exp(x @ w) + 1), f(3, 4), f(4, 4))
    (kernel,) = schedule.kernels
    assert kernel.results == (schedule.ir.outputs[0],)


# --- keeping everything ---------------------------------------------------------------------------


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.qkv, self.out = nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(8, 8)

    def forward(self, x):
        q, k, v = (part.view(1, 6, 2, 4).transpose(1, 2) for part in self.qkv(self.norm(x)).chunk(3, -1))
        return x + self.out(
            F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(1, 6, 8)
        )


def branching(x, w):
    y = torch.relu(x @ w)
    z = torch.cat([y * 2, y.t()[:2], F.pad(y, (-1, 1))[1:3]])
    return torch.softmax(z - z.mean(), -1).t(), y.cumsum(0), z.topk(2).values + 1


KEPT = {
    "attention": (Attention, (1, 6, 8)),
    "convolutions": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 4, 3, padding=1, groups=4),
            nn.GELU(),
            nn.Flatten(),
            nn.Linear(36, 5),
            nn.LogSoftmax(-1),
        ),
        (2, 2, 6, 6),
    ),
    "branches": (lambda: branching, (4, 4), (4, 4)),
    "gelu of a norm of a sum": (
        lambda: lambda x, y: F.gelu(F.layer_norm(x + y, (4,))) * (x + y),
        (3, 4),
        (3, 4),
    ),
}


@pytest.fixture(scope="module", params=KEPT)
def kept(request, tmp_path_factory):
    """A graph with PyTorch's intermediates; its program as usual, and its program that keeps everything."""
    make, *shapes = KEPT[request.param]
    torch.manual_seed(0)
    captured = captured_function(make(), tuple(torch.randn(shape) for shape in shapes), keep_all=True)
    return captured, *(
        Library(tmp_path_factory.mktemp("kept"), {"graph": captured}, keep_all=keep_all)
        for keep_all in (False, True)
    )


def test_a_program_that_keeps_everything_computes_the_same(kept):
    captured, usual, keeping = kept
    for one, other, reference in zip(
        usual.run("graph"), keeping.run("graph"), captured.references, strict=True
    ):
        np.testing.assert_allclose(one, reference, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(one, other)


def test_every_op_that_is_computed_leaves_its_result(kept):
    captured, _, keeping = kept
    schedule = keeping.plans["graph"]
    rows = kept_file(keeping.plans["graph"]).tensors
    assert [row.op for row in rows] == [op.name for kernel in schedule.kernels for op in kernel.ops]
    # What is no kernel's is a view of what is, or lies where it would have been copied.
    written = {schedule.access[row.tensor].storage for row in rows} | {
        name for name, desc in captured.ir.tensors.items() if desc.is_input or desc.is_param
    }
    assert all(schedule.access[op.outputs[0]].storage in written for op in schedule.ir.ops)


def test_every_kept_result_is_pytorchs(kept):
    captured, _, keeping = kept
    block = keeping.block("graph")
    compared = 0
    for row in kept_file(keeping.plans["graph"]).tensors:
        reference = captured.intermediates.get(row.tensor)
        if reference is not None:
            np.testing.assert_allclose(
                read_tensor(row, block), reference, rtol=1e-5, atol=1e-5, err_msg=row.op
            )
            compared += 1
    assert compared >= 0.7 * len(keeping.graphs["graph"].ir.ops) - sum(
        op.op_type.name in ("VIEW", "PERMUTE", "SLICE", "SELECT", "EXPAND") for op in captured.ir.ops
    )
    assert compared
