# SPDX-License-Identifier: Apache-2.0
"""A run's recording beside its plan: which op the CPU, each unit and each DMA channel was busy with, and when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .. import doors
from ..errors import ReportError
from ..machine.registers import CONTROL_FLAGS, REGISTERS, WINDOW_BYTES
from ..schedule.plan_file import PlanFile
from ..simulate.run_file import Guest, Statistics
from ..simulate.span_file import FIRST_UNIT, TRANSFERS, WRITES, SpanLogs, Spans

START = next(flag.value for flag in CONTROL_FLAGS if flag.name == "CONTROL_START")
CONTROL = next(register.offset for register in REGISTERS if register.name == "CONTROL")
NO_OP = -1
Ops = NDArray[np.int64]
"""For each span the index of its op, or NO_OP."""


@dataclass(frozen=True)
class CpuSpan:
    """Cycles that are booked to an op one after the other, or to the overhead: NO_OP.

    Where one command list computes several ops, `op` is the first, and `more` are behind it.
    """

    begin: int
    end: int
    op: int
    more: int = 0


@dataclass(frozen=True)
class Lane:
    """What one part of the machine did, in the order of beginning."""

    spans: Spans
    ops: Ops


@dataclass(frozen=True)
class DeviceLanes:
    """A device's lanes: the CPU's accesses to it, its transfers, and the commands of each unit that had any."""

    name: str
    accesses: Lane
    transfers: Lane
    units: dict[str, Lane]


@dataclass(frozen=True)
class Timeline:
    """In cycles from the beginning of the run. `left_out` spans were too many to be recorded.

    RAM's channels move `peak_bytes` a cycle and no more; a transfer is complete `latency_cycles` after its last byte.
    """

    total_cycles: int
    cpu: tuple[CpuSpan, ...]
    accesses: Lane
    """All of the CPU's, and its sleeps."""
    devices: tuple[DeviceLanes, ...]
    peak_bytes: int
    latency_cycles: int
    left_out: int = 0


def guest_of(statistics: Statistics) -> Guest:
    """What QEMU's plugin counted."""
    if statistics.guest is None:
        raise ReportError("the guest's counters are missing: QEMU's plugin sent no statistics")
    return doors.from_json(statistics.guest, Guest, "the guest's counters", ReportError)


def timeline(plan: PlanFile, statistics: Statistics, recording: SpanLogs, ram: Mapping[str, int]) -> Timeline:
    """Of a run with RAM of such a timing, a value for each row of RAM_TIMING."""
    guest, total_cycles = guest_of(statistics), statistics.total_cycles
    by_account = ops_by_account(plan, guest)
    return Timeline(
        total_cycles=total_cycles,
        peak_bytes=ram["bytes_per_cycle"] * ram["channels"],
        latency_cycles=ram["latency_cycles"],
        cpu=tuple(cpu_spans(guest.changes, by_account, total_cycles)),
        accesses=Lane(recording.accesses, by_account[recording.accesses["index"], 0]),
        devices=tuple(device_lanes(name, recording, by_account) for name in recording.devices),
        left_out=recording.left_out,
    )


def ops_by_account(plan: PlanFile, guest: Guest) -> Ops:
    """By account and place in its list an op's index, the first op's at place 0; account 0 is overhead."""
    accounts = {row.symbol: row.account for row in guest.ops}
    places = [row.place_in_run or 0 for row in plan.ops]
    found = np.full(
        (max(accounts.values(), default=0) + 1, max(places, default=0) + 1), NO_OP, dtype=np.int64
    )
    for row, place in sorted(zip(plan.ops, places, strict=True), key=lambda each: -each[1]):
        for symbol in (row.symbol, row.wait_symbol):
            if symbol in accounts:
                found[accounts[symbol], [0, place]] = row.index
    return found


def cpu_spans(changes: Sequence[Sequence[int]], by_account: Ops, total_cycles: int) -> list[CpuSpan]:
    points = [(0, 0), *((cycle, account) for cycle, account in changes), (total_cycles, 0)]
    return [
        CpuSpan(begin, end, int(by_account[account, 0]), more_ops(by_account[account]))
        for (begin, account), (end, _) in pairwise(points)
        if end > begin
    ]


def more_ops(of_account: Ops) -> int:
    """Ops of an account behind its first."""
    return max(len({op for op in of_account.tolist() if op != NO_OP}) - 1, 0)


def device_lanes(name: str, recording: SpanLogs, by_account: Ops) -> DeviceLanes:
    base, own = recording.bases[name], recording.devices[name]
    there = recording.accesses
    accesses = there[(there["address"] >= base) & (there["address"] < base + WINDOW_BYTES)]
    starts = accesses[is_start(accesses, base)]

    def lane(spans: Spans) -> Lane:
        """With the op of the list that the CPU started last before each span."""
        spans = spans[np.argsort(spans["begin"], kind="stable")]
        place = np.searchsorted(starts["begin"], spans["begin"], side="right") - 1
        ops = np.full(len(spans), NO_OP, dtype=np.int64)
        known = place >= 0
        ops[known] = by_account[starts["index"][place[known]], spans["op"][known]]
        return Lane(spans, ops)

    units = {
        unit: lane(own[own["track"] == FIRST_UNIT + index]) for index, unit in enumerate(recording.units)
    }
    return DeviceLanes(
        name=name,
        accesses=Lane(accesses, by_account[accesses["index"], 0]),
        transfers=of_commands(lane(own[own["track"] == TRANSFERS]), units.values()),
        units={unit: found for unit, found in units.items() if len(found.spans)},
    )


def of_commands(transfers: Lane, units: Iterable[Lane]) -> Lane:
    """A transfer that begins with a command on the same address is of that command's op."""
    known = {
        (begin, address): op
        for lane in units
        for begin, address, op in zip(
            lane.spans["begin"].tolist(), lane.spans["address"].tolist(), lane.ops.tolist(), strict=True
        )
    }
    asked = zip(
        transfers.spans["begin"].tolist(),
        transfers.spans["address"].tolist(),
        transfers.ops.tolist(),
        strict=True,
    )
    ops = [known.get((begin, address), op) for begin, address, op in asked]
    return Lane(transfers.spans, np.array(ops, np.int64))


def is_start(accesses: Spans, base: int) -> NDArray[np.bool_]:
    """Which of them start the device."""
    found: NDArray[np.bool_] = (
        (accesses["code"] == WRITES)
        & (accesses["address"] == base + CONTROL)
        & ((accesses["value"] & START) != 0)
    )
    return found


def side_by_side(spans: Spans) -> list[int]:
    """For each span a row, such that those of one row do not overlap: the first that is free. By beginning."""
    ends: list[int] = []
    rows = []
    for begin, end in zip(spans["begin"].tolist(), spans["end"].tolist(), strict=True):
        row = next((index for index, free in enumerate(ends) if free <= begin), len(ends))
        ends[row : row + 1] = [end]
        rows.append(row)
    return rows
