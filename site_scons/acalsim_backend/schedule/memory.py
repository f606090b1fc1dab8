# SPDX-License-Identifier: Apache-2.0
"""IR and machine in, Plan out: where every storage lies, and what the later rooms need to know of it.

Parameters lie in `.weights`, inputs in `.inputs`, outputs in `.outputs`, each kind in a block of its
own; intermediates share one arena in `.buffers`, reused as lifetimes allow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..alignment import aligned
from ..errors import PlanError
from ..ir.graph import ACALSimIR
from ..ir.kernel import Kernel
from ..machine.file import Machine
from ..offload.decide import Target
from ..offload.product import PRODUCTS
from ..offload.tiling_file import Choices
from ..offload.timer import ListTimer
from .schedule import Schedule, make_schedule

CODE_RESERVE_BYTES = 0x8000
"""What the RAM check sets aside for code and read-only data; the placement check has the exact figure."""


@dataclass(frozen=True)
class Place:
    """`size_bytes` at byte `offset` of the C object `symbol`, which lies in ELF section `section`."""

    section: str
    symbol: str
    offset: int
    size_bytes: int


@dataclass(frozen=True)
class Lifetime:
    """A buffer that must exist from step `first`'s start to step `last`'s end, both included."""

    name: str
    size_bytes: int
    first: int
    last: int

    def overlaps(self, other: Lifetime) -> bool:
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Plan:
    """Where each storage of a schedule lies; `blocks` has the bytes of each section."""

    schedule: Schedule
    places: Mapping[str, Place]
    blocks: Mapping[str, int]

    def place(self, tensor: str) -> Place:
        """Of an input, an output or a parameter: they fill their storages."""
        return self.places[self.schedule.access[tensor].storage]


def make_plan(
    ir: ACALSimIR,
    machine: Machine,
    keep_all: bool = False,
    timer: ListTimer | None = None,
    choices: Choices | None = None,
) -> Plan:
    """Schedule the graph and place every storage. With `keep_all` every op's result is an output.
    `timer` times tilings for a compute device, without which there is none; `choices` are the user's of these.

    Raises PlanError when the machine's RAM can't hold them, and for choices of ops that there are not.
    """
    schedule = make_schedule(ir, Target(machine, timer, choices), keep_all)
    missing = (choices or {}).keys() - {kernel.name for kernel in schedule.kernels}
    if missing:
        names = ", ".join(kernel.name for kernel in schedule.kernels if kernel.anchor.op_type in PRODUCTS)
        raise PlanError(
            f"the tiling file names op '{min(missing)}', which is none of this model's; its products are {names}"
        )
    storages = schedule.storages
    outputs = list(dict.fromkeys(schedule.access[name].storage for name in ir.outputs))
    if keep_all:
        given = {*ir.params, *ir.inputs}
        outputs += [name for name in storages if name not in given and name not in outputs]
    places = {name: Place(".weights", name, 0, ir.tensors[name].size_bytes) for name in ir.params}
    blocks = {".weights": sum(aligned(place.size_bytes) for place in places.values())}
    for section, names in ((".inputs", ir.inputs), (".outputs", outputs)):
        offset = 0
        for name in names:
            places[name] = Place(
                section, ir.name + section.replace(".", "_"), offset, storages[name].size_bytes
            )
            offset += aligned(storages[name].size_bytes)
        blocks[section] = offset
    arena = lifetimes(schedule, set(places))
    merged = in_place(schedule, arena)
    offsets = assign_offsets(merge(arena, merged))
    for life in arena:
        places[life.name] = Place(
            ".buffers", f"{ir.name}_buffers", offsets[merged.get(life.name, life.name)], life.size_bytes
        )
    for name in storages:  # empty tensors that no kernel touches
        places.setdefault(name, Place(".buffers", f"{ir.name}_buffers", 0, 0))
    ends = (
        place.offset + aligned(place.size_bytes) for place in places.values() if place.section == ".buffers"
    )
    blocks[".buffers"] = max(ends, default=0)
    check_ram(ir.name, machine, blocks)
    return Plan(schedule, places, blocks)


def lifetimes(schedule: Schedule, placed: Iterable[str] = ()) -> list[Lifetime]:
    """The lifetimes of all storages that need room in the arena, in order of their first step."""
    first, last = {}, {}
    uses = dict(zip((kernel.name for kernel in schedule.kernels), schedule.uses(), strict=True))
    for index, step in enumerate(schedule.spread.steps):
        for name in sorted(set().union(*(storages for kernel in step for storages in uses[kernel.name]))):
            first.setdefault(name, index)
            last[name] = index
    placed = set(placed)
    return [
        Lifetime(name, schedule.storages[name].size_bytes, first[name], last[name])
        for name in first
        if name not in placed
    ]


def in_place(schedule: Schedule, arena: Iterable[Lifetime]) -> dict[str, str]:
    """For each storage that can be the memory of one that dies where it is born: that one.

    A kernel that reads nothing but the element at hand may write its result over an operand, if both
    are dense and their elements have the same size.
    """
    lives = {life.name: life for life in arena}
    merged: dict[str, str] = {}
    for index, kernel in enumerate(step[0] for step in schedule.spread.steps):
        for result in kernel.results:
            storage = schedule.access[result].storage
            if storage != result or storage not in lives or lives[storage].first != index:
                continue
            for name in over(schedule, kernel):
                access = schedule.access[name]
                source = lives.get(access.storage)
                if (
                    source
                    and source.last == index
                    and source.name not in merged.values()
                    and _same_elements(schedule, result, name)
                ):
                    merged[storage] = source.name
                    break
    return {name: _root(merged, name) for name in merged}


def _root(merged: Mapping[str, str], name: str) -> str:
    while name in merged:
        name = merged[name]
    return name


def over(schedule: Schedule, kernel: Kernel) -> list[str]:
    """The operands over which a kernel may write: all that it touches is the element that it computes."""
    if not kernel.is_pointwise or any(
        op.op_type.name in ("GATHER", "EMBEDDING", "INDEX", "INDEX_SELECT") for op in kernel.ops
    ):
        return []
    reads = [name for name in kernel.read if name in schedule.access]
    dense = {name for name in reads if _fills(schedule, name, kernel)}
    return [
        name
        for name in reads
        if name in dense
        and all(
            other in dense
            for other in reads
            if schedule.access[other].storage == schedule.access[name].storage
        )
    ]


def _fills(schedule: Schedule, name: str, kernel: Kernel) -> bool:
    """Whether a tensor is all of its storage, in the order of the kernel's elements."""
    access, storage = schedule.access[name], schedule.storages.get(schedule.access[name].storage)
    elements = math.prod(schedule.ir.tensors[kernel.anchor.outputs[0]].shape)
    return (
        storage is not None
        and access.is_dense
        and access.offset == 0
        and storage.elements == elements == math.prod(access.shape)
    )


def _same_elements(schedule: Schedule, result: str, name: str) -> bool:
    one, other = (
        schedule.storages[schedule.access[result].storage],
        schedule.storages[schedule.access[name].storage],
    )
    return (
        schedule.access[result].is_dense
        and one.size_bytes == other.size_bytes
        and one.elements == other.elements
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


def assign_offsets(buffers: Iterable[Lifetime]) -> dict[str, int]:
    """An offset for each buffer such that no two live at once share a byte: largest first, lowest gap.

    Greedy by size, as in Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net
    Inference", 2020.
    """
    placed: list[tuple[int, Lifetime]] = []
    for buffer in sorted(buffers, key=lambda life: (-life.size_bytes, life.first, life.name)):
        offset = 0
        for start, other in sorted(
            (item for item in placed if item[1].overlaps(buffer)), key=lambda item: item[0]
        ):
            if offset + aligned(buffer.size_bytes) <= start:
                break
            offset = max(offset, start + aligned(other.size_bytes))
        placed.append((offset, buffer))
    return {buffer.name: offset for offset, buffer in placed}


def least_bytes(buffers: Iterable[Lifetime]) -> int:
    """No plan can do with less: the largest sum of the sizes that live at once."""
    buffers = list(buffers)
    return max(
        (sum(aligned(b.size_bytes) for b in buffers if b.first <= each.first <= b.last) for each in buffers),
        default=0,
    )


def check_ram(graph: str, machine: Machine, blocks: Mapping[str, int]) -> None:
    needed = sum(blocks.values()) + machine.stack_bytes + CODE_RESERVE_BYTES
    if needed > machine.ram.size_bytes:
        parts = ", ".join(f"{section} {size:#x}" for section, size in blocks.items())
        raise PlanError(
            f"{graph} needs {needed:#x} bytes of RAM ({parts}, stack {machine.stack_bytes:#x}, code about "
            f"{CODE_RESERVE_BYTES:#x}); machine '{machine.name}' has {machine.ram.size_bytes:#x}"
        )
