# SPDX-License-Identifier: Apache-2.0
"""Rows of matrix products and convolutions, in float32 and in int8."""

from __future__ import annotations

import math

from .. import expressions, shapes
from ..expressions import FLOATS
from ..graph import HALVES, REALS, ACALSimOpType
from ..row import Row
from ..shapes import Attrs, Shape
from ..walks import image_space, matrix_space, reads_image, reads_matrix
from .kinds import computing, pointwise

T = ACALSimOpType
FACTORS = (*REALS, *HALVES)
"""Of a product; those of half types are summed up in float32."""
CONV_ATTRS = ("stride", "padding", "dilation", "transposed", "output_padding", "groups")


def matrix_macs(inputs: list[Shape], output: Shape, attrs: Attrs) -> int:
    return math.prod(output) * inputs[0][-1]


def conv_macs(inputs: list[Shape], output: Shape, attrs: Attrs) -> int:
    """Taps in the padding count; a transposed convolution multiplies each weight with each element."""
    if attrs.get("transposed"):
        return math.prod(inputs[0]) * math.prod(inputs[1][1:])
    return math.prod(output) * math.prod(inputs[1][1:])


ROWS: tuple[Row, ...] = (
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
        dtypes=FACTORS,
        result=REALS,
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
        dtypes=FACTORS,
        result=REALS,
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
        dtypes=FACTORS,
        result=REALS,
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
        dtypes=FACTORS,
        result=REALS,
    ),
    # Made by capture's quantisation: sums of int8 products, * scales[channel] + bias[channel]. `float32` names the
    # weight with which the same product can be computed of its operand before that was rounded.
    computing(
        T.GEMM_INT8,
        (),
        ("mat1", "mat2", "scales", "bias?"),
        shapes.first_two(shapes.flat_matmul),
        attrs=("float32",),
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
        attrs=(*CONV_ATTRS, "float32"),
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
)
