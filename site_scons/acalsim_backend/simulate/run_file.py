# SPDX-License-Identifier: Apache-2.0
"""run.json and host.json: what one simulation counted, and how long it took.

A counter is one row here: the report has the keys of Counters, EngineCounters and OpCounters among its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..doors import FLAT


@dataclass(frozen=True)
class EngineCounters:
    """What the simulator counts of a run."""

    device_transactions: int


@dataclass(frozen=True)
class Counters:
    """What QEMU's plugin counts of a run; reads and writes are those of the CPU's memory."""

    instructions: int
    memory_reads: int
    memory_writes: int
    memory_bytes_read: int
    memory_bytes_written: int
    cache: Mapping[str, int] | None = None


@dataclass(frozen=True)
class OpCounters:
    """What QEMU's plugin counts of an op."""

    instructions: int


@dataclass(frozen=True)
class Account:
    """What was booked while the CPU was in one place."""

    cycles: int
    stall_cycles: int
    counters: OpCounters = field(metadata=FLAT)


@dataclass(frozen=True)
class BookedOp:
    """An op's function and its account, which has a number."""

    symbol: str
    account: int
    calls: int
    booked: Account = field(metadata=FLAT)


@dataclass(frozen=True)
class Guest:
    """What QEMU's plugin sent at the end. `overhead` is what was booked to no op; `clock_reads` counts how often
    the firmware asked what time it is. `changes` are pairs of a cycle and the account that time was booked to from
    then on; before the first it was overhead."""

    cpu_cycles: int
    stall_cycles: int
    counters: Counters = field(metadata=FLAT)
    overhead: Account
    ops: tuple[BookedOp, ...]
    changes: tuple[tuple[int, ...], ...] = ()
    clock_reads: int = 0


@dataclass(frozen=True)
class Statistics:
    """What a simulator knows of a run, whichever engine it is.

    `stalls` has for each account, by its number as text, the cycles of its waiting: `access` for the
    register accesses themselves, and for the rest what the device was doing meanwhile. `guest` is what the
    client sent, if it sent anything: of QEMU's plugin a Guest, of another one any object.
    """

    total_cycles: int
    counters: EngineCounters = field(metadata=FLAT)
    ended: bool
    devices: Mapping[str, Mapping[str, int]]
    stalls: Mapping[str, Mapping[str, int]]
    guest: Mapping[str, object] | None


@dataclass(frozen=True)
class RunFile:
    """All of run.json."""

    engine: str
    statistics: Statistics = field(metadata=FLAT)
    sample_cycles: tuple[int, ...] = ()
    """The whole run's cycles with each sample, where there are several; all else is of the first."""


@dataclass(frozen=True)
class HostFile:
    """host.json: what depends on the computer that simulated."""

    simulate_wall_s: float
