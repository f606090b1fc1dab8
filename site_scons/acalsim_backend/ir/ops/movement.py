# SPDX-License-Identifier: Apache-2.0
"""Rows of ops that move elements: views and copies, joining and padding, lookups, and writing into a copy."""

from __future__ import annotations

from .. import movement as walks_of
from .. import shapes
from ..expressions import MOVABLE
from ..graph import ACALSimOpType
from ..row import Row
from ..walks import anywhere, everywhere
from .kinds import looking_up, moving

T = ACALSimOpType


ROWS: tuple[Row, ...] = (
    # Movement.
    moving(
        T.VIEW,
        (
            "aten.view.default",
            "aten._unsafe_view.default",
            "aten.unsqueeze.default",
            "aten.squeeze.dims",
            "aten.squeeze.dim",
            "aten.squeeze.default",
            "aten.reshape.default",
        ),
        shapes.viewed,
        walks_of.view,
        ("shape",),
    ),
    moving(T.PERMUTE, ("aten.permute.default",), shapes.permuted, walks_of.permute, ("dims",)),
    moving(T.EXPAND, ("aten.expand.default",), shapes.expanded, walks_of.expand, ("shape",)),
    moving(T.SLICE, ("aten.slice.Tensor",), shapes.sliced, walks_of.cut, ("dim", "start", "end", "step")),
    moving(T.SELECT, ("aten.select.int",), shapes.selected, walks_of.select, ("dim", "index")),
    moving(T.FLIP, ("aten.flip.default",), shapes.flipped, walks_of.flip, ("dims",)),
    moving(
        T.DIAGONAL,
        ("aten.diagonal.default",),
        shapes.diagonal,
        walks_of.diagonal,
        ("offset", "dim1", "dim2"),
    ),
    moving(
        T.UNFOLD,
        ("aten.unfold.default",),
        shapes.unfolded,
        walks_of.unfold,
        ("dimension", "size", "step"),
    ),
    Row(
        T.AS_STRIDED,
        ("aten.as_strided.default",),
        ("self",),
        shapes.viewed_anywhere,
        attrs=("size", "stride", "storage_offset"),
        dtypes=MOVABLE,
        movement=walks_of.as_strided,
        joins=True,
        writes=everywhere,
    ),
    moving(
        T.COPY,
        (
            "aten.clone.default",
            "aten.alias.default",
            "aten.detach.default",
            "aten.lift_fresh_copy.default",
        ),
        shapes.same,
        walks_of.same,
    ),
    Row(
        T.CAT,
        ("aten.cat.default",),
        ("*tensors",),
        shapes.concatenated,
        attrs=("dim",),
        dtypes=MOVABLE,
        reads=anywhere,
        joins=True,
        writes=everywhere,
    ),
    Row(
        T.PAD,
        ("aten.constant_pad_nd.default",),
        ("self",),
        shapes.enlarged,
        attrs=("pad", "value"),
        dtypes=MOVABLE,
        reads=anywhere,
        joins=True,
        writes=everywhere,
        result="first",
    ),
    # Lookups.
    looking_up(
        T.GATHER,
        ("aten.gather.default",),
        ("self", "index"),
        shapes.gathered,
        walks_of.gather,
        walks_of.gather_steps,
        ("dim",),
        result="first",
    ),
    looking_up(
        T.EMBEDDING,
        ("aten.embedding.default",),
        ("weight", "indices"),
        shapes.rows_of,
        walks_of.embedding,
        walks_of.embedding_steps,
        result="first",
    ),
    looking_up(
        T.INDEX_SELECT,
        ("aten.index_select.default",),
        ("self", "index"),
        shapes.index_selected,
        walks_of.index_select,
        walks_of.index_select_steps,
        ("dim",),
        result="first",
    ),
    looking_up(
        T.INDEX,
        ("aten.index.Tensor", "aten._unsafe_index.Tensor"),
        ("self", "*indices"),
        shapes.indexed,
        walks_of.indexed,
        walks_of.indexed_steps,
        ("dims",),
        result="first",
    ),
    # Copies of operand 0 in which some elements are replaced.
    Row(
        T.SLICE_SCATTER,
        ("aten.slice_scatter.default",),
        ("self", "src"),
        shapes.same,
        attrs=("dim", "start", "end", "step"),
        dtypes=MOVABLE,
        reads=anywhere,
        writes=everywhere,
    ),
    Row(
        T.SELECT_SCATTER,
        ("aten.select_scatter.default",),
        ("self", "src"),
        shapes.same,
        attrs=("dim", "index"),
        dtypes=MOVABLE,
        reads=anywhere,
        writes=everywhere,
    ),
    Row(
        T.INDEX_PUT,
        ("aten.index_put.default", "aten._unsafe_index_put.default"),
        ("self", "values", "*indices"),
        shapes.same,
        attrs=("dims", "accumulate"),
        reads=anywhere,
        writes=everywhere,
        result="first",
    ),
    Row(
        T.SCATTER,
        ("aten.scatter.src", "aten.scatter.value"),
        ("self", "index", "src?"),
        shapes.same,
        attrs=("dim", "value"),
        reads=anywhere,
        writes=everywhere,
        result="first",
    ),
    Row(
        T.SCATTER_ADD,
        ("aten.scatter_add.default",),
        ("self", "index", "src"),
        shapes.same,
        attrs=("dim",),
        reads=anywhere,
        writes=everywhere,
        result="first",
    ),
    Row(
        T.SCATTER_REDUCE,
        ("aten.scatter_reduce.two",),
        ("self", "index", "src"),
        shapes.same,
        attrs=("dim", "reduce"),
        reads=anywhere,
        writes=everywhere,
        result="first",
    ),
)
