# SPDX-License-Identifier: Apache-2.0
"""Scales and zero points that are computed when the model runs: calls in, ops added to a builder.

They are float32 tensors of one element here. PyTorch has them as float64 and int64, which hold the same values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...ir.graph import ACALSimOpType
from ..builder import Builder, call_of, dtype_of, target_name

if TYPE_CHECKING:
    from torch import fx

T = ACALSimOpType
READERS = "quantized_decomposed."


def choose(builder: Builder, node: fx.Node) -> None:
    """choose_qparams: from the least and the most of a tensor, and 0; the scale is result 0, the zero point result 1."""
    call, number = call_of(node), int(node.args[1])  # type: ignore[arg-type]
    if call not in builder.given_int8.chosen:
        builder.given_int8.chosen[call] = _chosen(builder, node, call)
    name = builder.given_int8.computed[node] = builder.given_int8.chosen[call][number]
    if not all(str(user.target).startswith(READERS) for user in node.users):
        builder.names[node] = builder.cast(node, name, dtype_of(node.meta["val"]))


def _chosen(builder: Builder, node: fx.Node, call: fx.Node) -> tuple[str, str]:
    given = builder.given(call)
    least, most, eps = given["quant_min"], given["quant_max"], given["eps"]
    x = builder.name(given["input"])
    rank = len(builder.ir.tensors[x].shape)

    def step(kind: ACALSimOpType, name: str, more: tuple[str, ...] = (), **attrs: float) -> str:
        return builder.step(node, kind, name, (1,), attrs, more=more)

    def bound(kind: ACALSimOpType, toward: ACALSimOpType) -> str:
        whole = {"dim": list(range(rank)), "keepdim": True}
        name = builder.step(node, kind, x, (1,) * rank, whole)
        return step(toward, builder.step(node, T.VIEW, name, (1,), {"shape": [1]}), other=0.0)

    low, high = bound(T.AMIN, T.MINIMUM), bound(T.AMAX, T.MAXIMUM)
    if "symmetric" in target_name(call):
        size = step(T.MAXIMUM, step(T.NEG, low), (high,))
        scale = step(T.MAXIMUM, step(T.DIV, size, other=(most - least) / 2), other=eps)
        return scale, step(T.MUL, scale, other=0.0)
    scale = step(T.MAXIMUM, step(T.DIV, step(T.SUB, high, (low,)), other=float(most - least)), other=eps)
    places = step(T.NEG, step(T.ROUND, step(T.DIV, low, (scale,))))
    return scale, step(T.CLAMP, step(T.ADD, places, other=least), min=least, max=most)


def quantize(builder: Builder, node: fx.Node, scale: str, zero: str, offset: int) -> None:
    """clamp(round(input / scale) + zero_point, quant_min, quant_max), less `offset`, as int8."""
    given = builder.given(node)
    name = builder.name(given["input"])
    shape = builder.ir.tensors[name].shape
    inverse = builder.step(node, T.RECIPROCAL, scale, (1,), {})
    name = builder.step(node, T.MUL, name, shape, {}, more=(inverse,))
    name = builder.step(node, T.ROUND, name, shape, {})
    name = builder.step(node, T.ADD, name, shape, {}, more=(less(builder, node, zero, offset),))
    bounds = {"min": given["quant_min"] - offset, "max": given["quant_max"] - offset}
    name = builder.step(node, T.CLAMP, name, shape, bounds)
    if offset:
        builder.given_int8.unsigned[node] = builder.step(node, T.CAST, name, shape, {"dtype": "int8"}, "int8")
    else:
        builder.add_op(node, T.CAST, (name,), {"dtype": "int8"})


def dequantize(builder: Builder, node: fx.Node, name: str, scale: str, zero: str, offset: int) -> None:
    """(input - zero_point) * scale of an int8 tensor that holds `offset` less."""
    shape = builder.ir.tensors[name].shape
    name = builder.cast(node, name, "float32")
    name = builder.step(node, T.SUB, name, shape, {}, more=(less(builder, node, zero, offset),))
    builder.add_op(node, T.MUL, (name, scale), {})


def less(builder: Builder, node: fx.Node, zero: str, offset: int) -> str:
    return builder.step(node, T.ADD, zero, (1,), {"other": -offset}) if offset else zero
