# SPDX-License-Identifier: Apache-2.0
"""Rows of linear algebra."""

from __future__ import annotations

from .. import shapes
from ..expressions import FLOATS
from ..graph import ACALSimOpType
from ..row import Row

ROWS: tuple[Row, ...] = (
    # Made by capture of determinants, inverses and systems of equations. `whole` says that the first columns become the
    # identity, not only a triangle.
    Row(
        ACALSimOpType.ROW_REDUCE,
        (),
        ("self",),
        shapes.wide_matrices,
        attrs=("whole",),
        header="row_reduce.h",
        dtypes=FLOATS,
    ),
)
