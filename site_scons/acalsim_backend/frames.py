# SPDX-License-Identifier: Apache-2.0
"""Reports as a pandas DataFrame, for notebooks: the only module that imports pandas."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path

try:
    import pandas as pd
except ImportError:
    raise ImportError("load_reports needs pandas: pip install 'acalsim-backend[frames]'") from None

from .errors import ReportError
from .report.read import read_reports
from .report.rows import op_rows, report_row


def load_reports(*patterns: str | os.PathLike[str], ops: bool = True) -> pd.DataFrame:
    """The reports of these files and folders, as a row an op, or with ops=False as a row a report.

    Patterns are allowed: load_reports("build/**/reports") takes the reports of every variant. Columns are
    called as the report's keys; those of an object within are called ledger_cpu, roofline_bound_cycles.
    Raises ReportError for a pattern that fits nothing, and for a file that is no report of this schema.
    """
    reports = read_reports(_places([os.fspath(pattern) for pattern in patterns]))
    if ops:
        return pd.DataFrame([row for report in reports.values() for row in op_rows(report)])
    return pd.DataFrame([report_row(report) | {"path": str(path)} for path, report in reports.items()])


def _places(patterns: Iterable[str]) -> list[Path]:
    """What the patterns fit; a folder without files, which a build may leave, fits none."""
    places: list[Path] = []
    for pattern in patterns:
        fitting = [Path(name) for name in sorted(glob.glob(os.path.expanduser(pattern), recursive=True))]
        found = [place for place in fitting if not place.is_dir() or any(place.glob("*.json"))]
        if not found:
            raise ReportError(
                f"no report fits '{pattern}'; say 'build/**/reports', or the path of one report"
            )
        places += found
    return places
