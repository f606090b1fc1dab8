# SPDX-License-Identifier: Apache-2.0
"""Kernels of ops that a rule of the user's has taken, whose own C drives a device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType
from ..ir.kernel import Kernel
from ..ir.ops import ROWS
from ..ir.strides import Access
from ..offload.product import PRODUCTS
from ..rules.claim import Claim, seen

Copy = Callable[[ACALSimOp, int, ACALSimOpType, dict[str, Any], tuple[int, ...]], ACALSimOp]
"""An op, and the number of an operand; the op that reads a copy of it instead."""


def driven(
    claim: Claim, ir: ACALSimIR, access: Mapping[str, Access], copy: Copy
) -> tuple[Kernel, list[ACALSimOp]]:
    """The kernel of a claim, and its ops and views in order, which read copies where the rule asks for them."""
    taken = _handed(claim, ir, access, copy)
    ops = tuple(taken.values())
    main = _main(ops)
    kernel = Kernel(ops[main], ops[:main], ops[main + 1 :], reason=claim.reason, driven=claim.device)
    return kernel, [taken.get(op.name, op) for op in claim.chain.span]


def can_drive(claim: Claim, ir: ACALSimIR, ops: Sequence[ACALSimOp], access: Mapping[str, Access]) -> bool:
    """Whether the rule's ops may find their operands, and leave their result, as the accesses say."""
    inside = claim.chain.inside
    touched = [name for op in ops for name in op.inputs if name not in inside] + [*ops[-1].outputs]
    if all(access[name].is_dense for name in touched):
        return True
    return claim.by.rule.strided and claim.by.takes(seen(ir, tuple(ops), inside, access))


def _handed(claim: Claim, ir: ACALSimIR, access: Mapping[str, Access], copy: Copy) -> dict[str, ACALSimOp]:
    """The ops of a claim by name; what lies as the rule does not take it, they read from a dense copy."""
    ops = {op.name: op for op in claim.chain.ops}
    if can_drive(claim, ir, claim.chain.ops, access):
        return ops
    for op in claim.chain.ops:
        for index, name in enumerate(op.inputs):
            if name not in claim.chain.inside and not access[name].is_dense:
                ops[op.name] = copy(ops[op.name], index, ACALSimOpType.COPY, {}, ir.tensors[name].shape)
    return ops


def _main(ops: Sequence[ACALSimOp]) -> int:
    """Which of the ops stands for all: the first product, else the first that is not pointwise."""
    ranks = [(op.op_type not in PRODUCTS, ROWS[op.op_type].is_elementwise) for op in ops]
    return ranks.index(min(ranks))
