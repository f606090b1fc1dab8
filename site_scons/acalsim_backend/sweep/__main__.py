# SPDX-License-Identifier: Apache-2.0
"""python -m acalsim_backend.sweep SWEEP.toml OUT.csv --captured MODEL PRECISION FOLDER ...: a sweep's table and page.

The status is 0 if every point has a result and equal outputs, or is a machine that cannot be; 1 if another one
failed, or none has a result.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from ..cli import Parser
from ..errors import SweepError, printable, run_room
from ..files import write_atomic
from ..host.tools import Tools
from ..machine.keys import with_keys
from ..report.rows import csv_text
from ..simulate.run import DEFAULT_TIMEOUT_S
from .cache import Cache
from .cluster import dask_crew
from .crew import Crew, local_crew
from .page import page
from .point import Captured, Failed, Job, Measured, Outcome, captured, code_digest
from .run import Runner
from .search import search
from .show import print_sweep
from .space import Point, Sweep, read_sweep
from .table import Result, Shape, parquet_bytes, rows, with_result

SEARCHES = ("optuna",)
SHOWN = 20
"""Lines about points without a result."""


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    sweep = read_sweep(options.sweep, options.machine, searches=bool(options.search))
    runner = Runner(Cache(options.cache), partial(call, options), options.out.stem)
    models = list(captured_models(options))
    code = code_digest()
    results = [
        Result(model.model, precision, point, outcome, bool(sweep.precisions))
        for model, precision in models
        for point, outcome in swept(sweep, model, code, runner, options)
    ]
    if not with_result(results):
        complain(results)
        raise SweepError(f"{sweep.path}: no point has a result")
    write(options, sweep, results)
    print_sweep(sweep.machine.stem, results, runner.tally)
    return complain(results)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(SweepError, prog="acalsim_backend.sweep", description=__doc__.splitlines()[0])
    parser.add_argument("sweep", type=Path)
    parser.add_argument("out", type=Path, help="NAME.csv; NAME.html goes beside it")
    parser.add_argument(
        "--captured", nargs=3, action="append", required=True, metavar=("MODEL", "PRECISION", "FOLDER")
    )
    parser.add_argument(
        "--tiling", nargs=2, action="append", default=[], metavar=("MODEL", "FILE"), help="MODEL.tiling.toml"
    )
    parser.add_argument("--machine", default="default", help="of a file that names none")
    add_crew(parser)
    parser.add_argument("--search", choices=SEARCHES, help="let it propose the points of [sample]")
    parser.add_argument("--parquet", action="store_true", help="write NAME.parquet as well")
    return parser.parse_args(arguments)


def captured_models(options: argparse.Namespace) -> Iterator[tuple[Captured, str]]:
    """(model, precision) of each."""
    tilings = {model: Path(file) for model, file in options.tiling}
    for model, precision, folder in options.captured:
        yield captured(model, Path(folder), tilings.get(model)), precision


def add_crew(parser: argparse.ArgumentParser) -> None:
    """The options about who measures points, and with what."""
    parser.add_argument("--cache", type=Path, required=True, help="folder of what earlier sweeps have found")
    parser.add_argument("--plugin", type=Path, required=True)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--scheduler", help="address of a Dask scheduler, whose workers take the points")
    parser.add_argument("--timeout", type=float, default=DEFAULT_TIMEOUT_S, help="seconds a simulation")


def call(options: argparse.Namespace) -> AbstractContextManager[Crew]:
    if options.scheduler:
        return dask_crew(options.scheduler)
    tools = Tools(options.plugin.resolve(), options.library.resolve())
    return local_crew(options.workers, options.cache.resolve(), tools)


def swept(
    sweep: Sweep, model: Captured, code: str, runner: Runner, options: argparse.Namespace
) -> Sequence[tuple[Point, Outcome]]:
    def evaluate(points: Sequence[Point]) -> Sequence[Outcome]:
        jobs = [
            Job(model, str(sweep.machine), with_keys(sweep.table, point), code, options.timeout)
            for point in points
        ]
        return runner.outcomes(jobs)

    if options.search:
        return search(sweep, evaluate)
    return list(zip(sweep.points, evaluate(sweep.points), strict=True))


def write(options: argparse.Namespace, sweep: Sweep, results: Sequence[Result]) -> None:
    """All files, or none."""
    shape = Shape(
        sweep.keys,
        has_models=len({each.model for each in results}) > 1,
        has_precisions=bool(sweep.precisions),
    )
    table = rows(results, shape)
    made: dict[str, str | bytes] = {".csv": csv_text(table), ".html": page(sweep, results)}
    if options.parquet:
        made[".parquet"] = parquet_bytes(table)
    for suffix, content in made.items():
        write_atomic(options.out.with_suffix(suffix), content)


def complain(results: Sequence[Result]) -> int:
    """Print a line for each point without a result or with wrong outputs; return the status that they make."""
    status, lines = 0, []
    for each in results:
        outcome = each.outcome
        if isinstance(outcome, Measured) and outcome.passed:
            continue
        said = outcome.message if isinstance(outcome, Failed) else "outputs differ from PyTorch's"
        status |= not (isinstance(outcome, Failed) and outcome.is_illegal)
        lines.append(f"{each.model}: {each.title}: {said}")
    for line in lines[:SHOWN]:
        print(printable(f"sweep: {line}"), file=sys.stderr)
    if lines[SHOWN:]:
        print(
            f"sweep: {len(lines) - SHOWN} more points have no result; the page has them all", file=sys.stderr
        )
    return status


if __name__ == "__main__":
    run_room(main)
