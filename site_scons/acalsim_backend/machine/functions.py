# SPDX-License-Identifier: Apache-2.0
"""The functions that a vector unit computes: one row each, whichever commands take it."""

from __future__ import annotations

from dataclasses import dataclass

from .commands import POOL, REDUCE, ROWS, STORE, VECTOR
from .registers import Flag


@dataclass(frozen=True)
class Function(Flag):
    """What a command's `k` may be.

    It takes `operands`, 1: A, or 2: A and B. `special` ones have `special_lanes` elements a cycle. With
    FLAG_INTEGER only those that have `integers` are taken, and none with a flag that it `refuses`.
    """

    commands: tuple[str, ...] = VECTOR
    operands: int = 1
    special: bool = False
    integers: bool = False
    refuses: tuple[str, ...] = ()

    @property
    def refused(self) -> tuple[str, ...]:
        """All flags that it does not take, of those that some of its commands take."""
        implied = {"FLAG_INTEGER": not self.integers, "FLAG_NUMBER": self.operands == 1}
        return (*self.refuses, *(flag for flag, is_refused in implied.items() if is_refused))


ACTIVATION = (*VECTOR, *STORE)
FINISHING = ("FLAG_GAMMA", "FLAG_BETA", "FLAG_RELU", "FLAG_CLAMP")
"""Flags of POOL that only its weighted sums have a use for."""


def special(name: str, value: int, description: str, operands: int = 1) -> Function:
    """A function that the special lanes compute; of one operand, STORE takes it as its activation."""
    return Function(
        f"FUNCTION_{name}",
        value,
        description,
        ACTIVATION if operands == 1 else VECTOR,
        operands,
        special=True,
    )


def simple(name: str, value: int, description: str, operands: int = 1, integers: bool = True) -> Function:
    return Function(f"FUNCTION_{name}", value, description, VECTOR, operands, integers=integers)


FUNCTIONS = (
    simple("COPY", 0, "A, in C's type"),
    simple("NEGATE", 1, "-A"),
    simple("ABSOLUTE", 2, "|A|"),
    simple("SIGN", 3, "-1, 0 or 1; of NaN 0"),
    simple("NOT", 4, "logical not; with FLAG_INTEGER of each bit"),
    simple("RELU", 5, "0 where A is negative, else A"),
    simple("FLOOR", 6, "rounded down"),
    simple("CEIL", 7, "rounded up"),
    simple("ROUND", 8, "rounded to nearest, halves to even"),
    simple("TRUNCATE", 9, "rounded towards 0"),
    special("RECIPROCAL", 10, "1 / A"),
    special("SQUARE_ROOT", 11, "sqrt A"),
    special("RECIPROCAL_SQUARE_ROOT", 12, "1 / sqrt A"),
    special("EXP", 13, "e^A"),
    special("EXPM1", 14, "e^A - 1"),
    special("LOG", 15, "log A"),
    special("LOG1P", 16, "log (1 + A)"),
    special("ERF", 17, "error function"),
    special("TANH", 18, "hyperbolic tangent"),
    special("SIGMOID", 19, "1 / (1 + e^-A)"),
    special("SILU", 20, "A sigmoid A"),
    special("GELU", 21, "A Phi(A)"),
    special("GELU_TANH", 22, "gelu's approximation by tanh"),
    special("SIN", 23, "sine"),
    special("COS", 24, "cosine"),
    simple("ADD", 32, "A + B", 2),
    simple("SUBTRACT", 33, "A - B", 2),
    simple("SUBTRACT_FROM", 34, "B - A", 2),
    simple("MULTIPLY", 35, "A B", 2),
    simple("MAXIMUM", 36, "the larger; NaN if one is", 2),
    simple("MINIMUM", 37, "the smaller; NaN if one is", 2),
    simple("EQUAL", 38, "1 where A = B, else 0", 2),
    simple("NOT_EQUAL", 39, "1 where A and B differ, else 0", 2),
    simple("LESS", 40, "1 where A < B, else 0", 2),
    simple("LESS_EQUAL", 41, "1 where A <= B, else 0", 2),
    simple("GREATER", 42, "1 where A > B, else 0", 2),
    simple("GREATER_EQUAL", 43, "1 where A >= B, else 0", 2),
    simple("AND", 44, "logical; with FLAG_INTEGER of each bit", 2),
    simple("OR", 45, "logical; with FLAG_INTEGER of each bit", 2),
    simple("XOR", 46, "logical; with FLAG_INTEGER of each bit", 2),
    simple("SQUARED_DIFFERENCE", 47, "(A - B)^2", 2),
    Function(
        "FUNCTION_SELECT",
        48,
        "A where B is not 0; C keeps its value elsewhere",
        operands=2,
        integers=True,
        refuses=("FLAG_NUMBER",),
    ),
    simple("SECOND", 54, "B", 2),
    special("DIVIDE", 49, "A / B", 2),
    special("DIVIDE_INTO", 50, "B / A", 2),
    special("EXP_DIFFERENCE", 51, "e^(A - B)", 2),
    special("POWER", 55, "A^B", operands=2),
    Function("FUNCTION_FLOOR_DIVIDE", 52, "A / B, rounded down", operands=2, special=True, integers=True),
    Function("FUNCTION_REMAINDER", 53, "A - B floor(A / B)", operands=2, special=True, integers=True),
    Function("FUNCTION_SUM", 64, "sum", REDUCE, integers=True),
    Function("FUNCTION_SUM_SQUARES", 65, "sum of squares", REDUCE, integers=True),
    Function(
        "FUNCTION_MAX",
        66,
        "the largest; NaN if one is",
        (*REDUCE, *POOL),
        integers=True,
        refuses=("FLAG_SCALE", "FLAG_COUNT_BORDER", *FINISHING),
    ),
    Function(
        "FUNCTION_MIN", 67, "the smallest; NaN if one is", REDUCE, integers=True, refuses=("FLAG_SCALE",)
    ),
    Function(
        "FUNCTION_ARGMAX",
        68,
        "place of the first largest; NaN is the largest",
        REDUCE,
        integers=True,
        refuses=("FLAG_SCALE", "FLAG_ACCUMULATE", "FLAG_SCALE_RESULT"),
    ),
    Function(
        "FUNCTION_ARGMIN",
        69,
        "place of the first smallest; NaN is the smallest",
        REDUCE,
        integers=True,
        refuses=("FLAG_SCALE", "FLAG_ACCUMULATE", "FLAG_SCALE_RESULT"),
    ),
    Function("FUNCTION_SOFTMAX", 80, "softmax", ROWS, refuses=("FLAG_GAMMA", "FLAG_BETA")),
    Function(
        "FUNCTION_SAFE_SOFTMAX",
        81,
        "softmax; 0 where the row is all -inf",
        ROWS,
        refuses=("FLAG_GAMMA", "FLAG_BETA"),
    ),
    Function("FUNCTION_LOG_SOFTMAX", 82, "logarithm of softmax", ROWS, refuses=("FLAG_GAMMA", "FLAG_BETA")),
    Function(
        "FUNCTION_LAYER_NORM",
        83,
        "(A - mean) / sqrt(variance + low)",
        ROWS,
        refuses=("FLAG_SCALE", "FLAG_ADD"),
    ),
    Function(
        "FUNCTION_RMS_NORM", 84, "A / sqrt(mean of squares + low)", ROWS, refuses=("FLAG_SCALE", "FLAG_ADD")
    ),
    Function("FUNCTION_AVERAGE", 96, "sum of the window times 1 / its elements", POOL, refuses=FINISHING),
    Function(
        "FUNCTION_WEIGHTED",
        97,
        "sum of the window's products with a plane's weights at b",
        POOL,
        refuses=("FLAG_COUNT_BORDER",),
    ),
)
"""A new one is a row here, what sim/model does of it, and the compiler's use of it."""
