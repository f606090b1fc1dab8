# SPDX-License-Identifier: Apache-2.0
"""A quantised graph in its two forms: products of the network's own input in int8, or in float32.

An input is float32 in memory. To round it takes the CPU or the vector unit time of its own, which the int8 product
of it need not be worth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from ..ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType

T = ACALSimOpType
FLOAT = {T.CONV_INT8: T.CONV, T.GEMM_INT8: T.GEMM}


def forms(ir: ACALSimIR) -> Iterator[ACALSimIR]:
    """The graph as it is, and with the products that have `float32` weights, too, of these. Most graphs have one form."""
    yield _without_others(ir, [_plain(op) for op in ir.ops])
    if any("float32" in op.attrs for op in ir.ops):
        own = ir.copy()
        makers = own.producers()
        yield _without_others(own, [each for op in ir.ops for each in _in_float32(own, op, makers)])


def _plain(op: ACALSimOp) -> ACALSimOp:
    return replace(op, attrs={name: value for name, value in op.attrs.items() if name != "float32"})


def _in_float32(ir: ACALSimIR, op: ACALSimOp, makers: Mapping[str, ACALSimOp]) -> list[ACALSimOp]:
    """The product of what its operand was before it was rounded, with the movements between."""
    if "float32" not in op.attrs:
        return [op]
    moves, name = list[ACALSimOp](), op.inputs[0]
    while makers[name].op_type is not T.QUANTIZE:
        moves.append(makers[name])
        (name,) = makers[name].inputs
    (name,) = makers[name].inputs
    ops = []
    for move in reversed(moves):
        moved = replace(ir.tensors[move.outputs[0]], name=f"{move.outputs[0]}_of_{op.name}", dtype="float32")
        ir.add_tensor(moved)
        ops.append(replace(move, name=f"{move.name}_of_{op.name}", inputs=(name,), outputs=(moved.name,)))
        name = moved.name
    kind = T.MATMUL if op.op_type is T.GEMM_INT8 and len(op.inputs) == 3 else FLOAT[op.op_type]
    inputs = (name, op.attrs["float32"], *op.inputs[3:])
    return [*ops, replace(_plain(op), op_type=kind, inputs=inputs)]


def _without_others(ir: ACALSimIR, ops: list[ACALSimOp]) -> ACALSimIR:
    """The graph with these ops, less the ops and parameters that the other form alone reads."""
    if ops == ir.ops:
        return ir
    ir = ir.copy()
    ir.ops = ops
    ir.drop_needless()
    ir.drop_unread()
    return ir
