# SPDX-License-Identifier: Apache-2.0
"""python -m acalsim_backend.baseline write|check REPORT...: keeps cycles in a file, holds reports to it."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .cli import Parser
from .errors import BaselineError, run_room
from .report.baseline_file import Guarded, guarded, read_baseline, variant, write_baseline
from .report.changes import OVERHEAD, Change, change
from .report.read import read_reports
from .report.report_file import Report

ACCEPT = "`scons baseline` accepts that"

Variants = dict[str, dict[str, Guarded]]


@dataclass(frozen=True)
class Verdict:
    """One line about a model, and whether it fails the check."""

    line: str
    fails: bool


def main(arguments: list[str]) -> int:
    parser = Parser(BaselineError, prog="acalsim_backend.baseline", description=__doc__)
    parser.add_argument("what", choices=("write", "check"))
    parser.add_argument(
        "reports", type=Path, nargs="+", metavar="REPORT", help="NAME.json, or a folder of them"
    )
    parser.add_argument("--baseline", type=Path, default=Path("baseline.json"), metavar="FILE")
    parser.add_argument("--models", help="leave all but these alone: NAME,NAME...")
    parser.add_argument(
        "--tolerance", type=per_cent, default=0.0, metavar="PERCENT", help="of check; 0 unless given"
    )
    options = parser.parse_args(arguments)
    return {"write": write, "check": check}[options.what](options)


def per_cent(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is no tolerance; it is a number of per cent, 0 or more")
    return value


def write(options: argparse.Namespace) -> int:
    """Replace the variants that were run, with `--models` only those models; other variants stay."""
    found = found_in(read_reports(options.reports, BaselineError), options.models)
    path, variants = options.baseline, kept(options.baseline)
    for name, models in found.items():
        variants[name] = {**variants.get(name, {}), **models} if options.models else models
    write_baseline(path, variants)
    for name, models in found.items():
        told = ", ".join(f"{model} {each.total_cycles:,}" for model, each in models.items())
        print(f"{path}: {name} has {told}")
    return 0


def check(options: argparse.Namespace) -> int:
    """Hold what was run to the baseline. Raises BaselineError with a line for each model that fails."""
    found = found_in(read_reports(options.reports, BaselineError), options.models)
    told = read_baseline(options.baseline).variants
    verdicts = [
        verdict
        for name, models in found.items()
        for verdict in judged(name, only(told.get(name, {}), options.models), models, options)
    ]
    for verdict in verdicts:
        if not verdict.fails:
            print(verdict.line)
    failures = [verdict.line for verdict in verdicts if verdict.fails]
    if failures:
        raise BaselineError("\n".join(failures))
    count = sum(map(len, found.values()))
    print(
        f"{count} model{'s' * (count != 1)} on {', '.join(found)}: none slower than {options.baseline} allows"
    )
    return 0


def kept(path: Path) -> Variants:
    """What the baseline has so far."""
    if not path.exists():
        return {}
    return {name: dict(models) for name, models in read_baseline(path).variants.items()}


def found_in(reports: Mapping[Path, Report], models: str | None) -> Variants:
    """What was run, by variant and model. Raises BaselineError for a wrong result and for two of the same."""
    found: Variants = {}
    for path, report in reports.items():
        own = found.setdefault(variant(report), {})
        if report.model in own:
            raise BaselineError(
                f"{path}: there are two reports of model '{report.model}' on {variant(report)}"
            )
        if not report.check.passed:
            raise BaselineError(
                f"{path}: the outputs differ from PyTorch's; cycles of a wrong result are not kept"
            )
        own[report.model] = guarded(report)
    missing = [
        name for name in (models or "").split(",") if name and not any(name in own for own in found.values())
    ]
    if missing:
        raise BaselineError(f"there is no report of model '{missing[0]}'; `scons sim-{missing[0]}` makes one")
    return {name: only(own, models) for name, own in found.items()}


def only(rows: Mapping[str, Guarded], models: str | None) -> dict[str, Guarded]:
    """Of the models that `--models` names, where it is given."""
    return {name: each for name, each in rows.items() if models is None or name in models.split(",")}


def judged(
    name: str, told: Mapping[str, Guarded], found: Mapping[str, Guarded], options: argparse.Namespace
) -> Iterator[Verdict]:
    """A verdict on every model of a variant that is not as the baseline has it, the worst first."""
    path = options.baseline
    both = [(model, told[model], found[model]) for model in found if model in told]
    for model, before, after in sorted(both, key=lambda each: each[1].total_cycles - each[2].total_cycles):
        total = change("total", before.total_cycles, after.total_cycles)
        percent = exact_percent(total)
        if abs(percent) > options.tolerance:
            yield Verdict(line_of(f"{model} on {name}", total, before, after), fails=percent > 0)
    for model in sorted(found.keys() - told.keys()):
        yield Verdict(f"{model} on {name}: {path} does not have it; `scons baseline` adds it", fails=True)
    for model in sorted(told.keys() - found.keys()):
        yield Verdict(f"{model} on {name}: {path} has it, and there is no report of it", fails=True)


def exact_percent(each: Change) -> float:
    if each.percent is not None:
        return each.percent
    return math.inf if each.difference else 0.0


def line_of(subject: str, total: Change, before: Guarded, after: Guarded) -> str:
    """The model's change, and the op that has most of it."""
    sign = 1 if total.difference > 0 else -1
    most = max(op_changes(before, after), key=lambda each: sign * each.difference)
    other = "" if before.machine_sha256 == after.machine_sha256 else " (the machine file is another)"
    accept = f"; {ACCEPT}" if sign < 0 else ""
    what = most.name if most.name == OVERHEAD else f"op '{most.name}'"
    return f"{subject}: {cycles(total)}, most of it {what}: {cycles(most)}{other}{accept}"


def op_changes(before: Guarded, after: Guarded) -> Sequence[Change]:
    ops: Iterable[str] = {**before.ops, **after.ops}
    changes = [change(name, before.ops.get(name, 0), after.ops.get(name, 0)) for name in ops]
    return [*changes, change(OVERHEAD, before.overhead_cycles, after.overhead_cycles)]


def cycles(each: Change) -> str:
    percent = "" if each.percent is None else f" ({each.percent:+,.2f}%)"
    return f"{each.a:,} -> {each.b:,} cycles{percent}"


if __name__ == "__main__":
    run_room(main)
