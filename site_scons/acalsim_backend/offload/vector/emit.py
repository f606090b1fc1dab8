# SPDX-License-Identifier: Apache-2.0
"""The commands that compute one tile, whose values lie in the scratchpad."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from ..command import Command
from .part import Step
from .steps import Unfit
from .transfer import LARGEST, Where, joined, level, split

OPERANDS = {
    "a": ("a_outer_stride", "a_inner_stride", "a_k_outer_stride", "a_k_inner_stride"),
    "b": ("b_outer_stride", "b_inner_stride", "b_k_outer_stride", "b_k_inner_stride"),
    "c": ("dram_plane_stride", "dram_row_stride", "c_row_stride"),
}
SIZES = ("planes", "rows", "m", "n")


def _fields(dims: Sequence[tuple[int, tuple[int, ...]]], names: Sequence[str]) -> dict[str, int | float]:
    """Sizes and strides; `dims` are four, outermost first, with a stride for each operand."""
    fields: dict[str, int | float] = dict(zip(SIZES, (size for size, _ in dims), strict=True))
    for number, name in enumerate(names):
        for field, (_, steps) in zip(OPERANDS[name], dims, strict=False):
            fields[field] = steps[number]
    return fields


def elementwise(
    sizes: Sequence[int],
    function: str,
    a: Where,
    b: Where | None,
    c: Where,
    number: float | None = None,
    is_whole: bool = False,
    flags: tuple[str, ...] = (),
    more_fields: Mapping[str, float] | None = None,
) -> Iterator[Command]:
    operands = [a, *([b] if b else []), c]
    names = ["a", *(["b"] if b else []), "c"]
    order = sorted(range(len(sizes)), key=lambda dim: -c.strides[dim])
    dims = level([(sizes[dim], tuple(each.strides[dim] for each in operands)) for dim in order])
    if not dims or dims[-1][1][-1] != c.item:
        dims.append((1, (0,) * len(operands)))
    inner, own = (
        dims.pop(),
        {**({"scale": float(number)} if number is not None and not is_whole else {}), **(more_fields or {})},
    )
    more = [*flags, *(["FLAG_NUMBER"] if number is not None else []), *(["FLAG_INTEGER"] if is_whole else [])]
    for part, starts in split([*dims, inner], 4, tuple(each.address for each in operands)):
        four = [*[(1, (0,) * len(operands))] * (4 - len(part)), *part]
        fields = {**_fields(four, names), **dict(zip(names, starts, strict=True)), **own}
        if number is not None and is_whole:
            fields["b"] = int(number) & 0xFFFFFFFF
        yield _vector("COMMAND_VECTOR", function, fields, a, b, c, more)


def _vector(
    code: str,
    function: str,
    fields: Mapping[str, int | float],
    a: Where,
    b: Where | None,
    c: Where,
    flags: Sequence[str],
) -> Command:
    types = tuple(f"TYPE_{(each or a).dtype.upper()}" for each in (a, b, c))
    return Command(code, fields, flags=tuple(flags), types=types, function=f"FUNCTION_{function}")


def row_command(
    step: Step, sizes: Sequence[int], rows: int, a: Where, b: Where | None, c: Where, vectors: int
) -> Iterator[Command]:
    """A row command on every row of a tile."""
    cut = len(sizes) - rows
    count = math.prod(sizes[cut:])
    stride = joined(sizes[cut:], a.strides[cut:])
    assert stride is not None, "an operand whose rows have several strides is copied first"
    is_reduction = step.command == "COMMAND_REDUCE"
    operands, names = [a, *([b] if b else []), c], ["a", *(["b"] if b else []), "c"]
    order = sorted(range(cut), key=lambda dim: -c.strides[dim])
    dims = level([(sizes[dim], tuple(each.strides[dim] for each in operands)) for dim in order])
    inner_b = joined(sizes[cut:], b.strides[cut:]) if b else None
    assert b is None or inner_b is not None
    steps = (stride, *([inner_b or 0] if b else []), 0 if is_reduction else c.item)
    if count > LARGEST:
        raise Unfit(f"a row has {count} elements; a command takes {LARGEST}")
    flags = [*step.flags, *(["FLAG_INTEGER"] if step.is_whole else [])]
    for part, starts in split(dims, 3, tuple(each.address for each in operands)):
        four = [*[(1, (0,) * len(operands))] * (3 - len(part)), *part, (count, steps)]
        fields = {**_fields(four, names), **dict(zip(names, starts, strict=True)), **step.fields}
        if step.vectors:
            fields["b"] = vectors
        yield _vector(step.command, step.function, fields, a, b, c, flags)
