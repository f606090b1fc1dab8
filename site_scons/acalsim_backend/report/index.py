# SPDX-License-Identifier: Apache-2.0
"""python -m acalsim_backend.report.index FOLDER: index.html beside the reports of a folder, which compares them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .. import doors
from ..errors import ReportError, run_room
from ..files import write_atomic
from .page import words
from .page.page import render
from .page.view import best, parts
from .read import json_files, looks_like_one, read_report


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="acalsim_backend.report.index", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    write_atomic(folder / "index.html", index(folder))
    return 0


def index(folder: Path) -> str:
    """The page of all reports in `folder`; names those that this version cannot read."""
    rows: list[dict[str, Any]] = []
    unread: list[str] = []
    for path in json_files(folder):
        try:
            if not looks_like_one(doors.load(path, ReportError)):
                continue
            rows.append(row(doors.as_json(read_report(path)), path))
        except ReportError as error:
            unread.append(f"{path.name}: {str(error).removeprefix(f'{path}: ')}")
    ledgers = {name: None for each in rows for name in each["report"]["ledger"]}
    return render(
        "index.html.j2",
        ("table.js",),
        {
            "rows": rows,
            "unread": unread,
            "machines": sorted({each["report"]["machine"] for each in rows}),
            "energies": any("energy" in each["report"] for each in rows),
            "bounds": any(each["best"] for each in rows),
            "meanings": [{"name": name, "meaning": words.LEDGER.get(name, name)} for name in ledgers],
        },
    )


def row(report: dict[str, Any], path: Path) -> dict[str, Any]:
    macs, total = sum(op["macs"] for op in report["ops"]), report["total_cycles"]
    return {
        "report": report,
        "page": path.with_suffix(".html").name if path.with_suffix(".html").exists() else None,
        "parts": [part for part in parts(report["ledger"], total) if part["cycles"]],
        "best": best(report),
        "cause": words.largest(report["ledger"]),
        "longest": max(report["ops"], key=lambda op: op["cycles"], default=None),
        "macs": macs,
        "rate": macs / (total or 1),
        "used": sum(region["used"] for region in report["placement"]),
    }


if __name__ == "__main__":
    run_room(main)
