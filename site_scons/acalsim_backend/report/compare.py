# SPDX-License-Identifier: Apache-2.0
"""Outputs beside references: how far apart they are, and which op made the first that is too far."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .report_file import Check

Array = NDArray[Any]

LARGEST = sys.float_info.max
"""Stands for an error that no number measures: NaN where PyTorch has a number, or the reverse."""


class Stored(Protocol):
    """A row that says where in a block of bytes a tensor lies, dense and row-major."""

    @property
    def dtype(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def offset(self) -> int: ...


def tensors(block: bytes, rows: Iterable[Stored]) -> list[Array]:
    """The tensors of a block of bytes, as `rows` describe it."""
    return [
        np.frombuffer(block, row.dtype, math.prod(row.shape), row.offset).reshape(row.shape) for row in rows
    ]


def compare(
    outputs: Sequence[Array], references: Sequence[Array], names: Sequence[str], tolerance: float
) -> Check:
    """How far outputs are from references: max_rel_error = max|y - ref| / max|ref| over all outputs.

    `names` are the ops that produced each output. Where all references are 0 the error is taken
    as it stands; NaN and infinities agree only with themselves.
    """
    errors = [_largest_error(y, reference) for y, reference in zip(outputs, references, strict=True)]
    magnitude = max((_largest_finite(reference) for reference in references), default=0.0) or 1.0
    relative = [min(error / magnitude, LARGEST) for error in errors]
    bad = next((name for name, error in zip(names, relative, strict=True) if error > tolerance), None)
    return Check(bad is None, max(errors, default=0.0), max(relative, default=0.0), bad)


def _largest_error(y: Array, reference: Array) -> float:
    y, reference = y.astype(np.float64), reference.astype(np.float64)
    if np.any(np.isfinite(y) != np.isfinite(reference)):
        return LARGEST
    odd = ~np.isfinite(reference)
    if not np.array_equal(y[odd], reference[odd], equal_nan=True):
        return LARGEST
    return float(np.max(np.abs(y[~odd] - reference[~odd]), initial=0.0))


def _largest_finite(reference: Array) -> float:
    reference = np.abs(reference.astype(np.float64))
    return float(np.max(reference[np.isfinite(reference)], initial=0.0))
