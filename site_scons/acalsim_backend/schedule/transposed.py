# SPDX-License-Identifier: Apache-2.0
"""Pass `transposed`: transposed convolutions whose windows do not overlap become products for the array.

Every element of the operand makes a window of the result of its own: a product of weights and pixels, whose
rows are then put where their windows lie, with the bias.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from ..ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from ..ir.shapes import pair
from .plan import Plan

T = ACALSimOpType


def transposed(plan: Plan) -> Plan:
    """The graph with products in their place, on a machine that has a vector unit to place their rows."""
    if not plan.target.has_vector_unit or not any(map(_is_tiling, plan.ir.ops)):
        return plan
    ir = plan.ir.copy()
    ops, ir.ops = ir.ops, []
    for op in ops:
        if _is_tiling(op) and op.name not in plan.claims.of and _does_not_overlap(ir, op):
            _expand(ir, op)
        else:
            ir.add_op(op)
    return replace(plan, ir=ir)


def _is_tiling(op: ACALSimOp) -> bool:
    return op.op_type is T.CONV and bool(op.attrs.get("transposed"))


def _does_not_overlap(ir: ACALSimIR, op: ACALSimOp) -> bool:
    kernel = ir.tensors[op.inputs[1]].shape[2:]
    attrs, rank = op.attrs, len(kernel)
    zeros = (*pair(attrs.get("padding"), rank), *pair(attrs.get("output_padding"), rank))
    return (
        rank == 2
        and tuple(kernel) == tuple(pair(attrs.get("stride"), rank, 1))
        and not any(zeros)
        and set(pair(attrs.get("dilation"), rank, 1)) == {1}
        and attrs.get("groups", 1) == 1
        and ir.tensors[op.inputs[0]].elements > 0
    )


def _expand(ir: ACALSimIR, op: ACALSimOp) -> None:
    out = ir.tensors[op.outputs[0]]
    n, channels, rows, columns = ir.tensors[op.inputs[0]].shape
    _, outputs, tall, wide = ir.tensors[op.inputs[1]].shape
    lines = outputs * tall * wide

    def add(
        kind: T,
        part: str,
        inputs: tuple[str, ...],
        shape: tuple[int, ...],
        attrs: dict[str, Any] | None = None,
    ) -> str:
        desc = ir.add_tensor(TensorDesc(f"{out.name}_{part}", shape, out.dtype))
        name = op.name if kind is T.BMM else f"{op.name}_{part}"
        ir.add_op(ACALSimOp(kind, name, inputs, (desc.name,), attrs or {}, source=op.source, aten=op.aten))
        return desc.name

    def view(part: str, name: str, *shape: int) -> str:
        return add(T.VIEW, part, (name,), shape, {"shape": list(shape)})

    weight = view("lines", op.inputs[1], channels, lines)
    weight = add(T.PERMUTE, "weight", (weight,), (lines, channels), {"dims": [1, 0]})
    weight = add(T.EXPAND, "weights", (weight,), (n, lines, channels), {"shape": [n, lines, channels]})
    pixels = view("pixels", op.inputs[0], n, channels, math.prod((rows, columns)))
    product = add(T.BMM, "products", (weight, pixels), (n, lines, rows * columns))
    windows = view("windows", product, n, outputs, tall, wide, rows, columns)
    order = [0, 1, 4, 2, 5, 3]
    placed = (n, outputs, rows, tall, columns, wide)
    value = add(T.PERMUTE, "placed", (windows,), placed, {"dims": order})
    if len(op.inputs) > 2:
        bias = view("bias", op.inputs[2], outputs, 1, 1, 1, 1)
        value = add(T.ADD, "biased", (value, bias), placed)
    ir.add_op(
        ACALSimOp(
            T.VIEW,
            f"{op.name}_image",
            (value,),
            op.outputs,
            {"shape": list(out.shape)},
            source=op.source,
            aten=op.aten,
        )
    )
