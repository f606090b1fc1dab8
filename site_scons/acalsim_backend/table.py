# SPDX-License-Identifier: Apache-2.0
"""Prints a report for a person: where the cycles went, memory, devices, and whether the numbers hold."""

from __future__ import annotations

import math

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

BAR_CELLS = 8
SHOWN_OPS = 40
WORST_OPS = 5


def print_report(report: dict, console: Console | None = None) -> None:
    """Print `report` (schema 1) in one write, so that parallel reports do not mix."""
    console = console or Console(highlight=False)
    console.print(Group(_headline(report), _ops(report), _facts(report), Text("")))


def _headline(report: dict) -> Text:
    check = report["check"]
    verdict = ("equal to PyTorch's", "green") if check["passed"] else ("DIFFERENT from PyTorch's", "bold red")
    return Text.assemble(
        "\n",
        (report["model"], "bold"),
        f" on {report['machine']} ({report['engine']}): ",
        (f"{report['total_cycles']:,} cycles", "bold"),
        "\noutputs ",
        verdict,
        f", max_rel_error {check['max_rel_error']:.2g}",
    )


def _ops(report: dict) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("op", "type", "on"):
        table.add_column(name, no_wrap=True)
    for name in ("cycles", "share"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, min_width=BAR_CELLS)
    for name in ("instr.", "MACs", "cyc/MAC"):
        table.add_column(name, justify="right", no_wrap=True)
    total = report["total_cycles"]
    costly = sorted(report["ops"], key=lambda op: -op["cycles"])[:SHOWN_OPS]
    for op in sorted(costly, key=lambda op: op["index"]):
        table.add_row(
            op["name"], op["type"], op["placed_on"], f"{op['cycles']:,}", *_share(op["cycles"], total),
            f"{op['instructions']:,}", f"{op['macs']:,}" if op["macs"] else "",
            f"{op['cycles'] / op['macs']:.2f}" if op["macs"] else "",
        )
    left = len(report["ops"]) - len(costly)
    if left:
        rest = total - report["overhead_cycles"] - sum(op["cycles"] for op in costly)
        table.add_row(f"{left} smaller ops", "", "", f"{rest:,}", *_share(rest, total))
    overhead = report["overhead_cycles"]
    table.add_row("overhead", "", "", f"{overhead:,}", *_share(overhead, total))
    return table


def _share(part: int, total: int) -> tuple[str, Text]:
    share = part / total if total else 0.0
    return f"{100 * share:.1f}%", Text("█" * math.ceil(share * BAR_CELLS), "blue")


def _facts(report: dict) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("cycles", f"{report['cpu_cycles']:,} CPU + {report['stall_cycles']:,} stalled")
    table.add_row("instructions", f"{report['instructions']:,}")
    table.add_row(
        "memory",
        f"{report['memory_reads']:,} reads, {report['memory_bytes_read']:,} bytes; "
        f"{report['memory_writes']:,} writes, {report['memory_bytes_written']:,} bytes",
    )
    for region in report["placement"]:
        used, length = region["used"], region["length"]
        table.add_row(region["region"], f"{used:,} of {length:,} bytes placed ({100 * used / length:.1f}%)")
    for name, counters in report["devices"].items():
        busy = (f"{value:,} {key.replace('_', ' ')}" for key, value in counters.items() if value and not key.startswith("peak_"))
        table.add_row(name, ", ".join(busy) or "idle")
    return table


def print_verification(model: str, report: dict, console: Console | None = None) -> None:
    """Print what verify-NAME found: every op that differs, or the one with the largest error."""
    console = console or Console(highlight=False)
    check, ops = report["check"], report["ops"]
    verdict = ("equal to PyTorch's", "green") if check["passed"] else ("DIFFERENT from PyTorch's", "bold red")
    console.print(Text.assemble("\n", (model, "bold"), f": {len(ops)} tensors ", verdict, f", max_rel_error {check['max_rel_error']:.2g}"))
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("op", "type", "shape", "source"):
        table.add_column(name)
    table.add_column("max_rel_error", justify="right")
    worst = sorted(ops, key=lambda op: -op["max_rel_error"])[:WORST_OPS]
    shown = [op for op in ops if not op["passed"]][:SHOWN_OPS] or worst
    for op in shown:
        table.add_row(op["name"], op["type"], str(tuple(op["shape"])), op["source"], f"{op['max_rel_error']:.2g}")
    console.print(table)
