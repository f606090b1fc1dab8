# SPDX-License-Identifier: Apache-2.0
"""Where elements lie: every movement of an Access against torch's own views of the same memory."""

from math import prod

import pytest
import torch
from acalsim_backend.ir.strides import Access, inverse_permutation, row_major
from hypothesis import given, settings
from hypothesis import strategies as st

SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)


class Pair:
    """An access and torch's tensor of the same elements, moved alike; values are addresses."""

    def __init__(self, shape):
        self.memory = torch.arange(prod(shape))
        self.tensor, self.access = self.memory.view(shape), Access.dense("memory", shape)

    def permute(self, data):
        dims = data.draw(st.permutations(range(self.tensor.dim())))
        dims = [dim - data.draw(st.sampled_from([0, len(dims)])) for dim in dims]
        self.tensor, self.access = self.tensor.permute(dims), self.access.permuted(dims)

    def expand(self, data):
        shape = [data.draw(st.integers(1, 3)) if size == 1 else size for size in self.tensor.shape]
        shape = [*data.draw(st.lists(st.integers(1, 2), max_size=2)), *shape]
        self.tensor, self.access = self.tensor.expand(shape), self.access.expanded(shape)

    def slice(self, data):
        if not self.tensor.dim():
            return
        dim = data.draw(st.integers(0, self.tensor.dim() - 1))
        size = self.tensor.shape[dim]
        start, step = data.draw(st.integers(0, size)), data.draw(st.integers(1, 3))
        taken = self.tensor[(slice(None),) * dim + (slice(start, None, step),)]
        self.access = self.access.sliced(dim, start, step, taken.shape[dim])
        self.tensor = taken

    def drop(self, data):
        dims = [dim for dim, size in enumerate(self.tensor.shape) if size]
        if dims:
            dim = data.draw(st.sampled_from(dims))
            self.tensor, self.access = self.tensor.select(dim, 0), self.access.without(dim)

    def view(self, data):
        shape = data.draw(same_elements(self.tensor.numel()))
        moved = self.access.viewed(shape)
        if moved is not None and self.tensor.numel():
            self.tensor, self.access = self.tensor.view(shape), moved


@st.composite
def same_elements(draw, count):
    """A shape of `count` elements."""
    if not count:
        return (*draw(SHAPES), 0)
    sizes = []
    while count > 1 or draw(st.integers(0, 3)) == 3:
        sizes.append(draw(st.sampled_from([size for size in range(1, count + 1) if count % size == 0])))
        count //= sizes[-1]
    return tuple(sizes)


def moved(data, *moves):
    pair = Pair(data.draw(SHAPES))
    for move in data.draw(st.lists(st.sampled_from(moves), max_size=5)):
        getattr(pair, move)(data)
    return pair


def addresses(access):
    """What an access reads of a memory whose elements are their own addresses."""
    if 0 in access.shape:
        return torch.empty(access.shape, dtype=torch.int64)
    grid = torch.zeros(access.shape, dtype=torch.int64) + access.offset
    for dim, (size, step) in enumerate(zip(access.shape, access.strides, strict=True)):
        grid += (torch.arange(size) * step).view(
            [-1 if each == dim else 1 for each in range(len(access.shape))]
        )
    return grid


MOVES = ("permute", "expand", "slice", "drop", "view")


@pytest.mark.quick
@settings(max_examples=300)
@given(st.data())
def test_any_movements_find_the_elements_that_torch_finds(data):
    pair = moved(data, *MOVES)
    assert pair.access.shape == tuple(pair.tensor.shape)
    assert torch.equal(addresses(pair.access), pair.tensor)


@pytest.mark.quick
@settings(max_examples=300)
@given(st.data())
def test_strides_and_offset_are_those_that_torch_has(data):
    pair = moved(data, "permute", "expand", "slice", "drop")
    if pair.tensor.numel():
        seen = torch.as_strided(pair.memory, pair.access.shape, pair.access.strides, pair.access.offset)
        assert torch.equal(seen, pair.tensor)
        steps = [
            (own, torchs)
            for own, torchs, size in zip(
                pair.access.strides, pair.tensor.stride(), pair.access.shape, strict=True
            )
            if size > 1
        ]
        assert all(own == torchs for own, torchs in steps)


@settings(max_examples=500)
@given(st.data())
def test_a_view_is_possible_exactly_where_torch_has_one(data):
    pair = moved(data, *MOVES)
    shape = data.draw(same_elements(pair.tensor.numel()))
    found = pair.access.viewed(shape)
    if not pair.tensor.numel():
        assert found is not None and found.shape == shape
        return
    try:
        expected = pair.tensor.view(shape)
    except RuntimeError:
        assert found is None
    else:
        assert found is not None and torch.equal(addresses(found), expected)


@pytest.mark.quick
@settings(max_examples=300)
@given(st.data())
def test_dense_is_what_torch_calls_contiguous(data):
    pair = moved(data, *MOVES)
    assert pair.access.is_dense == pair.tensor.is_contiguous()


@pytest.mark.quick
@settings(max_examples=100)
@given(SHAPES)
def test_row_major_strides_are_torchs(shape):
    if 0 not in shape:
        assert row_major(shape) == torch.empty(shape).stride()


@pytest.mark.quick
@settings(max_examples=100)
@given(st.integers(1, 5).flatmap(lambda rank: st.permutations(range(rank))), st.booleans())
def test_an_inverse_permutation_undoes_its_permutation(dims, negative):
    shape = tuple(range(2, 2 + len(dims)))
    dims = [dim - len(dims) * negative for dim in dims]
    access = Access.dense("memory", shape)
    assert access.permuted(dims).permuted(inverse_permutation(dims)) == access


@pytest.mark.quick
def test_a_slice_may_run_backwards():
    access = Access.dense("memory", (5, 2)).sliced(0, 4, -2, 3)
    assert addresses(access).tolist() == [[8, 9], [4, 5], [0, 1]]


@pytest.mark.quick
@pytest.mark.parametrize(
    "shape, strides, other, possible",
    [
        ((4, 6), (6, 1), (24,), True),
        ((4, 6), (1, 4), (24,), False),
        ((2, 3, 4), (12, 1, 3), (2, 12), False),
        ((3, 4), (0, 1), (12,), False),
        ((3, 4), (0, 0), (12,), True),
        ((1, 5), (99, 1), (5,), True),
        ((6, 5), (-5, -1), (30,), True),
        ((5,), (-1,), (5, 1), True),
        ((4, 3), (-3, -1), (12,), True),
    ],
)
def test_neighbours_merge_only_if_one_stride_crosses_both(shape, strides, other, possible):
    found = Access("memory", shape, strides, 100).viewed(other)
    assert (found is not None) == possible
    if found is not None:
        assert torch.equal(
            addresses(found).flatten(), addresses(Access("memory", shape, strides, 100)).flatten()
        )
