# SPDX-License-Identifier: Apache-2.0
"""python -m acalsim_backend.sweep.advise NAME.advice.json: every number of the machine, doubled and halved.

Nothing is estimated: each row is a run, simulated, or replayed with the cycles that simulating gives.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from rich.console import Group
from rich.table import Table
from rich.text import Text

from .. import doors
from ..cli import Parser
from ..errors import AdviseError, run_room
from ..files import sha256
from ..machine.file import find_machine, load_machine, read_table
from ..machine.keys import numeric_keys, with_keys
from ..report.advice_file import AdviceFile, Advised, Figures
from ..report.show import Fitted, print_shown
from .__main__ import add_crew, call
from .cache import Cache
from .point import Failed, Job, Outcome, captured, code_digest
from .run import Runner

Turn = tuple[str, int, int]
"""A key, its value, another one."""


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    path = find_machine(options.machine).resolve()
    table = read_table(path)
    turns = list(turned(numeric_keys(table, load_machine(str(path)))))
    model = captured(options.model, options.captured, options.tiling)
    runner = Runner(Cache(options.cache), partial(call, options), options.model)
    code = code_digest()
    jobs = [
        Job(model, str(path), with_keys(table, changed), code, options.timeout)
        for changed in ({}, *({key: to} for key, _, to in turns))
    ]
    own, *others = runner.outcomes(jobs)
    if isinstance(own, Failed):
        raise AdviseError(f"{options.model} on {path.stem}: {own.message}")
    advice = AdviceFile(options.model, path.stem, sha256(path), figures(own), tuple(ordered(turns, others)))
    doors.write(options.out, advice)
    print_shown(Group(*shown(advice), Text("")), None)
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(AdviseError, prog="acalsim_backend.sweep.advise", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--captured", type=Path, required=True, help="the folder of the model's capture")
    parser.add_argument("--tiling", type=Path, help="NAME.tiling.toml")
    parser.add_argument("--machine", required=True)
    add_crew(parser)
    return parser.parse_args(arguments)


def turned(keys: dict[str, int]) -> Iterator[Turn]:
    """Each key doubled and, rounded down, halved; 0 stays what it is, and 1 does not become 0."""
    for key, value in keys.items():
        if value:
            yield key, value, 2 * value
        if value > 1:
            yield key, value, value // 2


def figures(outcome: Outcome) -> Figures:
    assert not isinstance(outcome, Failed)
    return Figures(
        outcome.total_cycles, outcome.sram_bytes, outcome.macs_per_cycle, outcome.passed, outcome.energy_pj
    )


def ordered(turns: Iterable[Turn], outcomes: Iterable[Outcome]) -> list[Advised]:
    """Those with the fewest cycles first, those that cannot be last."""
    rows = [
        Advised(*turn, None, outcome.message)
        if isinstance(outcome, Failed)
        else Advised(*turn, figures(outcome))
        for turn, outcome in zip(turns, outcomes, strict=True)
    ]
    return sorted(rows, key=lambda row: row.figures.total_cycles if row.figures else 1 << 62)


def shown(advice: AdviceFile) -> Iterator[Text | Table]:
    own = advice.figures
    yield Text.assemble(
        "\n", (advice.advised, "bold"), f" on {advice.machine}: {own.total_cycles:,} cycles; one key changed:"
    )
    known = [row for row in advice.rows if row.figures]
    changing = [row for row in known if row.figures and row.figures.total_cycles != own.total_cycles]
    yield _table(own, changing)
    turning = {row.key for row in (*changing, *(row for row in advice.rows if row.error))}
    same = [key for key in dict.fromkeys(row.key for row in known) if key not in turning]
    if same:
        yield Text(f"no cycle changes with {len(same)} more: {', '.join(same)}")
    if cannot := [f"{row.key} = {row.to}" for row in advice.rows if row.error]:
        yield Text(f"without a result: {', '.join(cannot)}")


def _table(own: Figures, rows: Sequence[Advised]) -> Table:
    table = Fitted("bytes of SRAM", "per cent", "from")
    table.add_column("key", no_wrap=True)
    names = ["from", "to", "cycles", "change", "per cent", "bytes of SRAM"]
    for name in names + ["energy, pJ"] * (own.energy_pj is not None):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        if row.figures:
            table.add_row(*_cells(own, row, row.figures))
    return table


def _cells(own: Figures, row: Advised, its: Figures) -> Iterator[str | Text]:
    change = its.total_cycles - own.total_cycles
    yield from (row.key, f"{row.value:,}", f"{row.to:,}", f"{its.total_cycles:,}")
    style = "red" if change > 0 else "green"
    yield Text(f"{change:+,}", style)
    yield Text(f"{100 * change / own.total_cycles:+.1f}%", style)
    sram = its.sram_bytes - own.sram_bytes
    yield f"{sram:+,}" if sram else ""
    if own.energy_pj is not None and its.energy_pj is not None:
        yield f"{its.energy_pj - own.energy_pj:+,.0f}"


if __name__ == "__main__":
    run_room(main)
