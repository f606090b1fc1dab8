# SPDX-License-Identifier: Apache-2.0
"""topk and sort: a call of the C kernel."""

from __future__ import annotations

import math

from ...ir.graph import ACALSimOpType
from ...ir.literals import SUFFIXES
from ...ir.shapes import dimension
from ..site import Site
from .registry import prints

T = ACALSimOpType

# --- order ----------------------------------------------------------------------------------------


@prints(T.TOPK, T.TOPK_INDICES, T.SORT, T.SORT_INDICES)
def ordered(site: Site) -> list[str]:
    """topk and sort: along dim the first k in descending or ascending order, or their places."""
    attrs, x, out = site.attrs, site.inputs[0], site.output
    dim = dimension(x.shape, attrs.get("dim", -1))
    size, inner = (x.shape[dim], math.prod(x.shape[dim + 1 :])) if x.shape else (1, 1)
    what = "places" if site.op.op_type.name.endswith("INDICES") else "values"
    descending = int(attrs.get("largest", True) if "k" in attrs else attrs.get("descending", False))
    sizes = (math.prod(x.shape[:dim]), size, inner, out.shape[dim] if out.shape else 1, descending)
    source, result = site.pointer(site.access(x.name)), site.pointer(site.access(out.name), True)
    return [f"sorted_{what}_{SUFFIXES[x.dtype]}({source}, {result}, {', '.join(map(str, sizes))});"]
