# SPDX-License-Identifier: Apache-2.0
"""Int8 products that may as well be float32: those with the attr `float32`, which names their float32 weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .graph import ACALSimOp, ACALSimOpType
from .ops import ROWS


def in_int8(op: ACALSimOp) -> ACALSimOp:
    """The op without another form."""
    attrs = {name: value for name, value in op.attrs.items() if name != "float32"}
    return op if len(attrs) == len(op.attrs) else replace(op, attrs=attrs)


def rounding(name: str, makers: Mapping[str, ACALSimOp]) -> list[ACALSimOp] | None:
    """The QUANTIZEs whose results a tensor has the elements of, and what moves these, in order; None if it is otherwise."""
    op = makers.get(name)
    if op is None:
        return None
    if op.op_type is ACALSimOpType.QUANTIZE:
        return [op]
    if ROWS[op.op_type].movement is None and op.op_type is not ACALSimOpType.CAT:
        return None
    found: list[ACALSimOp] = []
    for each in op.inputs:
        before = rounding(each, makers)
        if before is None:
            return None
        found += [own for own in before if own not in found]
    return [*found, op]
