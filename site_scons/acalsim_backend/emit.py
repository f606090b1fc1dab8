# SPDX-License-Identifier: Apache-2.0
"""Prints C for one op: names and literals, and loops over broadcast operands with as few levels as they need."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .ir import TensorDesc

C_TYPES = {"float32": "float", "int64": "int64_t", "int32": "int32_t", "int8": "int8_t", "bool": "uint8_t"}


LEAST_INT64 = -(1 << 63)
"""C has no literal for it."""


def as_float32(value: float) -> float:
    """The nearest float32; beyond the largest one an infinity."""
    try:
        return struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


UNROLLED = 4


@dataclass(frozen=True)
class Site:
    """The place of one op in the generated program."""

    inputs: list[TensorDesc]
    output: TensorDesc
    attrs: Mapping[str, Any]
    operands: tuple[str, ...] = ()

    @staticmethod
    def c_name(desc: TensorDesc) -> str:
        return desc.name

    @staticmethod
    def literal(value: float | int | bool) -> str:
        """The C literal of an integer, or of a float rounded to float32: hexadecimal, so exact."""
        if isinstance(value, bool | int):
            return f"({int(value) + 1} - 1)" if value == LEAST_INT64 else str(int(value))
        if math.isnan(value):
            return "NAN"
        value = as_float32(value)
        if math.isinf(value):
            return "INFINITY" if value > 0 else "-INFINITY"
        return f"{value.hex()}f"

    @staticmethod
    def strides(shape: tuple[int, ...]) -> list[int]:
        """Row-major strides, in elements."""
        return [math.prod(shape[dim + 1 :]) for dim in range(len(shape))]

    def broadcast_strides(self, desc: TensorDesc) -> list[int]:
        """Strides that walk `desc` along the output's dimensions; 0 where it repeats."""
        missing = len(self.output.shape) - len(desc.shape)
        own = [0 if size == 1 else step for size, step in zip(desc.shape, self.strides(desc.shape), strict=True)]
        return [0] * missing + own


def copy_loops(site: Site, strides: list[int]) -> list[str]:
    """output[i] = input[i . strides] over all indices of the output."""
    shape, (out, source) = collapse(site.output.shape, [site.strides(site.output.shape), strides])
    element = f"{site.c_name(site.inputs[0])}[{index(source)}]"
    return loops(shape, f"{site.c_name(site.output)}[{index(out)}] = {element};")


def expression_loops(site: Site, expression: str) -> list[str]:
    """output[i] = expression over the broadcast operands; numbers among the operands are literals."""
    walks = [site.strides(site.output.shape), *map(site.broadcast_strides, site.inputs)]
    shape, (out, *sources) = collapse(site.output.shape, walks)
    elements = iter(f"{site.c_name(desc)}[{index(steps)}]" for desc, steps in zip(site.inputs, sources, strict=True))
    operands = [site.literal(site.attrs[name]) if name in site.attrs else next(elements) for name in site.operands]
    alpha = f"{site.literal(site.attrs['alpha'])} * " if "alpha" in site.attrs else ""
    value = expression.format(*operands, alpha=alpha)
    return loops(shape, f"{site.c_name(site.output)}[{index(out)}] = {value};")


def collapse(shape: tuple[int, ...], walks: list[list[int]]) -> tuple[list[int], list[list[int]]]:
    """Merge neighbouring dimensions that every walk crosses in one stride; drop those of size 1."""
    sizes: list[int] = []
    merged: list[list[int]] = [[] for _ in walks]
    for dim, size in enumerate(shape):
        steps = [walk[dim] for walk in walks]
        if size == 1:
            continue
        if sizes and all(kept[-1] == step * size for kept, step in zip(merged, steps, strict=True)):
            sizes[-1] *= size
            for kept, step in zip(merged, steps, strict=True):
                kept[-1] = step
        else:
            sizes.append(size)
            for kept, step in zip(merged, steps, strict=True):
                kept.append(step)
    return sizes, merged


def index(steps: list[int]) -> str:
    terms = [f"i{dim}" if step == 1 else f"i{dim} * {step}" for dim, step in enumerate(steps) if step]
    return " + ".join(terms) or "0"


def loops(sizes: list[int], statement: str) -> list[str]:
    """A nest of loops around the statement; the innermost is unrolled, for it does little in each round."""
    lines = [f"{'    ' * dim}for (long i{dim} = 0; i{dim} < {size}; i{dim}++)" for dim, size in enumerate(sizes)]
    unroll = [f"#pragma GCC unroll {UNROLLED}"] if sizes and sizes[-1] > UNROLLED else []
    return [*lines[:-1], *unroll, *lines[-1:], "    " * len(sizes) + statement]
