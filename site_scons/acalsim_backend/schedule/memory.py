# SPDX-License-Identifier: Apache-2.0
"""Pass `memory`: where every storage lies.

Parameters lie in `.weights`, inputs in `.inputs`, outputs in `.outputs`, each kind in a block of its own.
Intermediate tensors share one arena in `.buffers`, whose bytes are used again as lifetimes allow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..alignment import aligned
from ..arena import Lifetime, assign_offsets
from ..errors import UnfitError
from ..machine.board import DEVICE_TREE_BYTES, DEVICE_TREE_END
from ..machine.commands import COMMAND_BYTES
from ..machine.machine import Machine
from .carried import takes_over
from .in_place import in_place
from .plan import Place, Plan

CODE_RESERVE_BYTES = 0x8000
"""What the RAM check sets aside for code and read-only data; the placement check has the exact figure."""


def memory(plan: Plan) -> Plan:
    """Adds where every storage lies, and the bytes of each section.

    Raises UnfitError when the machine's RAM cannot hold them.
    """
    ir, storages = plan.ir, plan.storages
    places = {name: Place(".weights", name, 0, ir.tensors[name].size_bytes) for name in ir.params}
    blocks = {".weights": sum(aligned(place.size_bytes) for place in places.values())}
    for section, names in ((".inputs", ir.arguments), (".outputs", _outputs(plan))):
        symbol, offset = ir.name + section.replace(".", "_"), 0
        for name in names:
            places[name] = Place(section, symbol, offset, storages[name].size_bytes)
            offset += aligned(storages[name].size_bytes)
        blocks[section] = offset
    times = None
    if ir.loop:
        times = Place(".outputs", f"{ir.name}_outputs", blocks[".outputs"], 8 * (1 + ir.loop.rounds))
        blocks[".outputs"] += aligned(times.size_bytes)
    elsewhere = takes_over(plan)
    buffers = _buffers(plan, {*places, *elsewhere})
    ends = (place.offset + aligned(place.size_bytes) for place in buffers.values())
    blocks[".buffers"] = max(ends, default=0)
    check_ram(ir.name, plan.target.machine, blocks)
    places |= buffers
    places |= {name: places[root] for name, root in elsewhere.items()}
    return replace(plan, places=places, blocks=blocks, times=times)


def list_bytes(plan: Plan) -> int:
    """Of the command lists, which lie with the code."""
    return COMMAND_BYTES * sum(len(mine) for each in plan.offloaded.values() for _, mine in each.lists)


def high_weights(plan: Plan) -> int | None:
    """Where `.weights` begins if the program does not fit below the board's device tree: behind that.

    A sixteenth of the room below is kept free for code, whose size is known only to the compiler.
    Raises UnfitError where RAM behind it is too small for them.
    """
    machine = plan.target.machine
    room = DEVICE_TREE_END - DEVICE_TREE_BYTES - machine.ram.origin
    needed = sum(plan.blocks.values()) + machine.stack_bytes + list_bytes(plan)
    if machine.ram.end <= DEVICE_TREE_END or needed <= room - room // 16:
        return None
    weights = plan.blocks[".weights"]
    if weights > machine.ram.end - DEVICE_TREE_END:
        raise UnfitError(
            f"{plan.ir.name} needs {needed:#x} bytes of RAM, more than there are below the device tree of QEMU's "
            f"board, which ends at {DEVICE_TREE_END:#x}; its {weights:#x} bytes of parameters would lie behind that, with "
            f"ram.size_bytes = {DEVICE_TREE_END - machine.ram.origin + aligned(weights):#x} on machine '{machine.name}'"
        )
    return DEVICE_TREE_END


def _outputs(plan: Plan) -> list[str]:
    """The storages of the output block: the outputs' and, where all is kept, everybody's."""
    elsewhere = takes_over(plan)
    outputs = [
        name
        for name in dict.fromkeys(plan.access[name].storage for name in plan.ir.outputs)
        if name not in elsewhere
    ]
    if not plan.keep_all:
        return outputs
    given = {*plan.ir.params, *plan.ir.inputs, *outputs, *elsewhere}
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
    if plan.ir.loop and plan.loop_step is not None:
        end = len(plan.teams.steps) - 1
        for name in first:
            if first[name] < plan.loop_step <= last[name]:  # the next round reads it again
                last[name] = end
        for each in plan.ir.loop.carried:  # what comes before it may be in its memory
            first[each.entry], last[each.entry] = 0, end
    placed = set(placed)
    return [
        Lifetime(name, plan.storages[name].size_bytes, first[name], last[name])
        for name in first
        if name not in placed
    ]


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
        raise UnfitError(
            f"{graph} needs {needed:#x} bytes of RAM ({parts}, stack {machine.stack_bytes:#x}, code about "
            f"{CODE_RESERVE_BYTES:#x}); machine '{machine.name}' has {machine.ram.size_bytes:#x}"
        )
