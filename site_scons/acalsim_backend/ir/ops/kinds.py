# SPDX-License-Identifier: Apache-2.0
"""Kinds of rows: what the rows of one kind have in common is said once."""

from __future__ import annotations

from typing import Any

from .. import shapes
from ..expressions import BINARY, UNARY, Formula
from ..graph import ACALSimOpType
from ..row import Lookup, LookupSteps, Movement, Row
from ..shapes import ShapeRule
from ..walks import anywhere, everywhere

T = ACALSimOpType


def pointwise(
    type: ACALSimOpType, aten: tuple[str, ...], operands: tuple[str, ...], expression: Formula, **more: Any
) -> Row:
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


def binary(type: ACALSimOpType) -> Row:
    name, expression, dtypes, result, attrs = BINARY[type]
    header = "divide.h" if type is T.REMAINDER else None
    packet = f"aten.{name}"
    overloads = (
        (f"{packet}.Tensor", f"{packet}.Scalar")
        if name
        not in (
            "maximum",
            "minimum",
            "logical_and",
            "logical_or",
            "logical_xor",
            "atan2",
            "fmax",
            "fmin",
            "hypot",
        )
        else (f"{packet}.default",)
    )
    return pointwise(
        type,
        overloads,
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
    return Row(
        type,
        aten,
        ("self",),
        rule,
        attrs=attrs,
        movement=move,
        reads=anywhere,
        joins=True,
        writes=everywhere,
    )


def reducing(type: ACALSimOpType, aten: tuple[str, ...], **more: Any) -> Row:
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
    return Row(
        type,
        aten,
        operands,
        rule,
        attrs=attrs,
        lookup=walk,
        lookup_steps=steps,
        reads=anywhere,
        is_followed=True,
        writes=everywhere,
        **more,
    )


def computing(
    type: ACALSimOpType, aten: tuple[str, ...], operands: tuple[str, ...], rule: ShapeRule, **more: Any
) -> Row:
    """A kernel whose results others may take further, and which reads its first operands as they lie."""
    return Row(type, aten, operands, rule, **{"is_followed": True, "writes": everywhere, **more})
