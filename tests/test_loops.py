# SPDX-License-Identifier: Apache-2.0
"""Loops, shapes and literals of the generated C, by themselves."""

from math import inf, nan, prod

import numpy as np
import pytest
import torch
from acalsim_backend.codegen.loops import Hint, Item, collapse, index, nest
from acalsim_backend.ir.literals import literal
from acalsim_backend.ir.shapes import broadcast
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.quick

SIZES = st.lists(st.integers(0, 4), max_size=4)


@settings(max_examples=200)
@given(SIZES, st.data())
def test_shapes_broadcast_as_in_pytorch(shape, data):
    shapes = [
        [data.draw(st.sampled_from([1, size])) for size in shape[data.draw(st.integers(0, len(shape))) :]]
        for _ in range(2)
    ]
    assert broadcast([tuple(one) for one in shapes], {}) == tuple(torch.broadcast_shapes(*shapes))


@settings(max_examples=200)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=3), st.lists(st.integers(0, 3), min_size=1, max_size=3)
)
def test_shapes_that_pytorch_does_not_broadcast_are_refused(one, other):
    try:
        expected = tuple(torch.broadcast_shapes(one, other))
    except RuntimeError:
        with pytest.raises(ValueError, match="do not broadcast"):
            broadcast([tuple(one), tuple(other)], {})
    else:
        assert broadcast([tuple(one), tuple(other)], {}) == expected


@settings(max_examples=100)
@given(st.lists(st.integers(1, 4), max_size=4), st.data())
def test_collapsed_loops_walk_the_same_addresses(shape, data):
    walk = [data.draw(st.sampled_from([0, 1, 2, 12, -1, -4])) for _ in shape]
    dense = [prod(shape[dim + 1 :]) for dim in range(len(shape))]
    sizes, (steps, again) = collapse(tuple(shape), [dense, walk])

    def addresses(sizes, steps):
        return [sum(i * step for i, step in zip(index, steps, strict=True)) for index in np.ndindex(*sizes)]

    assert addresses(sizes, steps) == list(range(prod(shape)))
    assert addresses(sizes, again) == addresses(shape, walk)


def test_a_0_d_tensor_needs_no_loop_and_an_empty_one_nothing_at_all():
    assert nest((), [Item("y[{walk}] = x;", ())], Hint("")) == ["y[0] = x;"]
    assert nest((1, 1), [Item("y[{walk}] = x;", (1, 1))], Hint("")) == ["y[0] = x;"]
    assert nest((3, 0), [Item("y[{walk}] = x;", (0, 1))], Hint("")) == []


def test_a_walk_backwards_is_printed_with_a_minus():
    assert index([-1, 4, 0], ["i0", "i1", "i2"]) == "i0 * -1 + i1 * 4"
    assert index([0, 0], ["i0", "i1"]) == "0"


@pytest.mark.parametrize("value", [0.1, -0.0, 1e-45, 3.4e38, 1.0, 1e300, -1e300, 1e-300])
def test_the_literal_of_a_float_is_its_nearest_float32(value):
    with np.errstate(over="ignore"):
        expected = np.float32(value)
    text = literal(value).removesuffix("f")
    assert np.float32(float.fromhex(text.replace("INFINITY", "inf"))).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "value, text",
    [(3, "3"), (True, "1"), (-(2**63), "(-9223372036854775807 - 1)"), (nan, "NAN"), (-inf, "-INFINITY")],
)
def test_whole_and_odd_numbers_have_literals(value, text):
    assert literal(value) == text
