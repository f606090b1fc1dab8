# SPDX-License-Identifier: Apache-2.0
"""The ops of models that are quantised already: calls in, ops added to a builder.

A value x is int8 as round(x / scale) + zero point. What the zero point adds is an op of its own here, before rounding and
behind it; bytes without a sign are kept as int8, which is 128 less. `adopt` makes int8 products of what surrounds a product.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.graph import ACALSimOpType
from ..builder import Builder, dtype_of, target_name
from ..scales import inverse
from . import dynamic

if TYPE_CHECKING:
    import torch
    from torch import fx

T = ACALSimOpType
DEQUANTIZING = "quantized_decomposed.dequantize_per_"
LIMITS = {"int8": (-128, 127), "uint8": (0, 255)}
EXACT = 1 << 24
"""Integers up to this size are float32, too."""


def quantize(builder: Builder, node: fx.Node) -> None:
    """quantize_per_tensor: clamp(round(input / scale) + zero_point, quant_min, quant_max)."""
    dtype = dtype_of(node.meta["val"])
    if (computed := _computed(builder, node)) and (dtype == "int8" or _is_bytes(node, dtype)):
        dynamic.quantize(builder, node, *computed, 0 if dtype == "int8" else 128)
        return
    numbers = _numbers(builder, node)
    if numbers is None:
        return
    scale, zero, least, most = numbers
    name = builder.name(builder.given(node)["input"])
    shape = builder.ir.tensors[name].shape
    if dtype != "int8" and not _is_bytes(node, dtype):
        for kind, attrs in (
            (T.MUL, {"other": float(inverse(scale))}),
            (T.ROUND, {}),
            (T.ADD, {"other": zero}),
            (T.CLAMP, {"min": least, "max": most}),
        ):
            name = builder.step(node, kind, name, shape, attrs)
        builder.add_op(node, T.CAST, (name,), {"dtype": dtype})
        return
    if (least, most) != LIMITS[dtype]:
        bounds = {"min": (least - zero) * scale, "max": (most - zero) * scale}
        name = builder.step(node, T.CLAMP, name, shape, bounds)
    offset = 128 if dtype == "uint8" else 0
    if zero != offset:
        name = builder.step(node, T.ADD, name, shape, {"other": (zero - offset) * scale})
    attrs = {"scale": float(inverse(scale))}
    if offset:
        builder.given_int8.unsigned[node] = builder.step(node, T.QUANTIZE, name, shape, attrs, "int8")
    else:
        builder.add_op(node, T.QUANTIZE, (name,), attrs)


def dequantize(builder: Builder, node: fx.Node) -> None:
    """dequantize_per_tensor: (input - zero_point) * scale."""
    source: Any = builder.given(node)["input"]
    offset = 128 if source in builder.given_int8.unsigned else 0
    name = builder.given_int8.unsigned[source] if offset else builder.name(source)
    if computed := _computed(builder, node):
        dynamic.dequantize(builder, node, name, *computed, offset)
        return
    numbers = _numbers(builder, node)
    if numbers is None:
        return
    scale, zero, _, _ = numbers
    shape = builder.ir.tensors[name].shape
    if builder.ir.tensors[name].dtype != "int8":
        name = builder.cast(node, name, "float32")
        name = builder.step(node, T.ADD, name, shape, {"other": -zero})
        builder.add_op(node, T.MUL, (name,), {"other": scale})
    elif zero == offset:
        builder.add_op(node, T.DEQUANTIZE, (name,), {"scale": scale})
    else:
        name = builder.step(node, T.DEQUANTIZE, name, shape, {"scale": scale}, "float32")
        builder.add_op(node, T.ADD, (name,), {"other": (offset - zero) * scale})


def int_mm(builder: Builder, node: fx.Node) -> None:
    """_int_mm: the sums of int8 products, as int32. Where they are only converted to float32, they are that at once."""
    import torch

    one, other = builder.given(node).values()
    depth = one.meta["val"].shape[1]
    weight = builder.name(other)
    if not builder.ir.tensors[weight].is_param or depth * 128 * 128 > EXACT:
        builder.refuse_op(node)
        return
    shape = tuple(node.meta["val"].shape)
    scales = builder.param(node, torch.ones(shape[1]))
    operands = builder.name(one), weight, scales
    name = builder.step(node, T.GEMM_INT8, operands[0], shape, {}, "float32", operands[1:])
    floats = [user for user in node.users if _is_to_float(user)]
    builder.names |= dict.fromkeys(floats, name)
    if len(floats) < len(node.users):
        builder.add_op(node, T.CAST, (name,), {"dtype": "int32"})


def note(builder: Builder, node: fx.Node, value: torch.Tensor) -> None:
    """Keep of a constant what it was dequantised from, where that is int8 without a zero point."""
    given = builder.given(node)
    whole, zeros = (builder.constants.get(given[key], given[key]) for key in ("input", _zero(given)))
    if (
        str(whole.dtype) == "torch.int8"
        and whole.stride() == value.stride()
        and not np.any(np.asarray(zeros))
    ):
        scales = builder.constants.get(given[_scale(given)], given[_scale(given)])
        builder.given_int8.note(value, whole, np.asarray(scales, np.float32), given.get("axis"))


def _scale(given: dict[str, Any]) -> str:
    return "scales" if "scales" in given else "scale"


def _zero(given: dict[str, Any]) -> str:
    return "zero_points" if "zero_points" in given else "zero_point"


def _numbers(builder: Builder, node: fx.Node) -> tuple[float, int, int, int] | None:
    """(scale, zero point, least, most); None, with a complaint, where one of them is computed when the model runs."""
    given, found = builder.given(node), []
    for key in ("scale", "zero_point", "quant_min", "quant_max"):
        value = given.get(key, 0)
        value = builder.constants.get(value, value) if hasattr(value, "meta") else value
        if hasattr(value, "meta") or "per_channel" in target_name(node):
            builder.refuse(
                node, f"op {target_name(node)} is supported with one scale and one zero point, both constant"
            )
            builder.declare(node)
            return None
        found.append(value.item() if hasattr(value, "item") else value)
    scale, zero, least, most = found
    return float(scale), int(zero), int(least), int(most)


def _computed(builder: Builder, node: fx.Node) -> tuple[str, str] | None:
    """The tensors of scale and zero point, where they are chosen when the model runs."""
    given = builder.given(node)
    scale, zero = (builder.given_int8.computed.get(given.get(key)) for key in ("scale", "zero_point"))
    return (scale, zero) if scale and zero else None


def _is_bytes(node: fx.Node, dtype: str) -> bool:
    """Whether a node's bytes without a sign are only dequantised, so that they can be kept as int8."""
    return dtype == "uint8" and all(str(user.target).startswith(DEQUANTIZING) for user in node.users)


def _is_to_float(user: fx.Node) -> bool:
    return str(user.target) == "aten._to_copy.default" and dtype_of(user.meta["val"]) == "float32"
