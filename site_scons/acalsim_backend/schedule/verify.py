# SPDX-License-Identifier: Apache-2.0
"""What must hold behind each pass: PlanError names what does not."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator

from ..alignment import ALIGNMENT, aligned
from ..errors import PlanError
from ..ir.graph import ITEM_BYTES
from ..ir.kernel import Kernel
from ..ir.ops import ROWS
from ..ir.strides import Access
from ..offload.command import Command
from ..offload.decide import Offloaded
from ..offload.run import Run
from .carried import takes_over
from .in_place import in_place
from .memory import lifetimes
from .plan import Place, Plan


def graph_is_whole(plan: Plan) -> None:
    """Every tensor that an op or the outputs need is given or computed before."""
    known = {*plan.ir.inputs, *plan.ir.params}
    for op in plan.ir.ops:
        for name in op.inputs:
            if name not in known:
                raise PlanError(f"op '{op.name}' reads '{name}', which nothing has computed before it")
        known.update(op.outputs)
    for name in plan.ir.outputs:
        if name not in known:
            raise PlanError(f"output '{name}' is computed by no op")


def kernels_compute_every_op_once(plan: Plan) -> None:
    """Every op is in one kernel, or is a view; a kernel reads what is given or what earlier ones leave."""
    count = Counter(op.name for kernel in plan.kernels for op in kernel.ops)
    for op in plan.ir.ops:
        is_view = ROWS[op.op_type].movement and plan.access[op.outputs[0]].storage != op.outputs[0]
        if count[op.name] != (0 if is_view else 1):
            raise PlanError(f"op '{op.name}' is in {count[op.name]} kernels; every op but a view is in one")
    written = {*plan.ir.inputs, *plan.ir.params}
    for kernel in plan.kernels:
        inside = kernel.written
        for name in kernel.read:
            storage = plan.access[name].storage
            if storage not in written | inside:
                raise PlanError(f"kernel '{kernel.name}' reads '{name}' before '{storage}' is in memory")
        written.update(kernel.results)
    for name in plan.ir.outputs:
        if plan.access[name].storage not in written:
            raise PlanError(f"output '{name}' is left in memory by no kernel")


def accesses_stay_inside(plan: Plan) -> None:
    """No access leaves its storage, and every storage that is not given is written wholly."""
    for name, access in plan.access.items():
        storage = plan.storages.get(access.storage)
        if storage is None:
            continue
        first, last = _extent(access)
        if last >= first and not 0 <= first <= last < storage.elements:
            raise PlanError(
                f"tensor '{name}' takes elements {first} to {last} of '{storage.name}', "
                f"which has {storage.elements}"
            )
    covered: Counter[str] = Counter()
    for kernel in plan.kernels:
        for name in kernel.results:
            covered[plan.access[name].storage] += math.prod(plan.access[name].shape)
    for name, storage in plan.storages.items():
        if not (storage.is_input or storage.is_param) and covered[name] < storage.elements:
            raise PlanError(
                f"storage '{name}' has {storage.elements} elements, of which kernels write {covered[name]}"
            )


def _extent(access: Access) -> tuple[int, int]:
    """The first and the last element that an access takes; the last is before the first if there is none."""
    if 0 in access.shape:
        return 0, -1
    spans = [(size - 1) * step for size, step in zip(access.shape, access.strides, strict=True)]
    first = access.offset + sum(span for span in spans if span < 0)
    return first, access.offset + sum(span for span in spans if span > 0)


def steps_follow_the_data(plan: Plan) -> None:
    """Every kernel is in one step, behind those that it reads from; devices store all of their results."""
    uses = {kernel.name: use for kernel, use in zip(plan.kernels, plan.uses(), strict=True)}
    if sorted(kernel.name for step in plan.teams.steps for kernel in step) != sorted(uses):
        raise PlanError("the steps do not have every kernel once")
    written = {name for name, desc in plan.storages.items() if desc.is_input or desc.is_param}
    for step in plan.teams.steps:
        for kernel in step:
            reads, writes = uses[kernel.name]
            missing = {name for name in reads - writes if plan.storages[name].elements} - written
            if missing:
                raise PlanError(f"kernel '{kernel.name}' reads '{min(missing)}' before it is written")
        written.update(*(uses[kernel.name][1] for kernel in step))
    for kernel in plan.kernels:
        if kernel.device:
            _stores_cover(plan, kernel, plan.offloaded[kernel.name])
    for run in plan.runs:
        saved = [
            each.dram.storage
            for each in _commands(plan, run)
            if each.dram and each.dram.in_ram and each.code == "COMMAND_SAVE"
        ]
        if sorted(saved) != sorted(run.kept):
            raise PlanError(f"a run keeps {sorted(run.kept)} in RAM; it saves {sorted(saved)}")


def _commands(plan: Plan, run: Run) -> Iterator[Command]:
    return (each for name in run.kernels for _, mine in plan.offloaded[name].lists for each in mine)


def _stores_cover(plan: Plan, kernel: Kernel, offloaded: Offloaded) -> None:
    stored: Counter[str] = Counter()
    for command in (each for _, commands in offloaded.lists for each in commands):
        if command.code in ("COMMAND_STORE", "COMMAND_SAVE") and command.dram:
            size = math.prod(int(command.fields[name]) for name in ("planes", "rows", "row_bytes"))
            stored[command.dram.storage] += size
    expected: Counter[str] = Counter()
    for storage, size in _saved(plan, kernel):
        expected[storage] += size
    homes = plan.homes_of(kernel.name)
    stays = homes.keys() if offloaded.product and offloaded.tiling is None else _kept(plan)
    for storage in (expected.keys() | stored.keys()) - stays:
        # Blocks of what is pooled overlap: some of it is written twice.
        if stored[storage] < expected[storage] or not expected[storage]:
            raise PlanError(
                f"kernel '{kernel.name}' has {expected[storage]} bytes of results in '{storage}'; "
                f"its STOREs write {stored[storage]}"
            )


def runs_are_whole(plan: Plan) -> None:
    """Every command of a run's kernels is in its list once."""
    for run in plan.runs:
        made = Counter(each.code for each in _commands(plan, run))
        listed = Counter(each.code for each in run.commands if each.code != "COMMAND_OP")
        if made != listed:
            raise PlanError(
                f"the list of '{run.kernels[0]}' has {dict(listed)}; its kernels have {dict(made)}"
            )


def _kept(plan: Plan) -> set[str]:
    """What lies in the scratchpad and is brought to RAM as a whole, besides."""
    return {name for run in plan.runs for name in run.kept}


def _saved(plan: Plan, kernel: Kernel) -> Iterator[tuple[str, int]]:
    """(storage, bytes) of what a kernel brings to RAM: results, or those parts of them that are not there yet.

    STOREs bring a product's results even to where they stay in the scratchpad.
    """
    homes = plan.homes_of(kernel.name)
    own = plan.offloaded[kernel.name]
    stays = homes if own.product and own.tiling is None else {}
    if kernel.name not in plan.parts:
        for name in kernel.results:
            if plan.access[name].storage not in stays:
                yield plan.access[name].storage, plan.ir.tensors[name].size_bytes
    for part in plan.parts.get(kernel.name, ()):
        for walk, elements in part.written():
            if walk.storage not in homes:
                yield walk.storage, elements * ITEM_BYTES[walk.dtype]


def nothing_live_overlaps(plan: Plan) -> None:
    """No two storages that live at once share a byte, and each lies in its section's block."""
    by_symbol: dict[str, list[tuple[str, Place]]] = defaultdict(list)
    for name, place in plan.places.items():
        block = plan.blocks[place.section]
        if place.offset % ALIGNMENT or place.offset + aligned(place.size_bytes) > block:
            raise PlanError(
                f"storage '{name}' takes {place.size_bytes} bytes at {place.offset} "
                f"of {place.section}, which has {block}"
            )
        by_symbol[place.symbol].append((name, place))
    lives = {life.name: life for life in lifetimes(plan)}
    arena = [
        life
        for life in lives.values()
        if life.name in plan.places and plan.places[life.name].section == ".buffers"
    ]
    follower = {**in_place(plan, arena), **takes_over(plan)}
    for one, other in _sharing(by_symbol):
        follows = follower.get(one, one) == follower.get(other, other)
        if one in lives and other in lives and lives[one].overlaps(lives[other]) and not follows:
            raise PlanError(f"storages '{one}' and '{other}' live at once and share memory")


def _sharing(by_symbol: dict[str, list[tuple[str, Place]]]) -> Iterator[tuple[str, str]]:
    """Pairs of storages that share a byte."""
    for places in by_symbol.values():
        ordered = sorted(places, key=lambda each: each[1].offset)
        for index, (one, place) in enumerate(ordered):
            for other, next_place in ordered[index + 1 :]:
                if next_place.offset >= place.offset + place.size_bytes:
                    break
                if next_place.size_bytes:
                    yield one, other
