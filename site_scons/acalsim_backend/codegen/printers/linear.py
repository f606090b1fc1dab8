# SPDX-License-Identifier: Apache-2.0
"""Gaussian elimination: a call of the C kernel."""

from __future__ import annotations

import math

from ...ir.graph import ACALSimOpType
from ..site import Site
from .registry import prints


@prints(ACALSimOpType.ROW_REDUCE)
def row_reduced(site: Site) -> list[str]:
    *batch, rows, columns = site.inputs[0].shape
    source = site.pointer(site.access(site.op.inputs[0]))
    result = site.pointer(site.access(site.op.outputs[0]), True)
    sizes = (math.prod(batch), rows, columns, int(site.attrs.get("whole", False)))
    return [f"row_reduce_f32({source}, {result}, {', '.join(map(str, sizes))});"]
