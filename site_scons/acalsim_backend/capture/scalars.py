# SPDX-License-Identifier: Apache-2.0
"""Numbers that a model takes out of a tensor (`.item()`) and calculates with: ops on tensors without dimensions.

Python calculates in float64, these ops in float32. So what rounds or compares takes a float only as it came out
of its tensor: one that was calculated with might lie on the other side of a border.
"""

from __future__ import annotations

import functools
import math
import operator
from typing import TYPE_CHECKING, Any

from ..ir.graph import ACALSimOpType
from .builder import Builder, dtype_of, holds_node, target_name

if TYPE_CHECKING:
    from torch import fx

T = ACALSimOpType
ITEM = "aten._local_scalar_dense.default"
SMOOTH = {
    operator.add: T.ADD,
    operator.sub: T.SUB,
    operator.mul: T.MUL,
    operator.truediv: T.DIV,
    operator.neg: T.NEG,
    operator.pow: T.POW,
    operator.abs: T.ABS,
    "sym_max": T.MAXIMUM,
    "sym_min": T.MINIMUM,
    "sym_sqrt": T.SQRT,
    "_sym_sqrt": T.SQRT,
}
STEPPED = {
    operator.floordiv: T.DIV_ROUNDED,
    operator.mod: T.REMAINDER,
    operator.eq: T.EQ,
    operator.ne: T.NE,
    operator.lt: T.LT,
    operator.le: T.LE,
    operator.gt: T.GT,
    operator.ge: T.GE,
    operator.and_: T.BITWISE_AND,
    operator.or_: T.BITWISE_OR,
    operator.xor: T.BITWISE_XOR,
    operator.lshift: T.BITWISE_LEFT_SHIFT,
    operator.rshift: T.BITWISE_RIGHT_SHIFT,
    "sym_not": T.LOGICAL_NOT,
}
"""Those where a small difference of a float makes a large one of the result."""
ROUNDED = {math.trunc: T.TRUNC, math.floor: T.FLOOR, math.ceil: T.CEIL, round: T.ROUND, "sym_int": T.TRUNC}


def item(builder: Builder, node: fx.Node) -> None:
    """aten._local_scalar_dense: the tensor's one element."""
    name = builder.name(node.all_input_nodes[0])
    if builder.ir.tensors[name].shape:
        name = builder.step(node, T.VIEW, name, (), {"shape": []})
    builder.names[node] = builder.cast(node, name, dtype_of(node.meta["val"]))


def calculate(builder: Builder, node: fx.Node) -> bool:
    """Add the op of a calculation with numbers; False where none is known."""
    target: Any = node.target
    kind = SMOOTH.get(target) or SMOOTH.get(target_name(node))
    stepped = STEPPED.get(target) or STEPPED.get(target_name(node))
    rounded = ROUNDED.get(target) or ROUNDED.get(target_name(node))
    if (stepped or rounded) and any(map(_is_calculated, node.all_input_nodes)):
        what = f"{target_name(node)}() of a float that was calculated with after .item() is not supported"
        builder.refuse(node, what)
        builder.declare(node)
    elif op_type := kind or stepped:
        _add(builder, node, op_type)
    elif rounded and node.args[1:] in ((), (None,)):
        _round(builder, node, rounded)
    elif target_name(node) == "sym_float":
        builder.names[node] = builder.cast(node, builder.name(node.all_input_nodes[0]), "float32")
    elif target_name(node) == "sym_sum":
        _sum(builder, node)
    elif target_name(node) == "sym_ite":
        _add(builder, node, T.WHERE)
    else:
        return False
    return True


def _is_calculated(node: fx.Node) -> bool:
    """Whether that is a float other than an element of a tensor."""
    return dtype_of(node.meta["val"]) == "float32" and target_name(node) != ITEM


def _add(builder: Builder, node: fx.Node, kind: ACALSimOpType) -> None:
    """One op of tensors and of numbers, which are its attrs."""
    names = {T.POW: ("self", "exponent"), T.WHERE: ("condition", "self", "other")}.get(
        kind, ("self", "other")
    )
    operands, attrs = [], {"rounding_mode": "floor"} if kind is T.DIV_ROUNDED else {}
    for name, value in zip(names, map(builder.known, node.args), strict=False):
        if holds_node(value):
            operands.append(builder.name(value))
        else:
            attrs[name] = value
    builder.add_op(node, kind, operands, attrs)


def _round(builder: Builder, node: fx.Node, kind: ACALSimOpType) -> None:
    name = builder.name(node.all_input_nodes[0])
    if builder.ir.tensors[name].dtype == "float32":
        name = builder.step(node, kind, name, (), {})
    builder.names[node] = builder.cast(node, name, dtype_of(node.meta["val"]))


def _sum(builder: Builder, node: fx.Node) -> None:
    numbers: Any = node.args[0]
    names = [builder.name(each) for each in numbers]
    total = functools.reduce(lambda one, other: builder.step(node, T.ADD, one, (), {}, more=(other,)), names)
    builder.names[node] = total
