# SPDX-License-Identifier: Apache-2.0
"""Rows of reductions, cumulative sums, normalisations and sorting: ops along some dimensions."""

from __future__ import annotations

from .. import shapes
from ..expressions import FLOATS, NUMBERS
from ..graph import REALS, ACALSimOpType
from ..row import Row
from ..walks import anywhere
from .kinds import computing, reducing, running

T = ACALSimOpType


ROWS: tuple[Row, ...] = (
    # Reductions.
    reducing(T.SUM, ("aten.sum.dim_IntList", "aten.sum.default"), result=NUMBERS),
    reducing(T.MEAN, ("aten.mean.dim", "aten.mean.default"), dtypes=REALS),
    reducing(T.PROD, ("aten.prod.dim_int", "aten.prod.default"), result=NUMBERS),
    reducing(T.AMAX, ("aten.amax.default", "aten.max.dim#0", "aten.max.default")),
    reducing(T.AMIN, ("aten.amin.default", "aten.min.dim#0", "aten.min.default")),
    reducing(T.ANY, ("aten.any.default", "aten.any.dim", "aten.any.dims"), result=("bool", "uint8")),
    reducing(T.ALL, ("aten.all.default", "aten.all.dim", "aten.all.dims"), result=("bool", "uint8")),
    reducing(T.ARGMAX, ("aten.argmax.default", "aten.max.dim#1"), result=("int64",)),
    reducing(T.ARGMIN, ("aten.argmin.default", "aten.min.dim#1"), result=("int64",)),
    reducing(T.VAR, ("aten.var.correction",), attrs=("correction",), dtypes=REALS),
    # Running ones.
    running(T.CUMSUM, ("aten.cumsum.default",), result=NUMBERS),
    running(T.CUMPROD, ("aten.cumprod.default",), result=NUMBERS),
    running(T.CUMMAX, ("aten.cummax.default#0",)),
    running(T.CUMMAX_INDICES, ("aten.cummax.default#1",), result=("int64",)),
    running(T.CUMMIN, ("aten.cummin.default#0",)),
    running(T.CUMMIN_INDICES, ("aten.cummin.default#1",), result=("int64",)),
    running(T.LOGCUMSUMEXP, ("aten.logcumsumexp.default",), dtypes=FLOATS, header="elementary.h"),
    # Normalisation.
    computing(
        T.SOFTMAX,
        ("aten._softmax.default", "aten._safe_softmax.default"),
        ("self",),
        shapes.along,
        attrs=("dim", "safe", "causal"),
        reads=anywhere,
        row_memory="always",
        takes_in=True,
        header="elementary.h",
        dtypes=FLOATS,
    ),
    computing(
        T.LOG_SOFTMAX,
        ("aten._log_softmax.default",),
        ("self",),
        shapes.along,
        attrs=("dim",),
        reads=anywhere,
        row_memory="computed",
        takes_in=True,
        header="elementary.h",
        dtypes=FLOATS,
    ),
    computing(
        T.LAYER_NORM,
        ("aten.native_layer_norm.default#0",),
        ("input", "weight?", "bias?"),
        shapes.same,
        attrs=("normalized_shape", "eps"),
        reads=anywhere,
        row_memory="computed",
        takes_in=True,
        dtypes=FLOATS,
    ),
    computing(
        T.GROUP_NORM,
        ("aten.native_group_norm.default#0",),
        ("input", "weight?", "bias?"),
        shapes.same,
        attrs=("N", "C", "HxW", "group", "eps"),
        reads=anywhere,
        row_memory="computed",
        takes_in=True,
        dtypes=FLOATS,
    ),
    # Order.
    Row(
        T.TOPK,
        ("aten.topk.default#0",),
        ("self",),
        shapes.ordered,
        attrs=("k", "dim", "largest", "sorted"),
        header="order.h",
    ),
    Row(
        T.TOPK_INDICES,
        ("aten.topk.default#1",),
        ("self",),
        shapes.ordered,
        attrs=("k", "dim", "largest", "sorted"),
        header="order.h",
        result=("int64",),
    ),
    Row(
        T.SORT,
        ("aten.sort.default#0", "aten.sort.stable#0"),
        ("self",),
        shapes.ordered,
        attrs=("dim", "descending", "stable"),
        header="order.h",
    ),
    Row(
        T.SORT_INDICES,
        ("aten.sort.default#1", "aten.sort.stable#1"),
        ("self",),
        shapes.ordered,
        attrs=("dim", "descending", "stable"),
        header="order.h",
        result=("int64",),
    ),
)
