# SPDX-License-Identifier: Apache-2.0
"""Puts what one run said beside its plan, its placement and PyTorch's reference, and holds the sums."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TypeVar

from .. import doors
from ..capture.capture_file import Origin, QuantisedOp
from ..check.placement_file import RegionRow
from ..errors import ReportError
from ..files import sha256
from ..machine.machine import Machine
from ..mapped import Array
from ..schedule.plan_file import OpRow, PlanFile
from ..simulate.run_file import Account, BookedOp, Guest, OpCounters, RunFile
from .compare import compare, error_text
from .energy import with_energy
from .generated import check_generated, first_difference
from .report_file import SCHEMA, Check, Generated, Hardware, Ledger, Provenance, Report, ReportedOp, SampleRow
from .roofline import rates, roofline
from .samples import first_different
from .timeline import Timeline, guest_of

Sums = TypeVar("Sums", Ledger, OpCounters)


@dataclass(frozen=True)
class Subject:
    """What was run, and what is known of it before."""

    model: str
    machine: Machine
    plan: PlanFile
    placement: tuple[RegionRow, ...]
    provenance: Provenance
    quantised: tuple[QuantisedOp, ...] | None = None
    halves: tuple[str, ...] = ()


def build_report(
    subject: Subject,
    run: RunFile,
    check: Check,
    happened: Timeline | None = None,
    made: Generated | None = None,
    samples: Sequence[Check] = (),
) -> Report:
    """The report of one run; with what its events took, where the machine file says that, of its timeline.

    Of several samples `check` is what holds of all, and `samples` are those of each.
    Raises ReportError when its sums do not agree.
    """
    statistics, guest = run.statistics, guest_of(run.statistics)
    speeds = {on_cpu: rates(subject.machine, on_cpu) for on_cpu in (False, True)}
    ops = tuple(_op(row, guest, statistics.stalls, speeds[_on_cpu(row)]) for row in subject.plan.ops)
    overhead = _ledger(guest.overhead, statistics.stalls.get("0"))
    report = Report(
        schema=SCHEMA,
        model=subject.model,
        machine=subject.machine.name,
        engine=run.engine,
        total_cycles=statistics.total_cycles,
        cpu_cycles=guest.cpu_cycles,
        stall_cycles=guest.stall_cycles,
        ledger=_sum(Ledger, [overhead, *(op.ledger for op in ops)]),
        counters=guest.counters,
        engine_counters=statistics.counters,
        ops=ops,
        overhead_cycles=guest.overhead.cycles,
        check=check,
        placement=subject.placement,
        devices=statistics.devices,
        provenance=subject.provenance,
        quantised=_quantised(subject),
        narrowed=True if subject.halves else None,
        half=", ".join(subject.halves) or None,
        generated=made,
        samples=tuple(map(SampleRow, run.sample_cycles, samples)) if run.sample_cycles else (),
        roofline=roofline(subject.plan.demand, speeds[all(map(_on_cpu, subject.plan.ops))]),
        hardware=Hardware(subject.machine.sram_bytes, subject.machine.macs_per_cycle),
    )
    _hold_sums(report)
    if subject.machine.energy is None:
        return report
    if happened is None:
        raise ReportError("energy is counted by what was recorded, and this run was not")
    return with_energy(report, guest, happened, subject.machine.energy)


def _sum(kind: type[Sums], rows: Iterable[Sums]) -> Sums:
    """Field by field."""
    return kind(*map(sum, zip(*map(astuple, rows), strict=True)))


def _ledger(booked: Account, stalls: Mapping[str, int] | None) -> Ledger:
    """The cycles of one account, by where they went."""
    waits = dict.fromkeys(Ledger.__dataclass_fields__, 0) | dict(stalls or {})
    waits |= {"cpu": booked.cycles - booked.stall_cycles, "stall": waits.pop("access", 0)}
    return doors.from_json(waits, Ledger, "the simulator's stalls", ReportError)


def _op(
    row: OpRow, guest: Guest, stalls: Mapping[str, Mapping[str, int]], speeds: Mapping[str, int]
) -> ReportedOp:
    symbols = [symbol for symbol in (row.symbol, row.wait_symbol) if symbol]
    found = [next((each for each in guest.ops if each.symbol == symbol), None) for symbol in symbols]
    rows = [each for each in found if each]
    if row.place_in_run is not None and len(rows) == len(symbols):
        return _op_of_run(row, rows[0], stalls, speeds)
    if len(rows) < len(symbols):
        missing = symbols[found.index(None)]
        raise ReportError(f"op '{row.name}' was not booked: no function '{missing}' in the guest's counters")
    ledger = _sum(Ledger, [_ledger(each.booked, stalls.get(str(each.account))) for each in rows])
    counters = _sum(OpCounters, [each.booked.counters for each in rows])
    return _reported(row, sum(each.booked.cycles for each in rows), ledger, counters, speeds)


def _op_of_run(
    row: OpRow, run: BookedOp, stalls: Mapping[str, Mapping[str, int]], speeds: Mapping[str, int]
) -> ReportedOp:
    """One op of a command list that computes several: what the device did for it.

    The first op has what the CPU did, to start the list and to wait for it.
    """
    waits = dict.fromkeys(Ledger.__dataclass_fields__, 0)
    ledger = doors.from_json(
        waits | dict(stalls.get(f"{run.account}/{row.place_in_run}", {})),
        Ledger,
        "the simulator's stalls",
        ReportError,
    )
    if row.place_in_run == 1:
        own = _ledger(run.booked, stalls.get(str(run.account)))
        ledger = _sum(Ledger, [own, ledger])
        return _reported(row, sum(astuple(ledger)), ledger, run.booked.counters, speeds)
    return _reported(row, sum(astuple(ledger)), ledger, OpCounters(0), speeds)


def _reported(
    row: OpRow, cycles: int, ledger: Ledger, counters: OpCounters, speeds: Mapping[str, int]
) -> ReportedOp:
    return ReportedOp(
        index=row.index,
        name=row.name,
        type=row.type,
        placed_on=row.placed_on,
        reason=row.reason,
        cycles=cycles,
        ledger=ledger,
        counters=counters,
        macs=row.macs,
        source=row.source,
        torch_ops=(*row.aten, *(name for each in row.fused for name in each.aten)),
        fused=tuple(each.name for each in row.fused),
        roofline=roofline(row.demand, speeds),
    )


def _on_cpu(row: OpRow) -> bool:
    return row.placed_on == "cpu"


def _hold_sums(report: Report) -> None:
    """Every cycle is booked once: to the CPU or to waiting, to an op, to what it went to."""
    total = report.total_cycles
    _hold("cpu_cycles + stall_cycles", report.cpu_cycles + report.stall_cycles, total)
    _hold(
        "the ops' cycles + overhead_cycles",
        sum(op.cycles for op in report.ops) + report.overhead_cycles,
        total,
    )
    _hold("the ledger's sum", sum(astuple(report.ledger)), total)
    _hold("the ledger's cpu", report.ledger.cpu, report.cpu_cycles)
    for op in report.ops:
        _hold(f"the sum of the ledger of op '{op.name}'", sum(astuple(op.ledger)), op.cycles)


def _hold(what: str, found: int, cycles: int) -> None:
    if found != cycles:
        raise ReportError(f"{what} is {found}, where {cycles} cycles were simulated")


def difference(report: Report, tolerance: float) -> str:
    """One line about a report whose check did not pass."""
    check = report.check
    if report.generated and (wrong := first_difference(report.generated)):
        return f"model '{report.model}': {wrong}"
    sample = first_different(report)
    of_sample = "" if sample is None else f" of sample {sample}"
    return (
        f"model '{report.model}': outputs{of_sample} differ from PyTorch's, first at op '{check.first_bad_op}': "
        f"max_rel_error is {error_text(check.max_rel_error, 3)}, allowed is {tolerance:g}"
    )


def _quantised(subject: Subject) -> tuple[QuantisedOp, ...] | None:
    """Without the products that the plan has in float32 after all."""
    if subject.quantised is None:
        return None
    plain = {row.name for row in subject.plan.ops if row.type in ("CONV", "GEMM", "MATMUL")}
    return tuple(row for row in subject.quantised if row.op not in plain)


def checked(plan: PlanFile, outputs: Sequence[Array], references: Sequence[Array], tolerance: float) -> Check:
    """The outputs of a run beside PyTorch's."""
    return (check_generated if plan.loop else compare)(outputs, references, producers(plan), tolerance)


def producers(plan: PlanFile) -> list[str]:
    """For each output the op that computes it, or its own name where none does."""
    return [row.op or row.name for row in plan.outputs]


def provenance(origin: Origin, elf: Path, machine: Machine, qemu: str, compiler: str) -> Provenance:
    """Of an ELF on a machine; `qemu` and `compiler` are versions."""
    devices = {device.name: device.own.digest for device in machine.devices if device.own}
    return Provenance(
        model_sha256=origin.model_sha256,
        weights_sha256=origin.weights_sha256,
        elf_sha256=sha256(elf),
        machine_sha256=sha256(machine.path),
        torch=origin.torch,
        compiler=compiler,
        qemu=qemu,
        devices=devices or None,
    )
