# SPDX-License-Identifier: Apache-2.0
"""What there is to say of several samples: what holds of all their outputs, and how far apart their cycles are."""

from __future__ import annotations

from collections.abc import Sequence

from .compare import largest
from .report_file import Check, Report


def of_all(checks: Sequence[Check]) -> Check:
    """The largest errors of all samples, and the first op that is too far off in the first sample that has one."""
    return Check(
        passed=all(check.passed for check in checks),
        max_abs_error=largest(check.max_abs_error for check in checks),
        max_rel_error=largest(check.max_rel_error for check in checks),
        first_bad_op=next((check.first_bad_op for check in checks if check.first_bad_op), None),
    )


def first_different(report: Report) -> int | None:
    """The first of several samples whose outputs are not PyTorch's."""
    return next((number for number, row in enumerate(report.samples) if not row.check.passed), None)


def spread(report: Report) -> str:
    """How many samples there are, and their cycles, in a sentence; nothing of a single one."""
    if not report.samples:
        return ""
    cycles = [row.total_cycles for row in report.samples]
    mean = sum(cycles) / len(cycles)
    apart = 100 * (max(cycles) - min(cycles)) / (mean or 1)
    return f"{len(cycles)} samples: {min(cycles):,} to {max(cycles):,} cycles, mean {mean:,.0f}, spread {apart:.2f}%"
