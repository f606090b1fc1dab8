# SPDX-License-Identifier: Apache-2.0
"""A quantised graph in its forms: products in int8, or in float32 where their operand has to be rounded for them alone.

To round the network's input, or what a norm leaves, takes time of its own, which an int8 product need not be worth.
The last form is the graph as it was before it was quantised.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType
from ..ir.products import in_int8, rounding

T = ACALSimOpType
FLOAT = {T.CONV_INT8: T.CONV, T.GEMM_INT8: T.GEMM}


def forms(ir: ACALSimIR) -> Iterator[ACALSimIR]:
    """The graph with no product of float32, with those of the network's inputs, with all that may be; and unquantised.

    A graph that was not quantised has one form.
    """
    makers = ir.producers()
    ways = {op.name: rounding(op.inputs[0], makers) or [] for op in ir.ops if "float32" in op.attrs}
    given = [name for name, way in ways.items() if all(_is_given(ir, op) for op in way)]
    for names in dict.fromkeys([(), tuple(given), tuple(ways)]):
        own = ir.copy()
        ops = (_in_float32(own, op, ways[op.name]) if op.name in names else [in_int8(op)] for op in ir.ops)
        own.ops = [each for found in ops for each in found]
        if own.ops != ir.ops:
            own.drop_needless()
            own.drop_unread()
        yield own
    if ir.unquantised:
        yield ir.unquantised


def _is_given(ir: ACALSimIR, op: ACALSimOp) -> bool:
    """Whether an op on the way rounds nothing but an input of the network."""
    return op.op_type is not T.QUANTIZE or ir.tensors[op.inputs[0]].is_input


def _in_float32(ir: ACALSimIR, op: ACALSimOp, way: Sequence[ACALSimOp]) -> list[ACALSimOp]:
    """The product of what its operand was before it was rounded, with the movements between."""
    ops, forms = [], {}
    for each in way:
        (out,) = each.outputs
        if each.op_type is T.QUANTIZE:
            (forms[out],) = each.inputs
            continue
        moved = replace(ir.tensors[out], name=f"{out}_of_{op.name}", dtype="float32")
        forms[out] = ir.add_tensor(moved).name
        inputs = tuple(forms[name] for name in each.inputs)
        ops.append(replace(each, name=f"{each.name}_of_{op.name}", inputs=inputs, outputs=(moved.name,)))
    kind = T.MATMUL if op.op_type is T.GEMM_INT8 and len(op.inputs) == 3 else FLOAT[op.op_type]
    inputs = (forms[op.inputs[0]], op.attrs["float32"], *op.inputs[3:])
    return [*ops, replace(in_int8(op), op_type=kind, inputs=inputs)]
