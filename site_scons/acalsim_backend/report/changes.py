# SPDX-License-Identifier: Apache-2.0
"""Two reports in, what changed from one to the other out: cycles by ledger and by op, and their origin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from .read import precision
from .report_file import Hardware, Report, ReportedOp, Roofline

SCHEMA = 1
OVERHEAD = "overhead"
"""What belongs to no op, beside the ops."""


@dataclass(frozen=True)
class Change:
    """Cycles of one thing in A and in B; of an op that one of them lacks none."""

    name: str
    a: int | None
    b: int | None
    difference: int
    percent: float | None
    """Of A's; none where A has none."""


@dataclass(frozen=True)
class OpChange:
    """Of an op, and of each entry of its ledger that differs."""

    name: str
    type: str
    cycles: Change
    ledger: tuple[Change, ...]


@dataclass(frozen=True)
class Difference:
    """What is not the same in A and B beside cycles."""

    name: str
    a: str
    b: str


@dataclass(frozen=True)
class Side:
    """The run that A or B stands for."""

    machine: str
    engine: str
    precision: str
    cycles: int
    roofline: Roofline | None
    hardware: Hardware | None = None
    energy_pj: int | None = None


@dataclass(frozen=True)
class Comparison:
    """All that changed; ledger and ops have only what differs, the largest change first."""

    model: str
    a: Side
    b: Side
    total: Change
    ledger: tuple[Change, ...]
    ops: tuple[OpChange, ...]
    unchanged_ops: int
    added: tuple[str, ...]
    """Ops that only B has."""
    removed: tuple[str, ...]
    """Ops that only A has."""
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class ComparisonFile:
    """All of what `compare --json` writes."""

    schema: int
    a: str
    b: str
    comparisons: tuple[Comparison, ...]
    models_added: tuple[str, ...]
    models_removed: tuple[str, ...]


def change(name: str, a: int | None, b: int | None) -> Change:
    difference = (b or 0) - (a or 0)
    return Change(name, a, b, difference, 100 * difference / a if a else None)


def compared(a: Report, b: Report) -> Comparison:
    """What changed from `a` to `b`; ops are the same where their names are."""
    ops = _ops(a, b)
    changed = sorted(
        (op for op in ops if op.cycles.difference or op.ledger or _is_one_sided(op)), key=_op_size
    )
    return Comparison(
        model=a.model if a.model == b.model else f"{a.model} -> {b.model}",
        a=_side(a),
        b=_side(b),
        total=change("total", a.total_cycles, b.total_cycles),
        ledger=_changes(asdict(a.ledger), asdict(b.ledger)),
        ops=tuple(changed),
        unchanged_ops=len(ops) - len(changed),
        added=tuple(op.name for op in changed if op.cycles.a is None),
        removed=tuple(op.name for op in changed if op.cycles.b is None),
        differences=_differences(a, b),
    )


def _side(report: Report) -> Side:
    own = precision(report)
    energy = report.energy.total_pj if report.energy else None
    run = report.machine, report.engine, own, report.total_cycles
    return Side(*run, report.roofline, report.hardware, energy)


def _ops(a: Report, b: Report) -> list[OpChange]:
    """Every op of both, and the overhead."""
    before, after = ({op.name: op for op in report.ops} for report in (a, b))
    changes = [_op(name, before.get(name), after.get(name)) for name in {**before, **after}]
    overhead = change(OVERHEAD, a.overhead_cycles, b.overhead_cycles)
    return [*changes, OpChange(OVERHEAD, "", overhead, ())]


def _op(name: str, a: ReportedOp | None, b: ReportedOp | None) -> OpChange:
    ledgers = [asdict(op.ledger) if op else {} for op in (a, b)]
    kinds = dict.fromkeys(op.type for op in (a, b) if op)
    cycles = change(name, a.cycles if a else None, b.cycles if b else None)
    return OpChange(name, " -> ".join(kinds), cycles, _changes(*ledgers))


def _changes(a: Mapping[str, int], b: Mapping[str, int]) -> tuple[Change, ...]:
    """Of the entries that differ, the largest change first."""
    both = (change(name, a.get(name, 0), b.get(name, 0)) for name in {**a, **b})
    return tuple(sorted((each for each in both if each.difference), key=_size))


def _size(each: Change) -> tuple[int, str]:
    return -abs(each.difference), each.name


def _op_size(op: OpChange) -> tuple[int, str]:
    return _size(op.cycles)


def _is_one_sided(op: OpChange) -> bool:
    return op.cycles.a is None or op.cycles.b is None


def _differences(a: Report, b: Report) -> tuple[Difference, ...]:
    found = zip(_origin(a), _origin(b), strict=True)
    return tuple(Difference(name, one, other) for (name, one), (_, other) in found if one != other)


def _origin(report: Report) -> Iterable[tuple[str, str]]:
    """Where a report comes from, in the order in which it is told."""
    made = report.provenance
    return (
        ("machine", report.machine),
        ("engine", report.engine),
        ("precision", precision(report)),
        ("outputs", "equal to PyTorch's" if report.check.passed else "DIFFERENT from PyTorch's"),
        ("model file", made.model_sha256),
        ("weights", made.weights_sha256),
        ("machine file", made.machine_sha256),
        ("ELF", made.elf_sha256),
        ("torch", made.torch),
        ("compiler", made.compiler),
        ("QEMU", made.qemu),
    )
