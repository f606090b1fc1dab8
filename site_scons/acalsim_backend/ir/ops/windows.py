# SPDX-License-Identifier: Apache-2.0
"""Rows of pooling ops."""

from __future__ import annotations

from .. import shapes
from ..expressions import FLOATS
from ..graph import ACALSimOpType
from ..row import Row
from ..walks import adjacent, reads_image
from .kinds import computing

T = ACALSimOpType
POOL_ATTRS = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")


ROWS: tuple[Row, ...] = (
    computing(
        T.MAX_POOL,
        ("aten.max_pool2d_with_indices.default#0",),
        ("self",),
        shapes.pooled,
        attrs=POOL_ATTRS,
        reads=reads_image,
        header="pool.h",
        writes=adjacent,
        dtypes=FLOATS,
        is_followed=False,
    ),
    computing(
        T.MAX_POOL_INDICES,
        ("aten.max_pool2d_with_indices.default#1",),
        ("self",),
        shapes.pooled,
        attrs=POOL_ATTRS,
        reads=reads_image,
        header="pool.h",
        writes=adjacent,
        dtypes=FLOATS,
        result=("int64",),
        is_followed=False,
    ),
    computing(
        T.AVG_POOL,
        ("aten.avg_pool2d.default",),
        ("self",),
        shapes.pooled,
        attrs=(
            "kernel_size",
            "stride",
            "padding",
            "ceil_mode",
            "count_include_pad",
            "divisor_override",
        ),
        reads=reads_image,
        header="pool.h",
        writes=adjacent,
        dtypes=FLOATS,
        is_followed=False,
    ),
    computing(
        T.ADAPTIVE_AVG_POOL,
        ("aten._adaptive_avg_pool2d.default",),
        ("self",),
        shapes.adaptive,
        attrs=("output_size",),
        reads=reads_image,
        header="pool.h",
        writes=adjacent,
        dtypes=FLOATS,
        is_followed=False,
    ),
    computing(
        T.ADAPTIVE_MAX_POOL,
        ("aten.adaptive_max_pool2d.default#0",),
        ("self",),
        shapes.adaptive,
        attrs=("output_size",),
        reads=reads_image,
        header="pool.h",
        writes=adjacent,
        dtypes=FLOATS,
        is_followed=False,
    ),
    computing(
        T.ADAPTIVE_MAX_POOL_INDICES,
        ("aten.adaptive_max_pool2d.default#1",),
        ("self",),
        shapes.adaptive,
        attrs=("output_size",),
        reads=reads_image,
        header="pool.h",
        writes=adjacent,
        dtypes=FLOATS,
        result=("int64",),
        is_followed=False,
    ),
)
