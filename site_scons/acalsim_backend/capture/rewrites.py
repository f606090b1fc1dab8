# SPDX-License-Identifier: Apache-2.0
"""ATen ops that become other ops: a call in, the ops that compute the same added to a builder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..ir.graph import ACALSimOpType
from ..ir.ops import ATEN
from .builder import Builder, dtype_of, holds_node, target_name
from .given_int8.dynamic import choose
from .given_int8.lower import dequantize, int_mm, quantize
from .linear import determinant, inverse, logarithm_of_determinant, sign_of_determinant, solve
from .memory import strided, strided_scatter
from .rules import repeated
from .scalars import item

if TYPE_CHECKING:
    from torch import fx

T = ACALSimOpType


def _copy(builder: Builder, node: fx.Node) -> None:
    """aten.copy: the source in the target's shape and dtype."""
    target, source = node.meta["val"], builder.given(node)["src"]
    name = builder.cast(node, builder.name(source), dtype_of(target))
    builder.names[node] = name
    if builder.ir.tensors[name].shape != tuple(target.shape):
        builder.add_op(node, T.EXPAND, (name,), {"shape": list(target.shape)})


def _same(builder: Builder, node: fx.Node) -> None:
    """What only changes how a tensor lies in PyTorch's memory."""
    builder.names[node] = builder.name(node.all_input_nodes[0])


def _repeat(builder: Builder, node: fx.Node) -> None:
    given = builder.given(node)
    first, wide, last = repeated(tuple(given["self"].meta["val"].shape), list(given["repeats"]))
    name = builder.step(node, T.VIEW, builder.name(given["self"]), first, {"shape": first})
    name = builder.step(node, T.EXPAND, name, wide, {"shape": wide})
    builder.add_op(node, T.VIEW, (name,), {"shape": last})


def _filled(builder: Builder, node: fx.Node) -> None:
    """full and its kin: one number expanded."""
    import torch

    value, fill = node.meta["val"], builder.given(node).get("fill_value", 0)
    if holds_node(fill):
        name = builder.cast(node, builder.name(fill), dtype_of(value))
    else:
        name = builder.param(node, torch.full((1,) * value.dim(), fill, dtype=value.dtype))
    builder.add_op(node, T.EXPAND, (name,), {"shape": list(value.shape)})


def _scalar_tensor(builder: Builder, node: fx.Node) -> None:
    number = builder.given(node)["s"]
    builder.names[node] = builder.cast(node, builder.name(number), dtype_of(node.meta["val"]))


def _select(builder: Builder, node: fx.Node) -> None:
    given = builder.given(node)
    if holds_node(given["index"]):
        names = (builder.name(given["self"]), builder.name(given["index"]))
        dims = [given.get("dim", 0) % given["self"].meta["val"].dim()]
        builder.add_op(node, T.INDEX, names, {"dims": dims})
    else:
        builder.add_call(node, ATEN[target_name(node)])


def _clamp(builder: Builder, node: fx.Node) -> None:
    """With bounds that are computed when the model runs: the larger and the smaller of two."""
    given = builder.given(node)
    bounds = [(T.MAXIMUM, given.get("min")), (T.MINIMUM, given.get("max"))]
    if not any(holds_node(bound) for _, bound in bounds):
        builder.add_call(node, ATEN[target_name(node)])
        return
    builder.names[node] = builder.name(given["self"])
    for kind, bound in bounds:
        if bound is not None:
            name = builder.names[node]
            operands = (name, builder.name(bound)) if holds_node(bound) else (name,)
            attrs: dict[str, Any] = {} if holds_node(bound) else {"other": bound}
            builder.add_op(node, kind, operands, attrs)


REWRITTEN: Mapping[str, Callable[[Builder, fx.Node], None]] = {
    "aten.copy.default": _copy,
    "aten.repeat.default": _repeat,
    "aten.full.default": _filled,
    "aten.full_like.default": _filled,
    "aten.scalar_tensor.default": _scalar_tensor,
    "aten.select.int": _select,
    "aten.clamp.default": _clamp,
    "aten.as_strided.default": strided,
    "aten.as_strided_copy.default": strided,
    "aten.as_strided_scatter.default": strided_scatter,
    "aten._local_scalar_dense.default": item,
    **{
        f"quantized_decomposed.{name}_per_{kind}": function
        for name, function in (("quantize", quantize), ("dequantize", dequantize))
        for kind in ("tensor.default", "tensor.tensor", "tensor.tensor2", "channel.default")
    },
    **{
        f"quantized_decomposed.{name}.tensor#{number}": choose
        for name in ("choose_qparams", "choose_qparams_symmetric")
        for number in (0, 1)
    },
    "aten._int_mm.default": int_mm,
    "aten.linalg_inv_ex.default#0": inverse,
    "aten._linalg_solve_ex.default#0": solve,
    "aten._linalg_det.default#0": determinant,
    "aten._linalg_slogdet.default#0": sign_of_determinant,
    "aten._linalg_slogdet.default#1": logarithm_of_determinant,
    "prims.copy_strided.default": _same,
}
"""By ATen overload; `#number` follows the name of one that has several results."""
