# SPDX-License-Identifier: Apache-2.0
"""The op table: one row for each type of op, with its ATen overloads, operands, shape rule, C and size.

Capture, the IR's verification, the passes and the code generator all read these rows. docs/howto.md shows how
to add one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..graph import ACALSimOpType
from ..row import Row
from . import elementwise, linear, movement, products, reductions, windows

ROWS: Mapping[ACALSimOpType, Row] = MappingProxyType(
    {
        row.type: row
        for rows in (products, elementwise, reductions, windows, movement, linear)
        for row in rows.ROWS
    }
)
"""Every row, by its op type."""

ATEN: Mapping[str, Row] = MappingProxyType({name: row for row in ROWS.values() for name in row.aten})
"""The same rows by their ATen overloads; `#number` follows the name of one that has several results."""
