# SPDX-License-Identifier: Apache-2.0
"""A recorded run on another machine: what its simulation would say, without QEMU and without values.

The CPU's part is that of the recording, instruction by instruction. That holds as long as the other machine's
devices answer every access as those of the recorded run did, whenever they do so; the engine compares.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from .. import doors
from ..errors import SimulateError
from ..machine.machine import Machine
from .run_file import Account, EngineCounters, Guest, Statistics


@dataclass(frozen=True)
class Recording:
    """A finished run: what it counted, what the CPU asked and was answered, and what RAM held for devices."""

    statistics: Statistics
    accesses: bytes
    constants: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True)
class Replayed:
    """What simulating would have said; `spans` is what span_file.py reads, if it was asked for."""

    statistics: Statistics
    spans: bytes | None = None


def can_replay(statistics: Statistics, machine: Machine) -> bool:
    """Whether nothing in the run can depend on time or values in ways that no recording has."""
    guest = statistics.guest or {}
    return not guest.get("clock_reads") and all(device.replays for device in machine.devices)


def cpu_view(machine: Machine) -> str:
    """What the CPU's part of a program's run depends on; recordings of equal views are the same."""
    return json.dumps([machine.description_text(), machine.ram.origin, machine.ram.size_bytes])


def replay(
    recording: Recording, machine: Machine, engine: ModuleType, spans: bool = False
) -> Replayed | None:
    """The same program on `machine`, whose CPU is the recording's.

    All is what simulating would give, but for when the CPU went from op to op. None where the devices' answers would be others, so that
    the program has to be simulated.
    """
    devices = [(d.model, d.name, d.base, dict(d.parameters)) for d in machine.devices]
    ram = machine.ram
    try:
        served = engine.replay(
            devices,
            ram.timing,
            ram.origin,
            ram.size_bytes,
            list(recording.constants),
            recording.accesses,
            spans,
        )
    except engine.SimulationError:
        return None
    if served is None:
        return None
    return Replayed(_statistics(recording.statistics, served), served.get("spans"))


def _statistics(recorded: Statistics, served: Mapping[str, Any]) -> Statistics:
    guest = doors.from_json(recorded.guest, Guest, "the recorded guest's counters", SimulateError)
    waits: Counter[str] = Counter()
    for row, cycles in served["stalls"].items():  # of an account, or of one of its ops: "3/2"
        waits[row.partition("/")[0]] += sum(cycles.values())
    told = replace(
        guest,
        stall_cycles=sum(waits.values()),
        changes=(),  # when they would have been is not known
        overhead=_waiting(guest.overhead, waits["0"]),
        ops=tuple(replace(op, booked=_waiting(op.booked, waits[str(op.account)])) for op in guest.ops),
    )
    return Statistics(
        total_cycles=served["total_cycles"],
        counters=EngineCounters(served["transactions"]),
        ended=served["ended"],
        devices=served["devices"],
        stalls=served["stalls"],
        guest=doors.as_json(told),
    )


def _waiting(account: Account, stall_cycles: int) -> Account:
    """The account with as much of the CPU's own work, and this much waiting."""
    own = account.cycles - account.stall_cycles
    return replace(account, cycles=own + stall_cycles, stall_cycles=stall_cycles)
