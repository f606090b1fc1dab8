# SPDX-License-Identifier: Apache-2.0
"""Puts constant factors and summands behind a convolution or a linear layer into its weight and bias.

Batch normalisation in inference is one of each a channel, and so disappears.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from ..ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from ..ir.shapes import padded

T = ACALSimOpType


def fold_affine(ir: ACALSimIR) -> None:
    """Fold in place until nothing is left to fold; values are computed in float64 and rounded once."""
    for index, op in enumerate(ir.ops):
        while (folded := _folded(ir, op, index)) is not None:
            op = folded
    read = {name for op in ir.ops for name in op.inputs}
    for name in [name for name in ir.params if name not in read and name not in ir.outputs]:
        del ir.tensors[name]
        ir.constants.pop(name, None)


def _folded(ir: ACALSimIR, op: ACALSimOp, index: int) -> ACALSimOp | None:
    """The op at `index` with its only reader folded into it, which is no more; None if there is none to fold."""
    readers = [each for each in ir.ops if op.outputs[0] in each.inputs]
    if not _takes_folds(ir, op) or len(readers) != 1 or ir.tensors[op.outputs[0]].is_output:
        return None
    reader = readers[0]
    value = _channel_value(ir, op, reader)
    if value is None:
        return None
    if reader.op_type in (T.MUL, T.DIV):
        op = _scaled(ir, op, value if reader.op_type is T.MUL else 1 / value)
    else:
        op = _shifted(ir, op, value if reader.op_type is T.ADD else -value)
    del ir.tensors[op.outputs[0]]
    ir.ops.remove(reader)
    ir.ops[index] = replace(op, outputs=reader.outputs, aten=(*op.aten, *reader.aten))
    return ir.ops[index]


def _takes_folds(ir: ACALSimIR, op: ACALSimOp) -> bool:
    if op.op_type is T.CONV:
        params = op.inputs[1:]
        own = not op.attrs.get("transposed") or op.attrs.get("groups", 1) == 1
    else:
        params = op.inputs[1:] if op.op_type is T.GEMM else ()
        own = bool(params) and not op.attrs and len(ir.tensors[params[1]].shape) == 1
    uses = Counter(name for each in ir.ops for name in each.inputs)
    return own and bool(params) and all(ir.tensors[name].is_param and uses[name] == 1 for name in params)


def _channel_value(ir: ACALSimIR, op: ACALSimOp, reader: ACALSimOp) -> np.ndarray | None:
    """The constant that `reader` adds or multiplies with, one a channel of the op's result."""
    first = op.outputs[0]
    if reader.op_type not in (T.ADD, T.SUB, T.MUL, T.DIV) or reader.inputs.count(first) != 1:
        return None
    shape = ir.tensors[first].shape
    is_left = "self" not in reader.attrs and reader.inputs[0] == first
    if (
        not is_left
        and (reader.op_type in (T.SUB, T.DIV) or "alpha" in reader.attrs)
        or ir.tensors[reader.outputs[0]].shape != shape
    ):
        return None
    others = [name for name in reader.inputs if name != first]
    if others and not ir.tensors[others[0]].is_param:
        return None
    number = next((reader.attrs[name] for name in ("self", "other") if name in reader.attrs), None)
    value = np.asarray(ir.constants[others[0]] if others else number, np.float64) * reader.attrs.get(
        "alpha", 1
    )
    channel = 1 if op.op_type is T.CONV else len(shape) - 1
    sizes = padded(value.shape, len(shape))
    if len(sizes) != len(shape) or any(size != 1 for dim, size in enumerate(sizes) if dim != channel):
        return None
    return np.broadcast_to(value.reshape(-1), (shape[channel],))


def _scaled(ir: ACALSimIR, op: ACALSimOp, factor: np.ndarray) -> ACALSimOp:
    weight = op.inputs[1]
    shape = [1] * len(ir.tensors[weight].shape)
    shape[1 if op.op_type is T.GEMM or op.attrs.get("transposed") else 0] = -1
    _set(ir, weight, ir.constants[weight].astype(np.float64) * factor.reshape(shape))
    if len(op.inputs) > 2:
        _set(ir, op.inputs[2], ir.constants[op.inputs[2]].astype(np.float64) * factor)
    return op


def _shifted(ir: ACALSimIR, op: ACALSimOp, summand: np.ndarray) -> ACALSimOp:
    if len(op.inputs) > 2:
        _set(ir, op.inputs[2], ir.constants[op.inputs[2]].astype(np.float64) + summand)
        return op
    number = len(ir.tensors)
    while f"param_{number}" in ir.tensors:
        number += 1
    bias = ir.add_tensor(TensorDesc(f"param_{number}", summand.shape, "float32", is_param=True))
    _set(ir, bias.name, summand)
    return replace(op, inputs=(*op.inputs, bias.name))


def _set(ir: ACALSimIR, name: str, value: np.ndarray) -> None:
    ir.constants[name] = np.ascontiguousarray(value, np.float32)
