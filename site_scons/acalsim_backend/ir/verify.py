# SPDX-License-Identifier: Apache-2.0
"""A graph in, the same graph out if it is well-formed: names, tensors, ops and outputs; else an IRError."""

from __future__ import annotations

import re
from collections import Counter

from ..errors import IRError
from .graph import ITEM_BYTES, ACALSimIR, ACALSimOp, TensorDesc
from .ops import ROWS


def verify(ir: ACALSimIR) -> ACALSimIR:
    """Return the graph itself if it is well-formed; raise IRError naming the op or tensor if it is not."""
    written = {name for name, desc in ir.tensors.items() if desc.is_input or desc.is_param}
    _verify_names(ir)
    for desc in ir.tensors.values():
        _verify_tensor(ir.name, desc)
    for op in ir.ops:
        _verify_op(ir, op, written)
        written.update(op.outputs)
    _verify_outputs(ir, written)
    _verify_loop(ir)
    return ir


def _verify_names(ir: ACALSimIR) -> None:
    """Names become C identifiers. An op's name is also its function's and its row's in the report."""
    names = [op.name for op in ir.ops]
    for kind, name in (
        ("graph", ir.name),
        *(("tensor", name) for name in ir.tensors),
        *(("op", name) for name in names),
    ):
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            raise IRError(f"{ir.name}: {kind} name {name!r} is not a C identifier")
    for name, count in Counter(names).items():
        if count > 1:
            raise IRError(f"{ir.name}: {count} ops are named '{name}'")


def _verify_outputs(ir: ACALSimIR, written: set[str]) -> None:
    for name in ir.outputs:
        if name not in written or not ir.tensors[name].is_output:
            raise IRError(f"{ir.name}: output '{name}' is not produced, or not marked [output]")
        if ir.tensors[name].is_input or ir.tensors[name].is_param:
            raise IRError(
                f"{ir.name}: output '{name}' is an input or a parameter; outputs are copies of those"
            )
    for name, desc in ir.tensors.items():
        if desc.is_output and name not in ir.outputs:
            raise IRError(f"{ir.name}: tensor '{name}' is marked [output], but the outputs are {ir.outputs}")


def _verify_loop(ir: ACALSimIR) -> None:
    """What goes round a loop has one shape and dtype, begins before the loop, and follows from it."""
    inside = ir.in_loop()
    for each in ir.loop.carried if ir.loop else ():
        names = (each.first, each.entry, each.last)
        kinds = {(ir.tensors[name].shape, ir.tensors[name].dtype) for name in names if name in ir.tensors}
        if len(kinds) != 1 or not {*names} <= ir.tensors.keys():
            raise IRError(f"{ir.name}: {', '.join(names)} go round the loop, and are not alike")
        if (
            not ir.tensors[each.entry].is_input
            or not {each.first, each.last} <= {*ir.outputs}
            or each.first in inside
            or each.last not in inside
        ):
            raise IRError(
                f"{ir.name}: {each.entry} goes round the loop; it is an input, and an output before and in the loop follow it"
            )


def _verify_tensor(graph: str, desc: TensorDesc) -> None:
    if desc.dtype not in ITEM_BYTES:
        raise IRError(
            f"{graph}: tensor '{desc.name}' has dtype {desc.dtype}; known are {', '.join(ITEM_BYTES)}"
        )
    if any(size < 0 for size in desc.shape):
        raise IRError(f"{graph}: tensor '{desc.name}' has shape {desc.shape}; sizes are not negative")


def _verify_op(ir: ACALSimIR, op: ACALSimOp, written: set[str]) -> None:
    for name in op.inputs:
        if name not in written:
            raise IRError(f"{ir.name}: op '{op.name}' reads '{name}', which nothing has written before it")
    for name in op.outputs:
        if name not in ir.tensors:
            raise IRError(f"{ir.name}: op '{op.name}' writes '{name}', which is not declared")
        if name in written:
            raise IRError(f"{ir.name}: op '{op.name}' writes '{name}', which is written already")
    ROWS[op.op_type].verify(ir, op)
