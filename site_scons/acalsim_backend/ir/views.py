# SPDX-License-Identifier: Apache-2.0
"""From a tensor back to what it is a view of, or that times a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from .graph import HALVES, ACALSimIR, ACALSimOp, ACALSimOpType
from .ops import ROWS
from .strides import Access

Producers = Mapping[str, ACALSimOp]


def viewed(name: str, producers: Producers) -> Iterator[str]:
    """The tensor itself, then the tensor that it is a view of, and so on back to one that is no view."""
    yield name
    while (op := producers.get(name)) is not None and op.op_type is ACALSimOpType.VIEW:
        name = op.inputs[0]
        yield name


def is_view(name: str, producers: Producers, access: Mapping[str, Access]) -> bool:
    """Whether a tensor is computed by a VIEW that copies nothing: it shares its operand's memory."""
    op = producers.get(name)
    return op is not None and op.op_type is ACALSimOpType.VIEW and access[name].storage != name


def is_widening(op: ACALSimOp, ir: ACALSimIR) -> bool:
    """Whether an op only makes float32 of a narrower form, as what reads it may do itself."""
    kind = op.op_type
    return kind is ACALSimOpType.DEQUANTIZE or (
        kind is ACALSimOpType.CAST and ir.tensors[op.inputs[0]].dtype in HALVES
    )


def factor_of(op: ACALSimOp) -> float | None:
    """The number that an op multiplies its one operand with."""
    number = op.attrs.get("other")
    if len(op.inputs) != 1 or not isinstance(number, int | float):
        return None
    if op.op_type is ACALSimOpType.MUL:
        return float(number)
    return 1 / float(number) if op.op_type is ACALSimOpType.DIV and number else None


def source_of(name: str, producers: Producers, access: Mapping[str, Access]) -> str:
    """The tensor whose memory `name` shares through views alone; `name` itself where it is no view."""
    while is_view(name, producers, access):
        name = producers[name].inputs[0]
    return name


def read_once(ir: ACALSimIR) -> frozenset[str]:
    """The parameters that one op reads, once, directly or through movements: their order in memory is its own."""
    source = {name: name for name in ir.tensors}
    reads: Counter[str] = Counter()
    for op in ir.ops:
        if ROWS[op.op_type].movement:
            source[op.outputs[0]] = source[op.inputs[0]]
        else:
            reads.update(source[name] for name in op.inputs)
    reads.update(source[name] for name in ir.outputs)
    return frozenset(name for name in ir.params if reads[name] == 1)
