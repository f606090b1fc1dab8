# SPDX-License-Identifier: Apache-2.0
"""Rows of ops that compute each element of their result from one element of each operand."""

from __future__ import annotations

from .. import expressions
from ..expressions import BINARY, UNARY, WHOLE
from ..graph import REALS, ACALSimOpType
from ..row import Row
from .kinds import binary, pointwise, unary

T = ACALSimOpType


ROWS: tuple[Row, ...] = (
    *map(unary, UNARY),
    *map(binary, BINARY),
    pointwise(
        T.DIV,
        ("aten.div.Tensor", "aten.div.Scalar"),
        ("self", "other"),
        expressions.quotient,
        result="real",
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
        dtypes=WHOLE,
    ),
    pointwise(
        T.BITWISE_RIGHT_SHIFT,
        expressions.shifts("right", "__rshift__"),
        ("self", "other"),
        expressions.right_shift,
        dtypes=WHOLE,
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
        dtypes=REALS,
    ),
    pointwise(
        T.LEAKY_RELU,
        ("aten.leaky_relu.default",),
        ("self",),
        expressions.leaky_relu,
        attrs=("negative_slope",),
        dtypes=REALS,
    ),
    pointwise(
        T.ELU,
        ("aten.elu.default",),
        ("self",),
        expressions.elu,
        attrs=("alpha", "scale", "input_scale"),
        header="elementary.h",
        dtypes=REALS,
    ),
    pointwise(
        T.CAST,
        ("aten._to_copy.default", "prims.convert_element_type.default"),
        ("self",),
        expressions.cast,
        attrs=("dtype",),
        header="rounding.h",
        dtypes=expressions.MOVABLE,
        result="attr",
    ),
)
