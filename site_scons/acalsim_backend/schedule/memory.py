# SPDX-License-Identifier: Apache-2.0
"""Pass `memory`: where every storage lies.

Parameters lie in `.weights`, inputs in `.inputs`, outputs in `.outputs`, each kind in a block of its own.
Intermediate tensors share one arena in `.buffers`, whose bytes are used again as lifetimes allow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..alignment import aligned
from ..arena import Lifetime, assign_offsets
from ..errors import PlanError
from ..ir.kernel import Kernel
from ..ir.ops import ROWS
from ..machine.machine import Machine
from .plan import Place, Plan

CODE_RESERVE_BYTES = 0x8000
"""What the RAM check sets aside for code and read-only data; the placement check has the exact figure."""


def memory(plan: Plan) -> Plan:
    """Adds where every storage lies, and the bytes of each section.

    Raises PlanError when the machine's RAM cannot hold them.
    """
    ir, storages = plan.ir, plan.storages
    places = {name: Place(".weights", name, 0, ir.tensors[name].size_bytes) for name in ir.params}
    blocks = {".weights": sum(aligned(place.size_bytes) for place in places.values())}
    for section, names in ((".inputs", ir.inputs), (".outputs", _outputs(plan))):
        symbol, offset = ir.name + section.replace(".", "_"), 0
        for name in names:
            places[name] = Place(section, symbol, offset, storages[name].size_bytes)
            offset += aligned(storages[name].size_bytes)
        blocks[section] = offset
    buffers = _buffers(plan, set(places))
    ends = (place.offset + aligned(place.size_bytes) for place in buffers.values())
    blocks[".buffers"] = max(ends, default=0)
    check_ram(ir.name, plan.target.machine, blocks)
    return replace(plan, places=places | buffers, blocks=blocks)


def _outputs(plan: Plan) -> list[str]:
    """The storages of the output block: the outputs' and, where all is kept, everybody's."""
    outputs = list(dict.fromkeys(plan.access[name].storage for name in plan.ir.outputs))
    if not plan.keep_all:
        return outputs
    given = {*plan.ir.params, *plan.ir.inputs, *outputs}
    return outputs + [name for name in plan.storages if name not in given]


def _buffers(plan: Plan, placed: set[str]) -> dict[str, Place]:
    """Places in the arena for all storages that have none."""
    symbol = f"{plan.ir.name}_buffers"
    arena = lifetimes(plan, placed | plan.only_homes)
    merged = in_place(plan, arena)
    offsets = assign_offsets(merge(arena, merged))
    places = {
        life.name: Place(".buffers", symbol, offsets[merged.get(life.name, life.name)], life.size_bytes)
        for life in arena
    }
    untouched = plan.storages.keys() - placed - places.keys() - plan.only_homes
    return places | {name: Place(".buffers", symbol, 0, 0) for name in plan.storages if name in untouched}


def lifetimes(plan: Plan, placed: Iterable[str] = ()) -> list[Lifetime]:
    """The lifetimes of all storages that need room in the arena, in order of their first step."""
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    uses = dict(zip((kernel.name for kernel in plan.kernels), plan.uses(), strict=True))
    for index, step in enumerate(plan.teams.steps):
        for name in sorted(set().union(*(storages for kernel in step for storages in uses[kernel.name]))):
            first.setdefault(name, index)
            last[name] = index
    placed = set(placed)
    return [
        Lifetime(name, plan.storages[name].size_bytes, first[name], last[name])
        for name in first
        if name not in placed
    ]


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

    Those are operands of which it reads, for each element, nothing but that element.
    """
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


def merge(arena: Iterable[Lifetime], merged: Mapping[str, str]) -> list[Lifetime]:
    """The lifetimes of memory: of each storage together with those that take over from it."""
    found: dict[str, Lifetime] = {}
    for life in arena:
        root = merged.get(life.name, life.name)
        before = found.get(root)
        first, last = (
            (min(before.first, life.first), max(before.last, life.last))
            if before
            else (life.first, life.last)
        )
        found[root] = Lifetime(root, life.size_bytes, first, last)
    return list(found.values())


def check_ram(graph: str, machine: Machine, blocks: Mapping[str, int]) -> None:
    needed = sum(blocks.values()) + machine.stack_bytes + CODE_RESERVE_BYTES
    if needed > machine.ram.size_bytes:
        parts = ", ".join(f"{section} {size:#x}" for section, size in blocks.items())
        raise PlanError(
            f"{graph} needs {needed:#x} bytes of RAM ({parts}, stack {machine.stack_bytes:#x}, code about "
            f"{CODE_RESERVE_BYTES:#x}); machine '{machine.name}' has {machine.ram.size_bytes:#x}"
        )
