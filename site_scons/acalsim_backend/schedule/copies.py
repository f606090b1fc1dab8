# SPDX-License-Identifier: Apache-2.0
"""Where the ops that only copy bring their operands, and which of those lie there already."""

from __future__ import annotations

from collections.abc import Mapping

from ..ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType
from ..ir.shapes import dimension, pads
from ..ir.strides import Access, inverse_permutation

T = ACALSimOpType


def unsettled(ir: ACALSimIR, op: ACALSimOp, access: Mapping[str, Access]) -> list[int]:
    """The operands of a copying op that do not lie where it is to bring them."""
    result = access[op.outputs[0]]
    places = [destination(ir, op, index, result) for index in range(len(op.inputs))]
    return [
        index
        for index, place in enumerate(places)
        if place is None or not _same(place, access[op.inputs[index]])
    ]


def _same(one: Access, other: Access) -> bool:
    if 0 in one.shape:
        return True
    steps = [(a, b) for a, b, size in zip(one.strides, other.strides, one.shape, strict=True) if size > 1]
    return (one.storage, one.offset) == (other.storage, other.offset) and all(a == b for a, b in steps)


def destination(ir: ACALSimIR, op: ACALSimOp, index: int, result: Access) -> Access | None:
    """Where a copying op puts its operand `index`, in the operand's own shape; None where that has no strides."""
    shape = ir.tensors[op.inputs[index]].shape
    if op.op_type is T.CAT:
        if shape == (0,):
            return Access(result.storage, (0,), (1,))
        dim = dimension(shape, op.attrs.get("dim", 0))
        start = sum(each[dim] for name in op.inputs[:index] if (each := ir.tensors[name].shape) != (0,))
        return result.sliced(dim, start, 1, shape[dim])
    if op.op_type is T.PAD:
        for dim, (before, after) in enumerate(pads(shape, op.attrs)):
            if before < 0 or after < 0:
                return None
            result = result.sliced(dim, before, 1, shape[dim])
        return result
    return before_movement(op, result, shape)


def before_movement(op: ACALSimOp, result: Access, shape: tuple[int, ...]) -> Access | None:
    """The access of a movement op's input that makes `result` its output's; None where there is none."""
    if op.op_type is T.COPY:
        return result
    if op.op_type is T.VIEW:
        return result.viewed(shape)
    if op.op_type is T.PERMUTE:
        return result.permuted(inverse_permutation(op.attrs["dims"]))
    return None
