# SPDX-License-Identifier: Apache-2.0
"""Constant masks of a softmax: one that hides by selecting becomes a summand, and a causal one is known as such."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from ..ir.shapes import dimension

T = ACALSimOpType
LOWEST = -(2 - 2**-7) * 2.0**127
"""The lowest bfloat16, above the lowest float32: a score adds nothing to either."""


def read_masks(ir: ACALSimIR) -> None:
    """In place: WHERE(constant, x, hidden) before a softmax becomes x + mask, and softmaxes get `causal`.

    That is c where everything behind element i + c of row i is hidden (-inf), for the least such c.
    """
    readers = ir.readers()
    for place, op in enumerate(ir.ops):
        behind = readers.get(op.outputs[0], [])
        if op.op_type is T.WHERE and behind and all(each.op_type is T.SOFTMAX for each in behind):
            ir.ops[place] = _summed(ir, op) or op
    producers = ir.producers()
    for place, op in enumerate(ir.ops):
        if op.op_type is T.SOFTMAX and (producer := producers.get(op.inputs[0])):
            limit = _causal(ir, op, producer)
            if limit is not None:
                ir.ops[place] = replace(op, attrs={**op.attrs, "causal": limit})
    ir.drop_unread()


def _constant(ir: ACALSimIR, name: str) -> NDArray[Any] | None:
    return np.asarray(ir.constants[name]) if ir.tensors[name].is_param else None


def _summed(ir: ACALSimIR, op: ACALSimOp) -> ACALSimOp | None:
    """The op as an addition. What hides is -inf or the lowest float32 or bfloat16."""
    if len(op.inputs) != 3 or ir.tensors[op.outputs[0]].dtype != "float32":
        return None
    condition, *values = (_constant(ir, name) for name in op.inputs)
    hidden = [number for number, each in enumerate(values) if each is not None and each.size == 1]
    if condition is None or len(hidden) != 1:
        return None
    value = values[hidden[0]]
    scores = op.inputs[2 - hidden[0]]
    if value is None or value.item() > LOWEST or ir.tensors[scores].dtype != "float32":
        return None
    if ir.tensors[scores].shape != ir.tensors[op.outputs[0]].shape:
        return None
    hides = condition.astype(bool) if hidden[0] == 0 else ~condition.astype(bool)
    mask = np.where(hides, np.float32(value.item()), np.float32(0))
    number = len(ir.tensors)
    while f"param_{number}" in ir.tensors:
        number += 1
    desc = ir.add_tensor(TensorDesc(f"param_{number}", mask.shape, "float32", is_param=True))
    ir.constants[desc.name] = np.ascontiguousarray(mask, np.float32)
    return replace(op, op_type=T.ADD, inputs=(scores, desc.name), attrs={})


def _causal(ir: ACALSimIR, softmax: ACALSimOp, op: ACALSimOp) -> int | None:
    """The c of the constant that `op` adds to what the softmax is of; None where it hides no corner."""
    shape = ir.tensors[softmax.inputs[0]].shape
    if op.op_type is not T.ADD or len(shape) < 2 or dimension(shape, softmax.attrs["dim"]) != len(shape) - 1:
        return None
    masks = [mask for name in op.inputs if (mask := _constant(ir, name)) is not None]
    if not masks or masks[0].shape[-2:] != shape[-2:]:
        return None
    rows, columns = np.nonzero((masks[0].reshape(-1, *shape[-2:]) != -np.inf).any(0))
    limit = int((columns - rows).max(initial=-shape[-2]))
    return limit if limit < shape[-1] - 1 else None
