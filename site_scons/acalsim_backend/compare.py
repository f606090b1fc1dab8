# SPDX-License-Identifier: Apache-2.0
"""python -m acalsim_backend.compare A B: prints what changed from one report, or folder, to another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group
from rich.table import Table
from rich.text import Text

from . import doors
from .cli import Parser
from .errors import CompareError, run_room
from .files import write_atomic
from .report.changes import SCHEMA, Change, Comparison, ComparisonFile, change, compared
from .report.page.page import render
from .report.read import read_report, read_reports
from .report.report_file import Report
from .report.show import Fitted, beside_bound, made_of, print_shown

SHOWN_OPS = 40
SHOWN_ENTRIES = 3
SHOWN_DIGITS = 12
HASH_DIGITS = 64
"""Of a hash those that are shown, and all."""


@dataclass(frozen=True)
class Pairs:
    """The reports of each model that both sides have, and the models that only one has."""

    both: tuple[tuple[Report, Report], ...]
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def main(arguments: list[str]) -> int:
    parser = Parser(CompareError, prog="acalsim_backend.compare", description=__doc__)
    parser.add_argument("a", type=Path, metavar="A", help="a report, NAME.json, or a folder of reports")
    parser.add_argument("b", type=Path, metavar="B", help="what is compared with it")
    parser.add_argument("--models", help="of folders only these models' reports: NAME,NAME...")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write what changed to this file as well")
    parser.add_argument("--html", type=Path, metavar="OUT", help="and a page that shows it")
    options = parser.parse_args(arguments)
    pairs = pairs_of(options.a, options.b, options.models)
    comparisons = sorted(
        (compared(a, b) for a, b in pairs.both), key=lambda each: -abs(each.total.difference)
    )
    sides = (str(options.a), str(options.b))
    told = ComparisonFile(SCHEMA, *sides, tuple(comparisons), pairs.added, pairs.removed)
    for path, text in ((options.json, doors.text), (options.html, page)):
        if path:
            write(path, text(told))
    print_shown(Group(*shown(pairs, comparisons), Text("")), None)
    if options.html:
        print(f"as a page: {options.html}")
    return 0


def page(told: ComparisonFile) -> str:
    """All of an HTML file that shows it. Sides are called after their machines, unless these are the same."""
    machines = [
        ", ".join(dict.fromkeys(side.machine for side in sides))
        for sides in (
            [each.a for each in told.comparisons],
            [each.b for each in told.comparisons],
        )
    ]
    a, b = (told.a, told.b) if machines[0] == machines[1] else machines
    values = {"a": a, "b": b, "added": told.models_added, "removed": told.models_removed}
    return render("compare.html.j2", ("table.js",), {**values, "comparisons": told.comparisons})


def write(path: Path, text: str) -> None:
    try:
        write_atomic(path, text)
    except OSError as error:
        raise CompareError(f"{path}: cannot be written: {error.strerror}") from None


def pairs_of(a: Path, b: Path, models: str | None) -> Pairs:
    """Of two files their reports, whatever they are of; else those of the same model."""
    files = [place for place in (a, b) if not place.is_dir()]
    if len(files) == 2:
        return Pairs(((read_report(a, CompareError), read_report(b, CompareError)),))
    if files:
        models = read_report(files[0], CompareError).model
    before, after = (reports_of(place, models) for place in (a, b))
    common = [name for name in before if name in after]
    if not common:
        raise CompareError(f"'{a}' and '{b}' have no model in common; a model's report is NAME.json in both")
    added, removed = (tuple(sorted(x.keys() - y.keys())) for x, y in ((after, before), (before, after)))
    return Pairs(tuple((before[name], after[name]) for name in common), added, removed)


def reports_of(place: Path, models: str | None) -> dict[str, Report]:
    """The reports of a file or a folder by model; of a folder only those of `models`, if given."""
    if models is None or not place.is_dir():
        return {report.model: report for report in read_reports([place], CompareError).values()}
    paths = {name: place / f"{name}.json" for name in models.split(",")}
    missing = [name for name, path in paths.items() if not path.is_file()]
    if missing:
        raise CompareError(
            f"{place}: there is no report of model '{missing[0]}', which would be {missing[0]}.json"
        )
    return {name: read_report(path, CompareError) for name, path in paths.items()}


def shown(pairs: Pairs, comparisons: Sequence[Comparison]) -> Iterable[Text | Table]:
    """Totals of all models first, then each model by itself."""
    if len(comparisons) > 1:
        yield totals(comparisons)
    for verb, names in (("only in A", pairs.removed), ("only in B", pairs.added)):
        if names:
            yield Text(f"{verb}: {', '.join(names)}")
    for comparison in comparisons:
        yield headline(comparison)
        if comparison.ledger or comparison.ops:
            yield details(comparison)
        if comparison.unchanged_ops and comparison.ops:
            yield Text(f" {comparison.unchanged_ops} more took as long as before")
        for each in comparison.differences:
            yield Text(f" {each.name}: {short(each.a)} -> {short(each.b)}")


def totals(comparisons: Sequence[Comparison]) -> Table:
    """A row a model, the largest change first, and their sum."""
    table = changes_table("model")
    for each in comparisons:
        table.add_row(each.model, *numbers(each.total), "")
    table.add_row("all", *numbers(summed([each.total for each in comparisons])), "")
    return table


def headline(comparison: Comparison) -> Text:
    text = Text.assemble("\n", (comparison.model, "bold"))
    for name, side in (("A", comparison.a), ("B", comparison.b)):
        cycles = f"{side.cycles:,} cycles{beside_bound(side.cycles, side.roofline)}"
        energy = f"{side.energy_pj:,} pJ" if side.energy_pj is not None else ""
        costs = ", ".join(filter(None, (made_of(side.hardware), energy)))
        text.append(f"\n {name}  {side.machine} ({side.engine}, {side.precision}): {cycles}")
        text.append(f"\n    {costs}" if costs else "")
    if not comparison.total.difference:
        text.append("\n    as many cycles" + (" in total" if comparison.ops else ", op by op"))
    return text


def details(comparison: Comparison) -> Table:
    """The total, its ledger, then the ops, each with what its own ledger says."""
    table = changes_table("")
    table.add_row("total", *numbers(comparison.total), "")
    for each in comparison.ledger:
        table.add_row(f"  {each.name}", *numbers(each), "")
    table.add_section()
    for op in comparison.ops[:SHOWN_OPS]:
        parts = ", ".join(f"{each.name} {each.difference:+,}" for each in op.ledger[:SHOWN_ENTRIES])
        one_sided = "added" if op.cycles.a is None else "removed" if op.cycles.b is None else parts
        table.add_row(op.name, *numbers(op.cycles), one_sided)
    rest = comparison.ops[SHOWN_OPS:]
    if rest:
        table.add_row(f"{len(rest)} smaller changes", *numbers(summed([op.cycles for op in rest])), "")
    return table


def summed(changes: Sequence[Change]) -> Change:
    return change("all", sum(each.a or 0 for each in changes), sum(each.b or 0 for each in changes))


def changes_table(what: str) -> Fitted:
    table = Fitted("by ledger", "per cent")
    table.add_column(what, no_wrap=True)
    for name in ("A", "B", "change", "per cent"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("by ledger" if not what else "", no_wrap=True)
    return table


def numbers(each: Change) -> tuple[str, Text | str, Text, Text | str]:
    """A, B, their difference in cycles and per cent; more cycles are red."""
    style = "red" if each.difference > 0 else "green" if each.difference < 0 else ""
    a, b = ("" if side is None else f"{side:,}" for side in (each.a, each.b))
    percent = "" if each.percent is None else Text(f"{each.percent:+,.1f}%", style)
    return a, b, Text(f"{each.difference:+,}" if each.difference else "0", style), percent


def short(text: str) -> str:
    """A hash by its first digits."""
    return f"{text[:SHOWN_DIGITS]}..." if len(text) == HASH_DIGITS else text


if __name__ == "__main__":
    run_room(main)
