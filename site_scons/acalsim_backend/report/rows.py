# SPDX-License-Identifier: Apache-2.0
"""Reports as rows of a table, one an op or one a report. Columns are called as keys are: ledger_cpu."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from .. import doors
from .read import precision
from .report_file import Report

Row = dict[str, Any]


def op_rows(report: Report) -> list[Row]:
    """A row an op, in order of execution."""
    run = _of_run(report)
    empty = {"index": 0, "name": "", "type": "", "placed_on": "", "reason": ""}
    return [run | empty | flat(doors.as_json(op)) for op in report.ops]


def report_row(report: Report) -> Row:
    """The whole run, without what it has several of: ops, regions of memory."""
    whole = {key: part for key, part in doors.as_json(report).items() if not isinstance(part, list)}
    return _of_run(report) | flat(whole)


def csv_text(rows: Iterable[Row]) -> str:
    """The rows with a line of the columns' names above; a column that a row lacks is empty there."""
    rows = list(rows)
    names = dict.fromkeys(name for row in rows for name in row)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def flat(value: Mapping[str, Any], prefix: str = "") -> Row:
    """An object of JSON as one row; a list of words becomes one text, and a list of objects is left out."""
    row: Row = {}
    for key, part in value.items():
        name = prefix + key
        if isinstance(part, Mapping):
            row |= flat(part, f"{name}_")
        elif not isinstance(part, list):
            row[name] = part
        elif all(isinstance(each, str) for each in part):
            row[name] = " ".join(part)
    return row


def units_of(counters: Mapping[str, int]) -> list[str]:
    """The units that a device's counters are of: those of which there is UNIT_busy_cycles."""
    ends = [key.removesuffix("_busy_cycles") for key in counters if key.endswith("_busy_cycles")]
    return [unit for unit in ends if unit]


def states_of(unit: str, counters: Mapping[str, int]) -> dict[str, str]:
    """By state the key of the cycles in it: busy, idle, and wait_ with the unit that was waited for."""
    found = {
        key.removeprefix(f"{unit}_").removesuffix("_cycles"): key
        for key in counters
        if key.startswith(f"{unit}_") and key.endswith("_cycles")
    }
    return {
        state: key for state, key in found.items() if state in ("busy", "idle") or state.startswith("wait_")
    }


def _of_run(report: Report) -> Row:
    """What tells runs apart."""
    return {
        "model": report.model,
        "machine": report.machine,
        "engine": report.engine,
        "precision": precision(report),
    }
