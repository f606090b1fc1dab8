# SPDX-License-Identifier: Apache-2.0
"""Outputs beside references: how far they are from each other, and which op made the first that is too far."""

from __future__ import annotations

import sys

import numpy as np

LARGEST = sys.float_info.max
"""Stands for an error that no number measures: NaN where PyTorch has a number, or the reverse."""


def tensors(block: bytes, rows: list[dict]) -> list[np.ndarray]:
    """The tensors of a block of bytes, as `rows` describe it (dtype, shape, offset)."""
    return [
        np.frombuffer(block, row["dtype"], int(np.prod(row["shape"])), row["offset"]).reshape(row["shape"])
        for row in rows
    ]


def compare(
    outputs: list[np.ndarray], references: list[np.ndarray], names: list[str], tolerance: float
) -> dict:
    """The report's `check`: max_rel_error = max|y - ref| / max|ref| over all outputs.

    `names` are the ops that produced each output. Where all references are 0 the error is taken
    as it stands; NaN and infinities agree only with themselves.
    """
    errors = [_largest_error(y, reference) for y, reference in zip(outputs, references, strict=True)]
    magnitude = max((_largest_finite(reference) for reference in references), default=0.0) or 1.0
    relative = [min(error / magnitude, LARGEST) for error in errors]
    bad = next((name for name, error in zip(names, relative, strict=True) if error > tolerance), None)
    return {
        "passed": bad is None,
        "max_abs_error": max(errors, default=0.0),
        "max_rel_error": max(relative, default=0.0),
        "first_bad_op": bad,
    }


def _largest_error(y: np.ndarray, reference: np.ndarray) -> float:
    y, reference = y.astype(np.float64), reference.astype(np.float64)
    if np.any(np.isfinite(y) != np.isfinite(reference)):
        return LARGEST
    odd = ~np.isfinite(reference)
    if not np.array_equal(y[odd], reference[odd], equal_nan=True):
        return LARGEST
    return float(np.max(np.abs(y[~odd] - reference[~odd]), initial=0.0))


def _largest_finite(reference: np.ndarray) -> float:
    reference = np.abs(reference.astype(np.float64))
    return float(np.max(reference[np.isfinite(reference)], initial=0.0))


def difference(report: dict, tolerance: float) -> str:
    """One line about a report whose check did not pass."""
    check = report["check"]
    return (
        f"model '{report['model']}': outputs differ from PyTorch's, first at op '{check['first_bad_op']}': "
        f"max_rel_error is {check['max_rel_error']:.3g}, allowed is {tolerance:g}"
    )
