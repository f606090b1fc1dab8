# SPDX-License-Identifier: Apache-2.0
"""Kernels that write their results over an operand."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from ..arena import Lifetime
from ..ir.kernel import Kernel
from ..ir.ops import ROWS
from .plan import Plan


def in_place(plan: Plan, arena: Iterable[Lifetime]) -> dict[str, str]:
    """For each storage that can be the memory of one that dies where it is born: that one.

    A kernel that reads nothing but the element at hand may write its result over an operand, if both
    are dense and their elements have the same size.
    """
    lives = {life.name: life for life in arena}
    merged: dict[str, str] = {}
    for index, kernel in enumerate(step[0] for step in plan.teams.steps):
        for result in kernel.results:
            storage = plan.access[result].storage
            if storage != result or storage not in lives or lives[storage].first != index:
                continue
            for name in over(plan, kernel):
                access = plan.access[name]
                source = lives.get(access.storage)
                if (
                    source
                    and source.last == index
                    and source.name not in merged.values()
                    and _same_elements(plan, result, name)
                ):
                    merged[storage] = source.name
                    break
    return {name: _root(merged, name) for name in merged}


def _root(merged: Mapping[str, str], name: str) -> str:
    while name in merged:
        name = merged[name]
    return name


def over(plan: Plan, kernel: Kernel) -> list[str]:
    """The operands whose memory a kernel may write its result to.

    Those are operands of which it reads, for each element, nothing but that element; and the one that a
    scatter leaves as it is but for some elements.
    """
    if kernel.row.overwrites and len(kernel.ops) == 1 and not kernel.device:
        base, *others = kernel.anchor.inputs
        storage = plan.access[base].storage
        alone = all(plan.access[name].storage != storage for name in others)
        return [base] if alone and _fills(plan, base, kernel) else []
    if not kernel.is_pointwise or any(ROWS[op.op_type].lookup for op in kernel.ops):
        return []
    reads = [name for name in kernel.read if name in plan.access]
    dense = {name for name in reads if _fills(plan, name, kernel)}
    return [
        name
        for name in reads
        if name in dense
        and all(other in dense for other in reads if plan.access[other].storage == plan.access[name].storage)
    ]


def _fills(plan: Plan, name: str, kernel: Kernel) -> bool:
    """Whether a tensor is all of its storage, in the order of the kernel's elements."""
    access, storage = plan.access[name], plan.storages.get(plan.access[name].storage)
    elements = math.prod(plan.ir.tensors[kernel.anchor.outputs[0]].shape)
    return (
        storage is not None
        and access.is_dense
        and access.offset == 0
        and storage.elements == elements == math.prod(access.shape)
    )


def _same_elements(plan: Plan, result: str, name: str) -> bool:
    one, other = (
        plan.storages[plan.access[result].storage],
        plan.storages[plan.access[name].storage],
    )
    return (
        plan.access[result].is_dense and one.size_bytes == other.size_bytes and one.elements == other.elements
    )
