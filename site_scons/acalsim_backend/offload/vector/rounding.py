# SPDX-License-Identifier: Apache-2.0
"""Conversions by the steps that compute and read a value, instead of by steps of their own.

A step rounds its result to int8 or to a half type, and reads half types, as well as float32.
"""

from __future__ import annotations

from dataclasses import replace

from ...ir.graph import HALVES
from .part import Part, Step


def rounded_at_once(part: Part) -> Part:
    """The part whose steps scale and round their results where nothing else needs these in float32."""
    number = 0
    while number < len(part.steps):
        if _only_widens(part, number):
            part = _without(part, number, part.steps[number].a)
        elif (place := _producer(part, number)) is not None:
            part = _joined(part, place, number)
        else:
            number += 1
    return part


def _only_widens(part: Part, number: int) -> bool:
    """Whether a step makes float32 of a half type for steps that may as well read this."""
    step, value = part.steps[number], len(part.loads) + number
    is_kept = any(each == value for each, _ in part.stores)
    is_changed = any(each.onto == value for each in part.steps)
    source = dtype_of(part, step.a) if step.a >= 0 else ""
    converts = step.function == "COPY" and source in HALVES and step.dtype == "float32"
    return converts and step.onto is None and not is_kept and not is_changed


def dtype_of(part: Part, value: int) -> str:
    """Of a load or of a step's result."""
    first = len(part.loads)
    return part.loads[value].dtype if value < first else part.steps[value - first].dtype


def _producer(part: Part, number: int) -> int | None:
    """The step that computes what step `number` only rounds, if it can do both."""
    rounds, first = part.steps[number], len(part.loads)
    to_int8 = rounds.flags == ("FLAG_ROUND",) and rounds.function == "MULTIPLY" and rounds.b_is_number
    to_half = rounds.function == "COPY" and rounds.dtype in HALVES and rounds.onto is None
    if not to_int8 and not to_half:
        return None
    step = part.steps[rounds.a - first] if rounds.a >= first else None
    if step is None or step.dtype != "float32" or step.is_whole or step.onto is not None:
        return None
    uses = sum(rounds.a in operands(each) for each in part.steps)
    is_kept = any(value == rounds.a for value, _ in part.stores)
    return None if uses > 1 or is_kept or "FLAG_ROUND" in step.flags else rounds.a - first


def operands(step: Step) -> tuple[int, ...]:
    """The values that a step reads or changes."""
    other = step.b if isinstance(step.b, int) and not step.b_is_number else None
    return tuple(value for value in (step.a, other, step.onto) if value is not None)


def _joined(part: Part, place: int, dropped: int) -> Part:
    """Step `place` does what step `dropped` did, which is gone."""
    steps, rounds = list(part.steps), part.steps[dropped]
    step = steps[place]
    flags, fields = step.flags, dict(step.fields)
    if rounds.dtype == "int8":
        scale = rounds.b
        flags = (*flags, "FLAG_ROUND", *(("FLAG_SCALE_RESULT",) if scale != 1 else ()))
        fields |= {"high": float(scale)} if scale not in (None, 1) else {}
    steps[place] = replace(step, dtype=rounds.dtype, flags=flags, fields=fields)
    return _without(replace(part, steps=tuple(steps)), dropped, len(part.loads) + place)


def _without(part: Part, dropped: int, kept: int) -> Part:
    """A step is gone; value `kept` takes the place of its own."""
    gone = len(part.loads) + dropped

    def moved(value: int) -> int:
        return kept if value == gone else value - (value > gone)

    def renumbered(step: Step) -> Step:
        b = moved(step.b) if isinstance(step.b, int) and not step.b_is_number else step.b
        onto = None if step.onto is None else moved(step.onto)
        return replace(step, a=moved(step.a), b=b, onto=onto)

    return replace(
        part,
        steps=tuple(renumbered(step) for number, step in enumerate(part.steps) if number != dropped),
        stores=tuple((moved(value), walk) for value, walk in part.stores),
        reduced=frozenset(moved(value) for value in part.reduced),
    )
