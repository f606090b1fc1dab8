# SPDX-License-Identifier: Apache-2.0
"""Kernels that only bring elements elsewhere, as parts for the vector unit."""

from __future__ import annotations

from collections.abc import Mapping

from ...ir.graph import FLOATING, ACALSimIR, ACALSimOp, ACALSimOpType
from ...ir.kernel import Kernel
from ...ir.ops import ROWS
from ...ir.shapes import dimension, pads, slice_range
from ...ir.strides import Access
from .part import Part, Step, Walk
from .steps import Steps, Unfit

T = ACALSimOpType


def copies(
    ir: ACALSimIR, access: Mapping[str, Access], kernel: Kernel, places: Mapping[int, Access]
) -> list[Part]:
    """Of movements, concatenations, paddings and scatters of slices.

    `places` are those in the result of the operands of a concatenation or padding that are to be brought there.
    """
    op = kernel.anchor
    if kernel.after or kernel.before:
        raise Unfit("ops are fused behind a copy")
    result, dtype = access[op.outputs[0]], ir.tensors[op.outputs[0]].dtype
    movement = ROWS[op.op_type].movement
    if movement:
        source = access[op.inputs[0]]
        seen = movement(source, op.attrs, ir.tensors[op.outputs[0]].shape)
        if seen is not None:
            return [_copy(seen, result, dtype)]
        target = result.viewed(source.shape)
        if target is None:
            raise Unfit("no strides describe it")
        return [_copy(source, target, dtype)]
    if op.op_type is T.CAT:
        return [
            _copy(access[op.inputs[number]], place, dtype, ir.tensors[op.inputs[number]].dtype)
            for number, place in places.items()
        ]
    if op.op_type is T.PAD:
        return _padded(op, access[op.inputs[0]], result, dtype, bool(places))
    base, source = (access[name] for name in op.inputs)
    dim = dimension(base.shape, op.attrs.get("dim", 0))
    if op.op_type is T.SELECT_SCATTER:
        part = result.sliced(dim, op.attrs["index"] % base.shape[dim], 1, 1).without(dim)
    else:
        start, step, count = slice_range(base.shape[dim], op.attrs)
        part = result.sliced(dim, start, step, count)
    return [_copy(base, result, dtype), _copy(source, part, dtype)]


def _padded(op: ACALSimOp, source: Access, result: Access, dtype: str, copies: bool) -> list[Part]:
    value = op.attrs.get("value", 0)
    parts, inner = [], result
    for dim, (before, after) in enumerate(pads(source.shape, op.attrs)):
        for start, count in ((0, before), (result.shape[dim] - after, after)):
            if count > 0:
                parts.append(_filled(inner.sliced(dim, start, 1, count), value, dtype))
        size = result.shape[dim] - max(before, 0) - max(after, 0)
        inner = inner.sliced(dim, max(before, 0), 1, size)
        source = source.sliced(dim, max(-before, 0), 1, size)
    return [*parts, *([_copy(source, inner, dtype)] if copies else [])]


def _plain(access: Access, dtype: str) -> Walk:
    if any(step < 0 for size, step in zip(access.shape, access.strides, strict=True) if size > 1):
        raise Unfit("an operand is walked backwards")
    return Walk(access.storage, access.offset, access.strides, dtype)


def _copy(source: Access, target: Access, dtype: str, source_dtype: str = "") -> Part:
    """Elements of `source_dtype`, which is `dtype` unless given, become elements of `dtype`."""
    if 0 in source.shape:
        raise Unfit("empty")
    steps = Steps([source_dtype or dtype])
    value = 0 if steps.dtypes[0] == dtype else steps.apply("COPY", 0, dtype=dtype)
    load, store = _plain(source, steps.dtypes[0]), _plain(target, dtype)
    return Part(source.shape, 0, (load,), tuple(steps.steps), ((value, store),))


def _filled(target: Access, value: float, dtype: str) -> Part:
    """A number everywhere. The value is number 0, which no load brings."""
    if dtype not in FLOATING:
        value = int(value)
    step = Step(
        "COMMAND_VECTOR", "SECOND", -1, dtype, b=value, b_is_number=True, is_whole=dtype not in FLOATING
    )
    return Part(target.shape, 0, (), (step,), ((0, _plain(target, dtype)),))
