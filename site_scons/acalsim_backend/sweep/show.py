# SPDX-License-Identifier: Apache-2.0
"""What a sweep says on the terminal: how many points there are, and the best of them for each budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ..report.show import print_shown
from .table import COSTS, Result, front, varying, with_result

SHOWN = 12
"""Points of a front."""
COST_WORDS = {"macs_per_cycle": "MACs a cycle", "sram_bytes": "bytes of SRAM", "energy_pj": "pJ"}


def print_sweep(machine: str, results: Sequence[Result], tally: Mapping[str, int]) -> None:
    print_shown(Group(*_shown(machine, results, tally), Text("")), None)


def _shown(machine: str, results: Sequence[Result], tally: Mapping[str, int]) -> Iterator[Text | Table]:
    said = ", ".join(f"{count} {how}" for how, count in tally.items() if count)
    for model in dict.fromkeys(each.model for each in results):
        own = [each for each in results if each.model == model]
        good = sum(each.measured.passed for each in with_result(own))
        yield Text.assemble(
            "\n", (model, "bold"), f" on {machine}: {len(own)} points, {good} with equal outputs"
        )
        if fronts := list(_fronts(own)):
            yield _table(fronts, dict.fromkeys(key for each in own for key in each.values))
    yield Text(f"points: {said}" if said else "no points")


def _fronts(results: Sequence[Result]) -> Iterator[tuple[str, Result]]:
    """(cost, point) of the fronts of each cost that the points differ in, or of the first one."""
    for cost in varying(results) or COSTS[:1]:
        yield from ((cost, each) for each in front(results, cost)[-SHOWN:])


def _table(fronts: Sequence[tuple[str, Result]], keys: Iterable[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("best for at most", no_wrap=True)
    table.add_column("cycles", justify="right", no_wrap=True)
    has_precisions = any(each.is_of_several for _, each in fronts)
    if has_precisions:
        table.add_column("precision", no_wrap=True)
    for key in keys:
        table.add_column(key, justify="right", no_wrap=True)
    before = fronts[0][0]
    for cost, each in fronts:
        if cost != before:
            table.add_section()
        before = cost
        budget = f"{getattr(each.measured, cost):,} {COST_WORDS[cost]}"
        cycles = f"{each.measured.total_cycles:,}"
        own = [each.precision] * has_precisions + [str(each.values.get(key, "")) for key in keys]
        table.add_row(budget, cycles, *own)
    return table
