# SPDX-License-Identifier: Apache-2.0
"""baseline.json: the cycles that runs are held to, by variant and model. Its order is fixed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .. import doors
from ..errors import BaselineError
from .read import precision
from .report_file import Report

SCHEMA = 1


@dataclass(frozen=True)
class Guarded:
    """One model's cycles, in total and of each op, and the machine file that they hold for."""

    machine_sha256: str
    total_cycles: int
    overhead_cycles: int
    ops: Mapping[str, int]


@dataclass(frozen=True)
class BaselineFile:
    """All of baseline.json: `variants` has for each machine, engine and precision its models."""

    schema: int
    variants: Mapping[str, Mapping[str, Guarded]]


def variant(report: Report) -> str:
    """What the report ran on, called as its folder in build/ is: default, cpu, default-sst, default-int8."""
    engine = "" if report.engine == "embedded" else f"-{report.engine}"
    return report.machine + engine + ("" if precision(report) == "float32" else f"-{precision(report)}")


def guarded(report: Report) -> Guarded:
    return Guarded(
        machine_sha256=report.provenance.machine_sha256,
        total_cycles=report.total_cycles,
        overhead_cycles=report.overhead_cycles,
        ops={op.name: op.cycles for op in report.ops},
    )


def read_baseline(path: Path) -> BaselineFile:
    """Raises BaselineError where there is none, or one that this version does not know."""
    if not path.exists():
        raise BaselineError(f"{path}: there is no such baseline; `scons baseline` writes one")
    value = doors.load(path, BaselineError)
    if not isinstance(value, dict) or "schema" not in value:
        raise BaselineError(f"{path}: this is no baseline, which `scons baseline` writes")
    if value["schema"] != SCHEMA:
        raise BaselineError(
            f"{path}: the baseline's schema is {value['schema']!r}; known is {SCHEMA}: "
            "remove it, and `scons baseline` writes another"
        )
    return doors.from_json(value, BaselineFile, str(path), BaselineError)


def write_baseline(path: Path, variants: Mapping[str, Mapping[str, Guarded]]) -> None:
    ordered = {name: dict(sorted(variants[name].items())) for name in sorted(variants) if variants[name]}
    try:
        doors.write(path, BaselineFile(SCHEMA, ordered))
    except OSError as error:
        raise BaselineError(f"{path}: cannot be written: {error.strerror}") from None
