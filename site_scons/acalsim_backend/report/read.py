# SPDX-License-Identifier: Apache-2.0
"""Reports back from their files and folders, for whoever compares, guards or tabulates them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .. import doors
from ..errors import AcalsimError, ReportError
from .report_file import SCHEMA, Report


def read_report(path: Path, error: type[AcalsimError] = ReportError) -> Report:
    """The report of a file. Raises `error` where it holds none, or one of another schema."""
    return _report(doors.load(path, error), path, error)


def read_reports(places: Iterable[Path], error: type[AcalsimError] = ReportError) -> dict[Path, Report]:
    """The reports of files, and all those of folders, where other files lie beside them. Each is there once.

    Raises `error` for a file that is no report, and for a folder that has none.
    """
    found: dict[Path, Report] = {}
    for place in places:
        if not place.is_dir():
            found.setdefault(place, read_report(place, error))
            continue
        values = {path: doors.load(path, error) for path in json_files(place)}
        reports = {path: value for path, value in values.items() if looks_like_one(value)}
        if not reports:
            raise error(
                f"{place}: there is no report in this folder; `scons all-reports` makes build/reports"
            )
        found |= {path: _report(value, path, error) for path, value in reports.items() if path not in found}
    return found


def json_files(folder: Path) -> list[Path]:
    """Those that may be reports: traces, which can be long, are not looked into."""
    return sorted(path for path in folder.glob("*.json") if not path.name.endswith(".trace.json"))


def precision(report: Report) -> str:
    """As the variable PRECISION has it."""
    if report.quantised is not None:
        return "int8"
    return (report.half or "bfloat16").partition(",")[0] if report.narrowed else "float32"


def looks_like_one(value: Any) -> bool:
    """Host times and verifications lie in the same folder, and name no model."""
    return isinstance(value, dict) and {"schema", "model"} <= value.keys()


def _report(value: Any, path: Path, error: type[AcalsimError]) -> Report:
    if not looks_like_one(value):
        raise error(
            f"{path}: this is no report; a report is what `scons sim-NAME` leaves in build/reports/NAME.json"
        )
    if value["schema"] != SCHEMA:
        raise error(f"{path}: the report's schema is {value['schema']!r}; known is {SCHEMA}: simulate anew")
    return doors.from_json(value, Report, str(path), error)
