# SPDX-License-Identifier: Apache-2.0
"""Parts whose steps round at once: which do, and that nothing else changes."""

from dataclasses import replace

import pytest
from acalsim_backend.offload.vector.part import Part, Step, Walk
from acalsim_backend.offload.vector.rounding import rounded_at_once

pytestmark = pytest.mark.quick

X, Y, Z = (
    Walk(name, 0, (8, 1), dtype) for name, dtype in (("x", "float32"), ("y", "int8"), ("z", "float32"))
)
NORM = Step("COMMAND_ROWS", "LAYER_NORM", 0, "float32", fields={"low": 1e-5})


def rounds(value, scale=9.5):
    return Step("COMMAND_VECTOR", "MULTIPLY", value, "int8", b=scale, b_is_number=True, flags=("FLAG_ROUND",))


def test_a_norm_rounds_its_own_result():
    part = Part((4, 8), 1, (X,), (NORM, rounds(1)), ((2, Y),))
    found = rounded_at_once(part)
    fields = {"low": 1e-5, "high": 9.5}
    step = replace(NORM, dtype="int8", flags=("FLAG_ROUND", "FLAG_SCALE_RESULT"), fields=fields)
    assert found == replace(part, steps=(step,), stores=((1, Y),))


def test_a_scale_of_one_is_none():
    (step,) = rounded_at_once(Part((4, 8), 1, (X,), (NORM, rounds(1, 1.0)), ((2, Y),))).steps
    assert step.flags == ("FLAG_ROUND",) and step.fields == NORM.fields


def test_what_is_stored_or_read_in_float32_too_is_rounded_by_itself():
    stored = Part((4, 8), 1, (X,), (NORM, rounds(1)), ((1, Z), (2, Y)))
    read = Part(
        (4, 8), 1, (X,), (NORM, rounds(1), Step("COMMAND_VECTOR", "ABSOLUTE", 1, "float32")), ((2, Y), (3, Z))
    )
    loaded = Part((4, 8), 0, (X,), (rounds(0),), ((1, Y),))
    changed = Step("COMMAND_VECTOR", "SELECT", 0, "float32", b=0, onto=1)
    onto = Part((4, 8), 1, (X,), (NORM, changed, rounds(2)), ((3, Y),))
    for part in (stored, read, loaded, onto):
        assert rounded_at_once(part) == part


def test_values_behind_a_step_that_is_gone_move_up():
    """Two norms of which each is rounded, and a sum of both results."""
    steps = (NORM, rounds(1), NORM, rounds(3), Step("COMMAND_VECTOR", "ADD", 2, "float32", b=4))
    found = rounded_at_once(Part((4, 8), 1, (X,), steps, ((5, Z),), frozenset({5})))
    assert [step.dtype for step in found.steps] == ["int8", "int8", "float32"]
    assert (found.steps[2].a, found.steps[2].b, found.stores, found.reduced) == (1, 2, ((3, Z),), {3})
