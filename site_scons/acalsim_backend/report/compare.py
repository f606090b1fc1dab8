# SPDX-License-Identifier: Apache-2.0
"""Outputs beside references: how far apart they are, and which op made the first that is too far."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from ..mapped import Array
from .report_file import Check


def compare(
    outputs: Sequence[Array], references: Sequence[Array], names: Sequence[str], tolerance: float
) -> Check:
    """How far outputs are from references: max_rel_error = max|y - ref| / max|ref| over all outputs.

    `names` are the ops that produced each output. Where all references are 0 the error is taken as it stands.
    NaN and infinities agree only with themselves; where they do not, no number measures the error: it is None.
    """
    errors = [_largest_error(y, reference) for y, reference in zip(outputs, references, strict=True)]
    magnitude = max((_largest_finite(reference) for reference in references), default=0.0) or 1.0
    relative = [error / magnitude for error in errors]
    bad = next((name for name, error in zip(names, relative, strict=True) if not error <= tolerance), None)
    return Check(bad is None, largest(map(measured, errors)), largest(map(measured, relative)), bad)


def measured(error: float) -> float | None:
    """The error itself, if it is a number."""
    return error if math.isfinite(error) else None


def largest(errors: Iterable[float | None]) -> float | None:
    """The largest error of all; None where one of them is no number."""
    found = list(errors)
    numbers = [error for error in found if error is not None]
    return max(numbers, default=0.0) if len(numbers) == len(found) else None


def error_text(error: float | None, digits: int = 2) -> str:
    """An error as people read it."""
    return "NaN" if error is None else f"{error:.{digits}g}"


def _largest_error(y: Array, reference: Array) -> float:
    y, reference = y.astype(np.float64), reference.astype(np.float64)
    if np.any(np.isfinite(y) != np.isfinite(reference)):
        return math.nan
    odd = ~np.isfinite(reference)
    if not np.array_equal(y[odd], reference[odd], equal_nan=True):
        return math.nan
    return float(np.max(np.abs(y[~odd] - reference[~odd]), initial=0.0))


def _largest_finite(reference: Array) -> float:
    reference = np.abs(reference.astype(np.float64))
    return float(np.max(reference[np.isfinite(reference)], initial=0.0))
