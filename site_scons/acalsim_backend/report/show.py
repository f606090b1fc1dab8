# SPDX-License-Identifier: Apache-2.0
"""Prints a report for a person: where the cycles went, memory, devices, and whether the numbers hold."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from .. import doors
from ..errors import ReportError
from .compare import error_text
from .generated import speed
from .report_file import NONE_IN_INT8, Energy, Hardware, Report, ReportedOp, Roofline, Verification
from .rows import units_of
from .samples import spread

BAR_CELLS = 6
WIDEST = 1000
SHOWN_OPS = 40
SHOWN_NAMES = 6
WORST_OPS = 5


class Fitted(Table):
    """A table that leaves out columns where a terminal has no room for all: those named in `spare`, in that order."""

    def __init__(self, *spare: str) -> None:
        super().__init__(box=SIMPLE_HEAD, pad_edge=False)
        self.spare = spare

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for header in self.spare:
            wide = Measurement.get(console, options.update(max_width=WIDEST), self).maximum
            if wide > options.max_width:
                left = [column for column in self.columns if column.header != header]
                self.columns = [replace(column, _index=place) for place, column in enumerate(left)]
        yield from super().__rich_console__(console, options)


def print_report(report: Report | Mapping[str, Any], console: Console | None = None) -> None:
    """Print a report, or one of the dicts of ACALSimBackend.reports. In one write, so that parallel reports
    do not mix."""
    if not isinstance(report, Report):
        report = doors.from_json(report, Report, "the report", ReportError)
    print_shown(Group(_headline(report), _ops(report), _facts(report), Text("")), console)


def print_shown(shown: Group, console: Console | None) -> None:
    """As wide as it is, where no terminal says how much there is to see."""
    console = console or Console(highlight=False)
    if not console.is_terminal:
        console.width = max(
            console.width,
            *(
                Measurement.get(console, console.options.update(max_width=WIDEST), each).maximum
                for each in shown.renderables
            ),
        )
    console.print(shown)


def _headline(report: Report) -> Text:
    check = report.check
    verdict = ("equal to PyTorch's", "green") if check.passed else ("DIFFERENT from PyTorch's", "bold red")
    return Text.assemble(
        "\n",
        (report.model, "bold"),
        f" on {report.machine} ({report.engine}): ",
        (f"{report.total_cycles:,} cycles", "bold"),
        beside_bound(report.total_cycles, report.roofline),
        "\noutputs ",
        verdict,
        f", max_rel_error {error_text(check.max_rel_error)}",
        f"\n{NONE_IN_INT8}" if report.quantised == () else "",
        f"\n{speed(report.generated)}" if report.generated else "",
        f"\n{spread(report)}" if report.samples else "",
    )


def beside_bound(cycles: int, best: Roofline | None) -> str:
    """How far from the best, where anything is asked of the machine's resources."""
    if best is None or not best.bound_cycles:
        return ""
    return f", {cycles / best.bound_cycles:,.1f} times its bound, limited by {best.limiter}"


def _ops(report: Report) -> Table:
    table = Fitted("", "MACs", "MACs/cycle", "limit", "on", "gone to")
    for name in ("op", "on"):
        table.add_column(name, overflow="fold")
    for name in ("cycles", "share"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, min_width=BAR_CELLS)
    table.add_column("gone to", no_wrap=True)
    table.add_column("limit", no_wrap=True)
    for name in ("x bound", "MACs", "MACs/cycle"):
        table.add_column(name, justify="right", no_wrap=True)
    errors = {row.op: f"{row.max_rel_error:.2g}" for row in report.quantised or ()}
    if errors:
        table.add_column("int8 error", justify="right", no_wrap=True)
    total = report.total_cycles
    costly = sorted(report.ops, key=lambda op: -op.cycles)[:SHOWN_OPS]
    for op in sorted(costly, key=lambda op: op.index):
        rate = (f"{op.macs:,}", f"{op.macs / op.cycles:.2f}") if op.macs and op.cycles else ("", "")
        table.add_row(
            op.name,
            op.placed_on,
            f"{op.cycles:,}",
            *_share(op.cycles, total),
            _gone_to(op),
            *_limit(op),
            *rate,
            *([errors.get(op.name, "")] if errors else []),
        )
    left = len(report.ops) - len(costly)
    if left:
        rest = total - report.overhead_cycles - sum(op.cycles for op in costly)
        table.add_row(f"{left} smaller ops", "", f"{rest:,}", *_share(rest, total))
    overhead = report.overhead_cycles
    table.add_row("overhead", "", f"{overhead:,}", *_share(overhead, total))
    return table


def _share(part: int, total: int) -> tuple[str, Text]:
    return _percent(part, total), Text("█" * math.ceil(part / (total or 1) * BAR_CELLS), "blue")


def _percent(part: int, total: int) -> str:
    return f"{100 * part / (total or 1):.1f}%"


def _gone_to(op: ReportedOp, most: int = 2) -> str:
    """The largest entries of an op's ledger."""
    parts = sorted(((cycles, name) for name, cycles in asdict(op.ledger).items() if cycles), reverse=True)
    return ", ".join(f"{name} {100 * cycles / op.cycles:.0f}%" for cycles, name in parts[:most])


def _limit(op: ReportedOp) -> tuple[str, str]:
    """The resource that sets an op's bound, and how many times that bound it took."""
    best = op.roofline
    if best is None or not best.bound_cycles:
        return "", ""
    return str(best.limiter), f"{op.cycles / best.bound_cycles:,.1f}"


def _facts(report: Report) -> Table:
    table = Table.grid(padding=(0, 2))
    total, counters = report.total_cycles, report.counters
    parts = ((name, cycles) for name, cycles in asdict(report.ledger).items() if cycles)
    table.add_row("cycles", ", ".join(f"{name} {_percent(cycles, total)}" for name, cycles in parts))
    if report.energy:
        table.add_row("energy", _energy(report.energy))
    table.add_row("instructions", f"{counters.instructions:,}")
    table.add_row(
        "CPU's memory",
        f"{counters.memory_reads:,} reads, {counters.memory_bytes_read:,} bytes; "
        f"{counters.memory_writes:,} writes, {counters.memory_bytes_written:,} bytes",
    )
    for region in report.placement:
        used, length = region.used, region.length
        table.add_row(region.region, f"{used:,} of {length:,} bytes placed ({_percent(used, length)})")
    for name, device in report.devices.items():
        for line in _device(device, total):
            table.add_row(name, line)
            name = ""
    for (where, reason), names in _reasons(report).items():
        table.add_row(
            where,
            f"{reason}: {', '.join(names[:SHOWN_NAMES])}"
            + (f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""),
        )
    return table


def _energy(energy: Energy) -> str:
    parts = ((name, taken) for name, taken in asdict(energy.ledger).items() if taken)
    shares = ", ".join(f"{name} {_percent(taken, energy.total_pj)}" for name, taken in parts)
    return f"{energy.total_pj:,} pJ: {shares}"


def made_of(hardware: Hardware | None) -> str:
    """What a machine's devices cost, in words, where the report says."""
    if hardware is None or not hardware.macs_per_cycle:
        return ""
    return f"{hardware.sram_bytes:,} bytes of SRAM, {hardware.macs_per_cycle:,} MACs a cycle"


def _device(counters: Mapping[str, int], total: int) -> list[str]:
    """A matrix engine's work in its own terms; of another device what it counted."""
    if not counters.get("peak_macs_per_cycle"):
        return [
            ", ".join(f"{value:,} {key.replace('_', ' ')}" for key, value in counters.items() if value)
            or "idle"
        ]
    busy, macs = counters["busy_cycles"], counters["macs"]
    if not busy:
        return ["not used: no op would be faster there"]
    peak = counters["peak_macs_per_cycle"]
    units = ", ".join(
        f"{unit} {_percent(counters[f'{unit}_busy_cycles'], busy)}" for unit in units_of(counters)
    )
    return [
        f"busy {busy:,} cycles ({_percent(busy, total)}) with {counters['commands']:,} commands; "
        f"units at work: {units}",
        f"{macs:,} MACs, {_percent(macs, busy * peak)} of the array's peak while busy, "
        f"{_percent(macs, total * peak)} of it over the run",
        f"DMA {counters['dma_bytes_read']:,} bytes read, {counters['dma_bytes_written']:,} written",
    ]


def _reasons(report: Report) -> dict[tuple[str, str], list[str]]:
    """Why ops are where they are, where there was a choice: the ops by place and reason."""
    reasons: dict[tuple[str, str], list[str]] = defaultdict(list)
    has_choice = any(counters.get("peak_macs_per_cycle") for counters in report.devices.values())
    for op in report.ops:
        on_cpu = op.placed_on == "cpu"
        if op.reason and (has_choice or not on_cpu):
            reasons["on the CPU" if on_cpu else f"on {op.placed_on}", op.reason].append(op.name)
    return reasons


def print_verification(model: str, report: Verification, console: Console | None = None) -> None:
    """Print what verify-NAME found: every op that differs, or the one with the largest error."""
    check, ops = report.check, report.ops
    verdict = ("equal to PyTorch's", "green") if check.passed else ("DIFFERENT from PyTorch's", "bold red")
    headline = Text.assemble(
        "\n",
        (model, "bold"),
        f": {len(ops)} tensors ",
        verdict,
        f", max_rel_error {error_text(check.max_rel_error)}",
    )
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("op", "type", "shape", "source"):
        table.add_column(name)
    table.add_column("max_rel_error", justify="right")
    by_error = sorted(ops, key=lambda op: -math.inf if op.max_rel_error is None else -op.max_rel_error)
    worst = by_error[:WORST_OPS]
    shown = [op for op in ops if not op.passed][:SHOWN_OPS] or worst
    for op in shown:
        table.add_row(op.name, op.type, str(op.shape), op.source, error_text(op.max_rel_error))
    print_shown(Group(headline, table), console)
