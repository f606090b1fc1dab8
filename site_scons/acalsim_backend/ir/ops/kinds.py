# SPDX-License-Identifier: Apache-2.0
"""Kinds of rows: what distinguishes a row of its kind in, the whole row out."""

from __future__ import annotations

from typing import Any

from .. import shapes
from ..expressions import BINARY, MOVABLE, UNARY, Formula
from ..graph import ACALSimOpType
from ..row import Lookup, LookupSteps, Movement, Row
from ..shapes import ShapeRule
from ..walks import anywhere, everywhere

T = ACALSimOpType


def pointwise(
    type: ACALSimOpType, aten: tuple[str, ...], operands: tuple[str, ...], expression: Formula, **more: Any
) -> Row:
    """An op whose element is a C expression of one element of each operand."""
    return Row(
        type,
        aten,
        operands,
        shapes.broadcast,
        expression=expression,
        reads=anywhere,
        is_followed=True,
        writes=everywhere,
        takes_numbers=len(operands) > 1,
        **more,
    )


def unary(type: ACALSimOpType) -> Row:
    """A pointwise op of expressions.UNARY."""
    expression, header, dtypes, result = UNARY[type]
    return pointwise(
        type,
        (f"aten.{type.name.lower()}.default",),
        ("self",),
        expression,
        header=header,
        dtypes=dtypes,
        result=result,
    )


ONE_OVERLOAD = {
    *("maximum", "minimum", "fmax", "fmin"),
    *("logical_and", "logical_or", "logical_xor"),
    *("atan2", "hypot"),
}
"""ATen's binary ops that take no number as their second operand; their only overload is `default`."""


def binary(type: ACALSimOpType) -> Row:
    """A pointwise op of expressions.BINARY."""
    name, expression, dtypes, result, attrs = BINARY[type]
    header = "divide.h" if type is T.REMAINDER else None
    overloads = ("default",) if name in ONE_OVERLOAD else ("Tensor", "Scalar")
    return pointwise(
        type,
        tuple(f"aten.{name}.{overload}" for overload in overloads),
        ("self", "other"),
        expression,
        dtypes=dtypes,
        result=result,
        attrs=attrs,
        header=header,
    )


def moving(
    type: ACALSimOpType, aten: tuple[str, ...], rule: ShapeRule, move: Movement, attrs: tuple[str, ...] = ()
) -> Row:
    """An op that only moves the elements of its operand."""
    return Row(
        type,
        aten,
        ("self",),
        rule,
        attrs=attrs,
        dtypes=MOVABLE,
        movement=move,
        reads=anywhere,
        joins=True,
        writes=everywhere,
    )


def reducing(type: ACALSimOpType, aten: tuple[str, ...], **more: Any) -> Row:
    """An op that makes one element of all elements along the dimensions of the attr dim."""
    return Row(
        type,
        aten,
        ("self",),
        shapes.reduced,
        attrs=("dim", "keepdim", *more.pop("attrs", ())),
        reads=anywhere,
        is_followed=True,
        takes_in=True,
        writes=everywhere,
        **more,
    )


def looking_up(
    type: ACALSimOpType,
    aten: tuple[str, ...],
    operands: tuple[str, ...],
    rule: ShapeRule,
    walk: Lookup,
    steps: LookupSteps,
    attrs: tuple[str, ...] = (),
    **more: Any,
) -> Row:
    """An op that finds elements of its operand 0 by indices, the elements of its other operands."""
    return Row(
        type,
        aten,
        operands,
        rule,
        attrs=attrs,
        dtypes=MOVABLE,
        lookup=walk,
        lookup_steps=steps,
        reads=anywhere,
        is_followed=True,
        writes=everywhere,
        **more,
    )


def running(type: ACALSimOpType, aten: tuple[str, ...], **more: Any) -> Row:
    """An op that makes each element of all elements up to its place along the dimension dim."""
    return Row(type, aten, ("self",), shapes.along, attrs=("dim",), reads=anywhere, writes=everywhere, **more)


def computing(
    type: ACALSimOpType, aten: tuple[str, ...], operands: tuple[str, ...], rule: ShapeRule, **more: Any
) -> Row:
    """An op with a printer, whose kernel can compute pointwise ops on its result and write anywhere."""
    return Row(type, aten, operands, rule, **{"is_followed": True, "writes": everywhere, **more})
