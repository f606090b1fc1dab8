# SPDX-License-Identifier: Apache-2.0
"""One row an op: its ATen overloads and operands, its shape rule, its C, its multiply-accumulates.

Capture, the IR's verification, the passes and the code generator all read these rows; a new op is a row
here, its C (an expression, a walk through memory, or a printer in codegen/printers), and a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..graph import ACALSimOpType
from ..row import Row
from . import elementwise, movement, products, reductions, windows

ROWS: Mapping[ACALSimOpType, Row] = MappingProxyType(
    {row.type: row for rows in (products, elementwise, reductions, windows, movement) for row in rows.ROWS}
)
"""Every op there is, by type."""

ATEN: Mapping[str, Row] = MappingProxyType({name: row for row in ROWS.values() for name in row.aten})
"""The same rows by the names of ATen's overloads, `#number` behind them where there are several results."""
