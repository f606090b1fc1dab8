# SPDX-License-Identifier: Apache-2.0
"""What a run's events take, by op: a timeline's commands and transfers, the CPU's instructions and its waiting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, replace

import numpy as np

from ..errors import ReportError
from ..machine.commands import COMMANDS, ELEMENT_TYPES, PRODUCT_TYPES
from ..simulate.run_file import Guest
from .report_file import Energy, EnergyLedger, Report
from .timeline import NO_OP, Lane, Timeline

MATMUL = next(command.value for command in COMMANDS if command.name == "COMMAND_MATMUL")
MAC_OF_TYPE = {
    each.value: f"mac_{each.name.removeprefix('TYPE_').lower()}"
    for each in ELEMENT_TYPES
    if each.name in PRODUCT_TYPES
}


def with_energy(report: Report, guest: Guest, run: Timeline, prices: Mapping[str, int]) -> Report:
    """The report with what each op took; `prices` are femtojoules by event.

    Each entry of a ledger is rounded to whole picojoules, and totals are sums of entries, so that all sums are exact.
    Raises ReportError where the recording is not whole.
    """
    if run.left_out:
        raise ReportError(
            f"energy: the recording lacks {run.left_out:,} accesses, transfers and commands, so that they cannot be "
            "counted; leave [energy] out of the machine file, or take a smaller model"
        )
    of_ops = {
        op.index: energy_of(run, op.index, op.counters.instructions, waited, prices)
        for op in report.ops
        for waited in (op.cycles - op.ledger.cpu,)
    }
    instructions = report.counters.instructions - sum(op.counters.instructions for op in report.ops)
    waited = guest.overhead.stall_cycles
    overhead = energy_of(run, NO_OP, instructions, waited, prices)
    ops = tuple(replace(op, energy=of_ops[op.index]) for op in report.ops)
    return replace(report, ops=ops, overhead_energy=overhead, energy=summed([overhead, *of_ops.values()]))


def energy_of(run: Timeline, op: int, instructions: int, waited: int, prices: Mapping[str, int]) -> Energy:
    """Of one op, or of what belongs to none."""
    events = events_of(run, op) | {"cpu_instruction": instructions, "idle_cycle": waited}

    def taken(*names: str) -> int:
        return (sum(prices[name] * events.get(name, 0) for name in names) + 500) // 1000

    ledger = EnergyLedger(
        mac=taken(*MAC_OF_TYPE.values()),
        scratchpad=taken("scratchpad_byte"),
        accumulator=taken("accumulator_byte"),
        dram=taken("dram_byte"),
        vector=taken("vector_element"),
        special=taken("special_element"),
        cpu=taken("cpu_instruction"),
        idle=taken("idle_cycle"),
    )
    return Energy(sum(astuple(ledger)), ledger)


def events_of(run: Timeline, op: int) -> dict[str, int]:
    """How often each happened on the devices."""
    counts: dict[str, int] = {}
    for device in run.devices:
        counts["dram_byte"] = counts.get("dram_byte", 0) + total(device.transfers, op, "bytes")
        for lane in device.units.values():
            for event, column in (
                ("scratchpad_byte", "scratchpad_bytes"),
                ("accumulator_byte", "accumulator_bytes"),
                ("vector_element", "elements"),
                ("special_element", "special_elements"),
            ):
                counts[event] = counts.get(event, 0) + total(lane, op, column)
            for type_, event in MAC_OF_TYPE.items():
                counts[event] = counts.get(event, 0) + macs(lane, op, type_)
    return counts


def total(lane: Lane, op: int, column: str) -> int:
    return int(lane.spans[column][lane.ops == op].sum())


def macs(lane: Lane, op: int, type_: int) -> int:
    rows = lane.spans[(lane.ops == op) & (lane.spans["code"] == MATMUL) & (lane.spans["type"] == type_)]
    sizes = (rows[name].astype(np.uint64) for name in ("m", "n", "k"))
    return int(np.prod(list(sizes), axis=0, dtype=np.uint64).sum()) if len(rows) else 0


def summed(parts: Iterable[Energy]) -> Energy:
    ledger = EnergyLedger(*map(sum, zip(*(astuple(each.ledger) for each in parts), strict=True)))
    return Energy(sum(astuple(ledger)), ledger)
