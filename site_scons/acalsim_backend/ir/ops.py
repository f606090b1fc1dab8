# SPDX-License-Identifier: Apache-2.0
"""One row an op: its ATen overloads and operands, its shape rule, its C, its multiply-accumulates.

Capture, the IR's verification, the scheduler and the code generator all read these rows; a new op is
a row here, its C (an expression, a walk through memory, or a printer in codegen/printers), and a test.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from . import expressions, movement, shapes
from .expressions import BINARY, UNARY, Expression
from .graph import ACALSimOpType
from .row import Row
from .shapes import Attrs, Shape, ShapeRule
from .walks import adjacent, anywhere, everywhere, image_space, matrix_space, reads_image, reads_matrix

T = ACALSimOpType
NUMBERS = ("float32", "int64", "int32", "int8")
FLOATS = ("float32",)


def pointwise(
    type: ACALSimOpType, aten: tuple[str, ...], operands: tuple[str, ...], expression: Expression, **more
) -> Row:
    return Row(
        type,
        aten,
        operands,
        shapes.broadcast,
        expression=expression,
        reads=anywhere,
        is_followed=True,
        writes=everywhere,
        takes_numbers=len(operands) > 1,
        **more,
    )


def unary(type: ACALSimOpType) -> Row:
    expression, header, dtypes, result = UNARY[type]
    return pointwise(
        type,
        (f"aten.{type.name.lower()}.default",),
        ("self",),
        expression,
        header=header,
        dtypes=dtypes,
        result=result,
    )


def binary(type: ACALSimOpType) -> Row:
    name, expression, dtypes, result, attrs = BINARY[type]
    header = "divide.h" if type is T.REMAINDER else None
    packet = f"aten.{name}"
    overloads = (
        (f"{packet}.Tensor", f"{packet}.Scalar")
        if name
        not in (
            "maximum",
            "minimum",
            "logical_and",
            "logical_or",
            "logical_xor",
            "atan2",
            "fmax",
            "fmin",
            "hypot",
        )
        else (f"{packet}.default",)
    )
    return pointwise(
        type,
        overloads,
        ("self", "other"),
        expression,
        dtypes=dtypes,
        result=result,
        attrs=attrs,
        header=header,
    )


def moving(
    type: ACALSimOpType, aten: tuple[str, ...], rule: ShapeRule, move, attrs: tuple[str, ...] = ()
) -> Row:
    return Row(
        type,
        aten,
        ("self",),
        rule,
        attrs=attrs,
        movement=move,
        reads=anywhere,
        joins=True,
        writes=everywhere,
    )


def reducing(type: ACALSimOpType, aten: tuple[str, ...], **more) -> Row:
    return Row(
        type,
        aten,
        ("self",),
        shapes.reduced,
        attrs=("dim", "keepdim", *more.pop("attrs", ())),
        reads=anywhere,
        is_followed=True,
        takes_in=True,
        writes=everywhere,
        **more,
    )


def looking_up(
    type: ACALSimOpType,
    aten: tuple[str, ...],
    operands: tuple[str, ...],
    rule: ShapeRule,
    walk,
    steps,
    attrs=(),
    **more,
) -> Row:
    return Row(
        type,
        aten,
        operands,
        rule,
        attrs=attrs,
        lookup=walk,
        lookup_steps=steps,
        reads=anywhere,
        is_followed=True,
        writes=everywhere,
        **more,
    )


def computing(
    type: ACALSimOpType, aten: tuple[str, ...], operands: tuple[str, ...], rule: ShapeRule, **more
) -> Row:
    """A kernel whose results others may take further, and which reads its first operands as they lie."""
    return Row(type, aten, operands, rule, **{"is_followed": True, "writes": everywhere, **more})


def matrix_macs(inputs: list[Shape], output: Shape, attrs: Attrs) -> int:
    return math.prod(output) * inputs[0][-1]


def conv_macs(inputs: list[Shape], output: Shape, attrs: Attrs) -> int:
    """Products of a weight and an element of the input or of its padding; transposed, one each weight and element."""
    if attrs.get("transposed"):
        return math.prod(inputs[0]) * math.prod(inputs[1][1:])
    return math.prod(output) * math.prod(inputs[1][1:])


# --- the rows -------------------------------------------------------------------------------------

CONV_ATTRS = ("stride", "padding", "dilation", "transposed", "output_padding", "groups")
POOL_ATTRS = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

ROWS: Mapping[ACALSimOpType, Row] = MappingProxyType(
    {
        row.type: row
        for row in (
            # Products.
            computing(
                T.MATMUL,
                ("aten.mm.default",),
                ("self", "mat2"),
                shapes.flat_matmul,
                reads=reads_matrix,
                index_space=matrix_space,
                header="matmul.h",
                macs=matrix_macs,
                dtypes=FLOATS,
            ),
            computing(
                T.BMM,
                ("aten.bmm.default",),
                ("self", "mat2"),
                shapes.batch_matmul,
                reads=reads_matrix,
                index_space=matrix_space,
                header="matmul.h",
                macs=matrix_macs,
                dtypes=FLOATS,
            ),
            computing(
                T.GEMM,
                ("aten.addmm.default",),
                ("mat1", "mat2", "self"),
                shapes.gemm,
                attrs=("alpha", "beta"),
                reads=reads_matrix,
                index_space=matrix_space,
                header="matmul.h",
                macs=matrix_macs,
                dtypes=FLOATS,
            ),
            computing(
                T.CONV,
                ("aten.convolution.default",),
                ("input", "weight", "bias?"),
                shapes.convolution,
                attrs=CONV_ATTRS,
                reads=reads_image,
                index_space=image_space,
                header="conv.h",
                macs=conv_macs,
                dtypes=FLOATS,
            ),
            # Products of int8, made by capture's quantisation: sums * scales[channel] + bias[channel].
            computing(
                T.GEMM_INT8,
                (),
                ("mat1", "mat2", "scales", "bias?"),
                shapes.first_two(shapes.flat_matmul),
                reads=reads_matrix,
                index_space=matrix_space,
                header="int8.h",
                macs=matrix_macs,
                dtypes=("int8", "float32"),
                result=FLOATS,
            ),
            computing(
                T.CONV_INT8,
                (),
                ("input", "weight", "scales", "bias?"),
                shapes.first_two(shapes.convolution),
                attrs=CONV_ATTRS,
                reads=reads_image,
                index_space=image_space,
                header="int8.h",
                macs=conv_macs,
                dtypes=("int8", "float32"),
                result=FLOATS,
            ),
            pointwise(
                T.QUANTIZE,
                (),
                ("self",),
                expressions.quantise,
                attrs=("scale",),
                header="rounding.h",
                dtypes=FLOATS,
                result=("int8",),
            ),
            pointwise(
                T.DEQUANTIZE,
                (),
                ("self",),
                expressions.dequantise,
                attrs=("scale",),
                dtypes=("int8",),
                result=FLOATS,
            ),
            # One element at a time.
            *map(unary, UNARY),
            *map(binary, BINARY),
            pointwise(
                T.DIV,
                ("aten.div.Tensor", "aten.div.Scalar"),
                ("self", "other"),
                Expression("(float){0} / (float){1}"),
                result=FLOATS,
            ),
            pointwise(
                T.DIV_ROUNDED,
                ("aten.div.Tensor_mode", "aten.div.Scalar_mode"),
                ("self", "other"),
                expressions.rounded_divide,
                attrs=("rounding_mode",),
                header="divide.h",
            ),
            pointwise(
                T.POW,
                ("aten.pow.Tensor_Scalar", "aten.pow.Tensor_Tensor", "aten.pow.Scalar"),
                ("self", "exponent"),
                expressions.power,
                header="divide.h",
            ),
            pointwise(
                T.BITWISE_LEFT_SHIFT,
                expressions.shifts("left", "__lshift__"),
                ("self", "other"),
                expressions.left_shift,
                dtypes=expressions.WHOLE,
            ),
            pointwise(
                T.BITWISE_RIGHT_SHIFT,
                expressions.shifts("right", "__rshift__"),
                ("self", "other"),
                expressions.right_shift,
                dtypes=expressions.WHOLE,
            ),
            pointwise(T.WHERE, ("aten.where.self",), ("condition", "self", "other"), expressions.where),
            pointwise(T.CLAMP, ("aten.clamp.default",), ("self",), expressions.clamp, attrs=("min", "max")),
            pointwise(
                T.HARDTANH,
                ("aten.hardtanh.default",),
                ("self",),
                expressions.clamp,
                attrs=("min_val", "max_val"),
            ),
            pointwise(
                T.GELU,
                ("aten.gelu.default",),
                ("self",),
                expressions.gelu,
                attrs=("approximate",),
                header="elementary.h",
                dtypes=FLOATS,
            ),
            pointwise(
                T.LEAKY_RELU,
                ("aten.leaky_relu.default",),
                ("self",),
                expressions.leaky_relu,
                attrs=("negative_slope",),
                dtypes=FLOATS,
            ),
            pointwise(
                T.ELU,
                ("aten.elu.default",),
                ("self",),
                expressions.elu,
                attrs=("alpha", "scale", "input_scale"),
                header="elementary.h",
                dtypes=FLOATS,
            ),
            pointwise(
                T.CAST,
                ("aten._to_copy.default", "prims.convert_element_type.default"),
                ("self",),
                expressions.cast,
                attrs=("dtype",),
                header="rounding.h",
                result="attr",
            ),
            # Reductions.
            reducing(T.SUM, ("aten.sum.dim_IntList", "aten.sum.default"), result=("float32", "int64")),
            reducing(T.MEAN, ("aten.mean.dim", "aten.mean.default"), dtypes=FLOATS),
            reducing(T.PROD, ("aten.prod.dim_int", "aten.prod.default"), result=("float32", "int64")),
            reducing(T.AMAX, ("aten.amax.default", "aten.max.dim#0", "aten.max.default")),
            reducing(T.AMIN, ("aten.amin.default", "aten.min.dim#0", "aten.min.default")),
            reducing(T.ANY, ("aten.any.default", "aten.any.dim", "aten.any.dims"), result=("bool",)),
            reducing(T.ALL, ("aten.all.default", "aten.all.dim", "aten.all.dims"), result=("bool",)),
            reducing(T.ARGMAX, ("aten.argmax.default", "aten.max.dim#1"), result=("int64",)),
            reducing(T.ARGMIN, ("aten.argmin.default", "aten.min.dim#1"), result=("int64",)),
            reducing(T.VAR, ("aten.var.correction",), attrs=("correction",), dtypes=FLOATS),
            computing(
                T.CUMSUM,
                ("aten.cumsum.default",),
                ("self",),
                shapes.along,
                attrs=("dim",),
                reads=anywhere,
                result=("float32", "int64"),
                is_followed=False,
            ),
            computing(
                T.CUMPROD,
                ("aten.cumprod.default",),
                ("self",),
                shapes.along,
                attrs=("dim",),
                reads=anywhere,
                result=("float32", "int64"),
                is_followed=False,
            ),
            # Normalisation.
            computing(
                T.SOFTMAX,
                ("aten._softmax.default", "aten._safe_softmax.default"),
                ("self",),
                shapes.along,
                attrs=("dim", "safe"),
                reads=anywhere,
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
                takes_in=True,
                dtypes=FLOATS,
            ),
            # Windows.
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
                movement.view,
                ("shape",),
            ),
            moving(T.PERMUTE, ("aten.permute.default",), shapes.permuted, movement.permute, ("dims",)),
            moving(T.EXPAND, ("aten.expand.default",), shapes.expanded, movement.expand, ("shape",)),
            moving(
                T.SLICE, ("aten.slice.Tensor",), shapes.sliced, movement.cut, ("dim", "start", "end", "step")
            ),
            moving(T.SELECT, ("aten.select.int",), shapes.selected, movement.select, ("dim", "index")),
            moving(T.FLIP, ("aten.flip.default",), shapes.flipped, movement.flip, ("dims",)),
            moving(
                T.DIAGONAL,
                ("aten.diagonal.default",),
                shapes.diagonal,
                movement.diagonal,
                ("offset", "dim1", "dim2"),
            ),
            moving(
                T.UNFOLD,
                ("aten.unfold.default",),
                shapes.unfolded,
                movement.unfold,
                ("dimension", "size", "step"),
            ),
            Row(
                T.AS_STRIDED,
                ("aten.as_strided.default",),
                ("self",),
                shapes.viewed_anywhere,
                attrs=("size", "stride", "storage_offset"),
                movement=movement.as_strided,
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
                movement.same,
            ),
            Row(
                T.CAT,
                ("aten.cat.default",),
                ("*tensors",),
                shapes.concatenated,
                attrs=("dim",),
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
                movement.gather,
                movement.gather_steps,
                ("dim",),
                result="first",
            ),
            looking_up(
                T.EMBEDDING,
                ("aten.embedding.default",),
                ("weight", "indices"),
                shapes.rows_of,
                movement.embedding,
                movement.embedding_steps,
                result="first",
            ),
            looking_up(
                T.INDEX_SELECT,
                ("aten.index_select.default",),
                ("self", "index"),
                shapes.index_selected,
                movement.index_select,
                movement.index_select_steps,
                ("dim",),
                result="first",
            ),
            looking_up(
                T.INDEX,
                ("aten.index.Tensor", "aten._unsafe_index.Tensor"),
                ("self", "*indices"),
                shapes.indexed,
                movement.indexed,
                movement.indexed_steps,
                ("dims",),
                result="first",
            ),
            # A tensor with parts of it written over.
            Row(
                T.SLICE_SCATTER,
                ("aten.slice_scatter.default",),
                ("self", "src"),
                shapes.same,
                attrs=("dim", "start", "end", "step"),
                reads=anywhere,
                writes=everywhere,
            ),
            Row(
                T.SELECT_SCATTER,
                ("aten.select_scatter.default",),
                ("self", "src"),
                shapes.same,
                attrs=("dim", "index"),
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
    }
)
"""Every op there is, by type."""

ATEN: Mapping[str, Row] = MappingProxyType({name: row for row in ROWS.values() for name in row.aten})
"""The same rows by the names of ATen's overloads, `#number` behind them where there are several results."""
