# SPDX-License-Identifier: Apache-2.0
"""A plan as the rows of its files: plan.json for all later rooms, kept.json for the search of a wrong op."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate

from ..alignment import ALIGNMENT
from ..ir.graph import ITEM_BYTES, ACALSimIR, ACALSimOp
from ..ir.kernel import Kernel
from ..ir.ops import ROWS
from ..machine.machine import Machine
from ..offload.operand import Matrix
from .carried import takes_over
from .demand import Demands
from .kept_file import KeptFile, KeptRow
from .memory import lifetimes
from .plan import Plan
from .plan_file import (
    BufferRow,
    ElfRow,
    FusedRow,
    LoopRow,
    OpRow,
    PackedRow,
    PlanFile,
    SymbolRow,
    TensorRow,
    WeightRow,
    WindowRow,
)


def plan_file(ir: ACALSimIR, plan: Plan, machine: Machine) -> PlanFile:
    """What the later rooms are told of a plan."""
    demands = Demands(ir, plan)
    return PlanFile(
        graph=ir.name,
        elf=ElfRow(64, "double", True),
        stack_bytes=machine.stack_bytes,
        vector_bytes=machine.cpu.vlen // 8,
        symbols=_symbols(plan),
        windows=tuple(WindowRow(each.name, each.base, each.size_bytes) for each in machine.devices),
        ops=tuple(
            replace(_op_row(ir, plan, demands, index, kernel), needs=needs)
            for index, (kernel, needs) in enumerate(zip(plan.kernels, _needs(plan), strict=True))
        ),
        inputs=tuple(_tensor_row(plan, name) for name in ir.arguments),
        outputs=tuple(_tensor_row(plan, name) for name in ir.results),
        sections=dict(plan.blocks),
        weights=tuple(_weight_row(ir, plan, name) for name in ir.params),
        demand=demands.whole(),
        buffers=_buffers(plan),
        loop=_loop_row(plan),
    )


def kept_file(plan: Plan) -> KeptFile:
    """Where each op of a plan made with `keep_all` left its result."""
    return KeptFile(
        tuple(
            _kept_row(plan, kernel, op)
            for kernel in plan.kernels
            for op in kernel.ops
            if op.outputs[0] in kernel.results
        )
    )


def _kept_row(plan: Plan, kernel: Kernel, op: ACALSimOp) -> KeptRow:
    name = op.outputs[0]
    access = plan.access[name]
    desc, place = plan.ir.tensors[name], plan.places[access.storage]
    return KeptRow(
        tensor=name,
        op=op.name,
        type=op.op_type.name,
        source=op.source,
        aten=tuple(op.aten),
        symbol=f"op_{kernel.name}",
        dtype=desc.dtype,
        shape=tuple(desc.shape),
        strides=tuple(access.strides),
        offset=place.offset + access.offset * ITEM_BYTES[desc.dtype],
    )


def _loop_row(plan: Plan) -> LoopRow | None:
    if plan.ir.loop is None or plan.times is None or plan.loop_start is None:
        return None
    same = {**takes_over(plan), **{each.entry: each.entry for each in plan.ir.loop.carried}}
    read = [
        plan.storages[name].size_bytes
        for reads, _ in plan.uses()[plan.loop_start :]
        for name in reads
        if name in same
    ]
    return LoopRow(plan.ir.loop.rounds, plan.loop_start, plan.times.symbol, plan.times.offset, sum(read))


def _symbols(plan: Plan) -> tuple[SymbolRow, ...]:
    own = [(p.symbol, p.section, p.size_bytes) for p in plan.places.values() if p.section == ".weights"]
    shared = {p.symbol: p.section for p in plan.places.values() if p.section != ".weights"}
    rows = own + [(symbol, section, plan.blocks[section]) for symbol, section in shared.items()]
    return tuple(SymbolRow(symbol, section, size, ALIGNMENT) for symbol, section, size in rows if size)


def _op_row(ir: ACALSimIR, plan: Plan, demands: Demands, index: int, kernel: Kernel) -> OpRow:
    op, offloaded = kernel.anchor, plan.offloaded.get(kernel.name)
    inside = {each.name for each in kernel.ops}
    run = next((run.kernels for run in plan.runs if kernel.name in run.kernels), (op.name,))
    rounds, cycles = (
        plan.rounds[kernel.name],
        offloaded.cycles if offloaded else plan.claims.cycles(kernel.name),
    )
    macs = sum(ROWS[each.op_type].count_macs(ir, each) for each in ir.ops if each.name in inside)
    return OpRow(
        index=index,
        name=op.name,
        symbol=f"op_{run[0]}",
        place_in_run=run.index(op.name) + 1 if len(run) > 1 else None,
        type=op.op_type.name,
        placed_on=offloaded.placed_on if offloaded else kernel.driven or "cpu",
        wait_symbol=f"op_{op.name}_wait" if op.name in plan.teams.side_by_side else None,
        reason="; ".join(filter(None, (plan.claims.lost.get(kernel.name), kernel.reason))),
        tiling=offloaded.tiling if offloaded else None,
        device_cycles=None if cycles is None else rounds * cycles,
        macs=rounds * macs,
        source=op.source,
        aten=tuple(op.aten),
        fused=tuple(_fused_row(each) for each in kernel.ops if each is not op),
        demand=demands.of(kernel) * rounds,
        rounds=rounds,
    )


def _needs(plan: Plan) -> Iterator[tuple[str, ...]]:
    """For each kernel those whose results it reads, also through views and copies that nobody computes."""
    written_by = {name: kernel.name for kernel in plan.kernels for name in kernel.written}
    for kernel in plan.kernels:
        found: dict[str, None] = {}
        left = kernel.read[::-1]
        while left:
            name = left.pop()
            if name in found:
                continue
            found[name] = None
            if name not in written_by and name in plan.producer:
                left.extend(plan.producer[name].inputs)
        writers = dict.fromkeys(written_by[name] for name in found if name in written_by)
        yield tuple(name for name in writers if name != kernel.name)


def _buffers(plan: Plan) -> tuple[BufferRow, ...]:
    """What lies in the arena. The ops of a step run at the same time: a buffer lives from its first op to its last."""
    ends = list(accumulate(len(step) for step in plan.teams.steps))
    placed = {name for name, place in plan.places.items() if place.section != ".buffers"} | plan.only_homes
    return tuple(
        BufferRow(
            name=life.name,
            offset=plan.places[life.name].offset,
            size_bytes=life.size_bytes,
            first=ends[life.first] - len(plan.teams.steps[life.first]),
            last=ends[life.last] - 1,
        )
        for life in lifetimes(plan, placed)
    )


def _fused_row(op: ACALSimOp) -> FusedRow:
    return FusedRow(op.name, op.op_type.name, op.source, tuple(op.aten))


def _tensor_row(plan: Plan, name: str) -> TensorRow:
    desc, place = plan.ir.tensors[name], plan.place(name)
    producer = plan.producer.get(name)
    return TensorRow(
        name=name,
        op=producer.name if producer else None,
        symbol=place.symbol,
        offset=place.offset,
        dtype=desc.dtype,
        shape=tuple(desc.shape),
    )


def _weight_row(ir: ACALSimIR, plan: Plan, name: str) -> WeightRow:
    desc, matrix = ir.tensors[name], plan.packed.get(name)
    packed = packed_row(matrix) if matrix else None
    return WeightRow(name, plan.places[name].symbol, desc.dtype, tuple(desc.shape), packed)


def packed_row(matrix: Matrix) -> PackedRow:
    """The order in RAM of a constant that lies there in blocks."""
    height, width = matrix.packed or (matrix.lines, matrix.depth)
    return PackedRow(matrix.lines, matrix.depth, matrix.by_lines, height, width)
