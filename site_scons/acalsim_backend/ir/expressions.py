# SPDX-License-Identifier: Apache-2.0
"""Pointwise ops as C: the operands' elements as C text in, a C expression of the result's element out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .graph import HALVES, ITEM_BYTES, REALS, ACALSimOpType, TensorDesc
from .literals import C_TYPES, SUFFIXES, literal

T = ACALSimOpType
Attrs = Mapping[str, Any]
INTEGERS = ("int64", "int32", "int16", "int8", "uint8")
NUMBERS = (*REALS, *INTEGERS)
ANY = (*NUMBERS, "bool")
WHOLE = (*INTEGERS, "bool")
FLOATS = ("float32",)
MOVABLE = (*ANY, *HALVES)
"""Of what is only brought elsewhere or converted; nothing is computed in half types but products."""
BOOL = ("bool",)

Result = tuple[str, ...] | Literal["promoted", "real", "first", "attr"]
"""The dtypes that a result may have, or where they come from: row.promoted, the same with float32 in the place of
integers, operand 0, or the attr dtype."""

Formula = Callable[[Sequence[str], Attrs, Sequence[TensorDesc], TensorDesc], str]
"""(the operands' elements as C text, attrs, the operands' tensors, the result) -> a C expression."""


@dataclass(frozen=True)
class Expression:
    """A formula that is a template: {0}, {1} ... stand for the operands' elements.

    `floats` is used where an operand or the result is float32; `integers`, if it is given, where none is. Of
    float64 there are `doubles`, unless `floats` holds for these as well. {alpha} stands for `alpha * ` where the op has that attr, else for nothing.
    """

    floats: str
    integers: str | None = None
    doubles: str | None = None

    def __call__(
        self, operands: Sequence[str], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc
    ) -> str:
        dtype = computed_in(inputs, out)
        alpha = f"{literal(attrs['alpha'], dtype)} * " if "alpha" in attrs else ""
        return self._form(dtype).format(*operands, alpha=alpha)

    def _form(self, dtype: str) -> str:
        if dtype == "float64" and self.doubles is not None:
            return self.doubles
        if dtype in REALS or self.integers is None:
            return self.floats
        return self.integers


def computed_in(inputs: Sequence[TensorDesc], out: TensorDesc) -> str:
    """The widest float among the dtypes of operands and result; without one, the first operand's."""
    dtypes = [*(desc.dtype for desc in inputs), out.dtype]
    return next((each for each in ("float64", "float32") if each in dtypes), dtypes[0])


def function(name: str, double: str) -> Expression:
    """A call of a C function of one float, or of the one of one double."""
    return Expression(f"{name}((float){{0}})", doubles=f"{double}((double){{0}})")


E = Expression
UNARY: Mapping[ACALSimOpType, tuple[Formula, str | None, tuple[str, ...], Result]] = {
    # op type: expression, header, dtypes, dtype of the result
    T.NEG: (E("-{0}"), None, NUMBERS, "promoted"),
    T.ABS: (E("magnitude({0})", "{0} < 0 ? -{0} : {0}", "fabs({0})"), "bits.h", NUMBERS, "promoted"),
    T.SIGN: (E("({0} > 0) - ({0} < 0)"), None, NUMBERS, "promoted"),
    T.RELU: (E("{0} < 0 ? 0 : {0}"), None, NUMBERS, "promoted"),
    T.RECIPROCAL: (E("1.0f / {0}"), None, ANY, "real"),
    T.SQRT: (E("sqrtf({0})", doubles="sqrt({0})"), None, ANY, "real"),
    T.RSQRT: (E("1.0f / sqrtf({0})", doubles="1.0 / sqrt({0})"), None, ANY, "real"),
    T.FLOOR: (E("floored({0})", "{0}", "floor({0})"), "rounding.h", NUMBERS, "promoted"),
    T.CEIL: (E("ceiled({0})", "{0}", "ceil({0})"), "rounding.h", NUMBERS, "promoted"),
    T.ROUND: (E("rounded({0})", "{0}", "rint({0})"), "rounding.h", NUMBERS, "promoted"),
    T.TRUNC: (E("truncated({0})", "{0}", "trunc({0})"), "rounding.h", NUMBERS, "promoted"),
    T.ISNAN: (E("{0} != {0}"), None, ANY, BOOL),
    T.ISINF: (E("magnitude({0}) == INFINITY", "0 * {0}", "fabs({0}) == INFINITY"), "bits.h", ANY, BOOL),
    T.SIGNBIT: (E("__builtin_signbit({0}) != 0", "{0} < 0"), None, NUMBERS, BOOL),
    T.LOGICAL_NOT: (E("!{0}"), None, ANY, BOOL),
    **{
        type: (function(name, double), "elementary.h", ANY, "real")
        for type, name, double in (
            (T.EXP, "exp_f32", "exp"),
            (T.EXPM1, "expm1_f32", "expm1"),
            (T.LOG, "log_f32", "log"),
            (T.LOG1P, "log1p_f32", "log1p"),
            (T.TANH, "tanh_f32", "tanh"),
            (T.SIGMOID, "sigmoid_f32", "sigmoid_f64"),
            (T.ERF, "erf_f32", "erf"),
            (T.SIN, "sin_f32", "sin"),
            (T.COS, "cos_f32", "cos"),
        )
    },
    **{
        type: (function(f"{name}f", name), None, ANY, "real")
        for type, name in {
            T.EXP2: "exp2",
            T.ERFC: "erfc",
            T.LOG2: "log2",
            T.LOG10: "log10",
            T.TAN: "tan",
            T.ASIN: "asin",
            T.ACOS: "acos",
            T.ATAN: "atan",
            T.SINH: "sinh",
            T.COSH: "cosh",
            T.ASINH: "asinh",
            T.ACOSH: "acosh",
            T.ATANH: "atanh",
        }.items()
    },
}

BINARY: Mapping[ACALSimOpType, tuple[str, Formula, tuple[str, ...], Result, tuple[str, ...]]] = {
    # op type: ATen's name, expression, dtypes, dtype of the result, attrs
    T.ADD: ("add", E("{0} + {alpha}{1}", doubles="{0} + {alpha}(double){1}"), ANY, "promoted", ("alpha",)),
    T.SUB: ("sub", E("{0} - {alpha}{1}", doubles="{0} - {alpha}(double){1}"), ANY, "promoted", ("alpha",)),
    T.MUL: ("mul", E("{0} * {1}"), ANY, "promoted", ()),
    T.MAXIMUM: ("maximum", E("({0} > {1} || {0} != {0}) ? {0} : {1}"), ANY, "promoted", ()),
    T.MINIMUM: ("minimum", E("({0} < {1} || {0} != {0}) ? {0} : {1}"), ANY, "promoted", ()),
    T.FMOD: (
        "fmod",
        E("fmodf({0}, {1})", "{1} == -1 ? 0 : {0} % {1}", "fmod({0}, {1})"),
        NUMBERS,
        "promoted",
        (),
    ),
    T.REMAINDER: (
        "remainder",
        E("remainder_f32({0}, {1})", "remainder_i64({0}, {1})", "remainder_f64({0}, {1})"),
        NUMBERS,
        "promoted",
        (),
    ),
    T.FMAX: ("fmax", E("fmaxf({0}, {1})", "{0} > {1} ? {0} : {1}", "fmax({0}, {1})"), ANY, "promoted", ()),
    T.FMIN: ("fmin", E("fminf({0}, {1})", "{0} < {1} ? {0} : {1}", "fmin({0}, {1})"), ANY, "promoted", ()),
    T.HYPOT: ("hypot", E("hypotf({0}, {1})", doubles="hypot({0}, {1})"), REALS, "real", ()),
    T.COPYSIGN: ("copysign", E("copysignf({0}, {1})", doubles="copysign({0}, {1})"), ANY, "real", ()),
    T.ATAN2: ("atan2", E("atan2f({0}, {1})", doubles="atan2({0}, {1})"), NUMBERS, "real", ()),
    **{
        type: (type.name.lower(), E(f"{{0}} {sign} {{1}}"), ANY, BOOL, ())
        for type, sign in {
            T.EQ: "==",
            T.NE: "!=",
            T.LT: "<",
            T.LE: "<=",
            T.GT: ">",
            T.GE: ">=",
            T.LOGICAL_AND: "&&",
            T.LOGICAL_OR: "||",
        }.items()
    },
    T.LOGICAL_XOR: ("logical_xor", E("!{0} != !{1}"), ANY, BOOL, ()),
    T.BITWISE_AND: ("bitwise_and", E("{0} & {1}"), WHOLE, "promoted", ()),
    T.BITWISE_OR: ("bitwise_or", E("{0} | {1}"), WHOLE, "promoted", ()),
    T.BITWISE_XOR: ("bitwise_xor", E("{0} ^ {1}"), WHOLE, "promoted", ()),
}


def bitwise_not(operands: Sequence[str], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc) -> str:
    return f"!{operands[0]}" if out.dtype == "bool" else f"~{operands[0]}"


def left_shift(operands: Sequence[str], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc) -> str:
    """As PyTorch: 0 where the shift is negative or as wide as the integer."""
    bits = 8 * ITEM_BYTES[out.dtype]
    return f"(uint64_t)({operands[1]}) < {bits} ? (int64_t)((uint64_t){operands[0]} << {operands[1]}) : 0"


def right_shift(operands: Sequence[str], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc) -> str:
    """As PyTorch: the sign (0 or -1) where the shift is negative or as wide as the integer."""
    last = 8 * ITEM_BYTES[out.dtype] - (out.dtype != "uint8")
    return f"{operands[0]} >> ((uint64_t)({operands[1]}) < {last} ? {operands[1]} : {last})"


def shifts(side: str, operator: str) -> tuple[str, ...]:
    """ATen's names of a shift to one side."""
    named = (f"aten.bitwise_{side}_shift.{overload}" for overload in ("Tensor", "Tensor_Scalar"))
    return (*named, f"aten.{operator}.Tensor", f"aten.{operator}.Scalar")


UNARY = {**UNARY, T.BITWISE_NOT: (bitwise_not, None, WHOLE, "promoted")}


def where(operands: Sequence[str], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc) -> str:
    condition, first, second = operands
    return f"{condition} ? {first} : {second}"


def cast(operands: Sequence[str], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc) -> str:
    if out.dtype in HALVES or inputs[0].dtype in HALVES:
        return _of_half(operands[0], inputs[0].dtype, out.dtype)
    if out.dtype == "bool":
        return f"{operands[0]} != 0"
    source, value = inputs[0].dtype, operands[0]
    if source in REALS and out.dtype in INTEGERS:
        whole = "whole_of" if out.dtype == "int64" else "whole_i32_of"
        value = f"{whole}{'_f64' if source == 'float64' else ''}({value})"
    return f"({C_TYPES[out.dtype]}){value}"


def _of_half(operand: str, source: str, target: str) -> str:
    """Between half types and float32; through that, nothing else is converted."""
    if source == target:
        return operand
    value = f"value_of_{SUFFIXES[source]}({operand})" if source in HALVES else operand
    return f"{SUFFIXES[target]}_of({value})" if target in HALVES else value


def clamp(operands: Sequence[str], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc) -> str:
    """As PyTorch: NaN stays NaN, and the upper bound wins where it is below the lower one."""
    bounds = (attrs.get(name, attrs.get(f"{name}_val")) for name in ("min", "max"))
    text, dtype = operands[0], computed_in(inputs, out)
    for bound, sign in zip(bounds, "<>", strict=True):
        if bound is not None:
            limit = literal(bound, dtype)
            text = f"({text} {sign} {limit} ? {limit} : {text})"
    return text


def quantise(operands: Sequence[str], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc) -> str:
    """The int8 nearest to a float times the attr scale, saturated (quantise_i8 in kernels/rounding.h)."""
    factor = "" if attrs["scale"] == 1 else f" * {literal(float(attrs['scale']))}"
    return f"quantise_i8({operands[0]}{factor})"


def dequantise(operands: Sequence[str], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc) -> str:
    """The float of an int8: the int8 times the attr scale."""
    return f"(float){operands[0]} * {literal(float(attrs['scale']))}"


def gelu(operands: Sequence[str], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc) -> str:
    name = "gelu_tanh" if attrs.get("approximate") == "tanh" else "gelu"
    return f"{name}_{SUFFIXES[out.dtype]}({operands[0]})"


def leaky_relu(operands: Sequence[str], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc) -> str:
    slope = literal(float(attrs.get("negative_slope", 0.01)), out.dtype)
    return f"{operands[0]} > 0 ? {operands[0]} : {operands[0]} * {slope}"


def elu(operands: Sequence[str], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc) -> str:
    alpha, scale, input_scale = (
        literal(float(attrs.get(name, 1)), out.dtype) for name in ("alpha", "scale", "input_scale")
    )
    x, expm1 = operands[0], "expm1" if out.dtype == "float64" else "expm1_f32"
    return f"{x} > 0 ? {scale} * {x} : {scale} * {alpha} * {expm1}({input_scale} * {x})"


POWERS = {
    0.0: "((void){0}, 1.0f)",
    0.5: "sqrtf({0})",
    1.0: "{0}",
    2.0: "{0} * {0}",
    3.0: "{0} * {0} * {0}",
    4.0: "({0} * {0}) * ({0} * {0})",
    -0.5: "1.0f / sqrtf({0})",
    -1.0: "1.0f / {0}",
    -2.0: "1.0f / ({0} * {0})",
}
"""C by exponent, for the exponents that PyTorch computes without pow() of floats."""


def power(operands: Sequence[str], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc) -> str:
    exponent = attrs.get("exponent")
    if out.dtype not in REALS:
        return f"power_i64({operands[0]}, {operands[1]})"
    if out.dtype == "float64":
        return f"pow({operands[0]}, {operands[1]})"
    if exponent is not None and float(exponent) in POWERS:
        return POWERS[float(exponent)].format(f"((float){operands[0]})")
    return f"pow_f32({operands[0]}, {operands[1]})"


quotient = Expression("(float){0} / (float){1}", doubles="(double){0} / (double){1}")


def rounded_divide(
    operands: Sequence[str], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc
) -> str:
    mode = attrs.get("rounding_mode")
    if mode is None:
        return quotient(operands, attrs, inputs, out)
    kind = SUFFIXES[out.dtype] if out.dtype in REALS else "i64"
    return f"divide_{mode}_{kind}({operands[0]}, {operands[1]})"
