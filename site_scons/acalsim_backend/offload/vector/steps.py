# SPDX-License-Identifier: Apache-2.0
"""Pointwise ops as steps of the vector unit: a row a type of op."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...ir.graph import FLOATING, ACALSimOpType, TensorDesc
from .part import Step

T = ACALSimOpType
Attrs = Mapping[str, Any]


@dataclass(frozen=True)
class Number:
    """An operand that is no tensor."""

    value: int | float


Value = int | Number
"""A numbered value of a part, or a number."""


class Unfit(Exception):
    """Why the vector unit does not compute an op."""


@dataclass
class Steps:
    """Steps in the making. `dtypes` are those of all values so far, loads first."""

    dtypes: list[str]
    steps: list[Step] = field(default_factory=list)
    reduced: set[int] = field(default_factory=set)

    def add(self, command: str, function: str, a: int, dtype: str, **more: Any) -> int:
        """Appends a step and returns the number of its value."""
        onto = more.get("onto")
        self.steps.append(Step(command, function, a, dtype, **more))
        self.dtypes.append(dtype)
        number = len(self.dtypes) - 1
        operands = [
            a,
            *([more["b"]] if isinstance(more.get("b"), int) and not more.get("b_is_number") else []),
            *([onto] if onto is not None else []),
        ]
        if command == "COMMAND_REDUCE" or all(each in self.reduced for each in operands):
            self.reduced.add(number)
        elif onto is not None:
            self.reduced.discard(onto)  # it takes an element for each that is changed in it
        assert onto is None or self.dtypes[onto] == dtype
        return number

    def apply(
        self, function: str, a: int, b: Value | None = None, dtype: str = "float32", **more: Any
    ) -> int:
        """An elementwise function. It computes in integers where no operand and no number is a float."""
        whole = function in WHOLE_TOO and self.dtypes[a] not in FLOATING and dtype not in FLOATING
        if isinstance(b, Number):
            whole = whole and isinstance(b.value, int)
            if whole and not -(1 << 31) <= int(b.value) < 1 << 31:
                raise Unfit(f"the number {b.value} takes more than 32 bits")
            more |= {"b": b.value, "b_is_number": True}
        elif b is not None:
            whole = whole and self.dtypes[b] not in FLOATING
            more["b"] = b
        return self.add("COMMAND_VECTOR", function, a, dtype, is_whole=whole, **more)


COMPARISONS = {
    T.EQ: "EQUAL",
    T.NE: "NOT_EQUAL",
    T.LT: "LESS",
    T.LE: "LESS_EQUAL",
    T.GT: "GREATER",
    T.GE: "GREATER_EQUAL",
}
MIRRORED = {
    "EQUAL": "EQUAL",
    "NOT_EQUAL": "NOT_EQUAL",
    "LESS": "GREATER",
    "LESS_EQUAL": "GREATER_EQUAL",
    "GREATER": "LESS",
    "GREATER_EQUAL": "LESS_EQUAL",
    "ADD": "ADD",
    "MULTIPLY": "MULTIPLY",
    "MAXIMUM": "MAXIMUM",
    "MINIMUM": "MINIMUM",
    "SUBTRACT": "SUBTRACT_FROM",
    "DIVIDE": "DIVIDE_INTO",
}
"""A function with its operands exchanged."""
WHOLE_TOO = {
    *COMPARISONS.values(),
    *("ADD", "SUBTRACT", "SUBTRACT_FROM", "MULTIPLY", "MAXIMUM", "MINIMUM", "AND", "OR", "XOR", "NOT"),
    *("COPY", "NEGATE", "ABSOLUTE", "SIGN", "RELU", "SELECT", "SECOND"),
}
"""Functions that there are of integers as well."""

UNARY = {
    T.NEG: "NEGATE",
    T.ABS: "ABSOLUTE",
    T.SIGN: "SIGN",
    T.RELU: "RELU",
    T.RECIPROCAL: "RECIPROCAL",
    T.SQRT: "SQUARE_ROOT",
    T.RSQRT: "RECIPROCAL_SQUARE_ROOT",
    T.FLOOR: "FLOOR",
    T.CEIL: "CEIL",
    T.ROUND: "ROUND",
    T.TRUNC: "TRUNCATE",
    T.EXP: "EXP",
    T.EXPM1: "EXPM1",
    T.LOG: "LOG",
    T.LOG1P: "LOG1P",
    T.TANH: "TANH",
    T.SIGMOID: "SIGMOID",
    T.ERF: "ERF",
    T.SIN: "SIN",
    T.COS: "COS",
}
BINARY = {
    T.MUL: "MULTIPLY",
    T.DIV: "DIVIDE",
    T.MAXIMUM: "MAXIMUM",
    T.MINIMUM: "MINIMUM",
    **COMPARISONS,
}
ROUNDED_WHOLE = {T.FLOOR, T.CEIL, T.ROUND, T.TRUNC}


def steps_of(
    kind: T, operands: Sequence[Value], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc, to: Steps
) -> int:
    """The steps of one op; returns the number of its result. Raises Unfit where there are none."""
    builder = BUILDERS.get(kind)
    if builder is None:
        raise Unfit(f"the vector unit has no {kind.name}")
    return builder(kind, operands, attrs, inputs, out, to)


Builder = Callable[[T, Sequence[Value], Attrs, Sequence[TensorDesc], TensorDesc, Steps], int]


def _tensor(value: Value) -> int:
    if isinstance(value, Number):
        raise Unfit("an operand is a number")
    return value


def _binary(to: Steps, function: str, a: Value, b: Value, dtype: str) -> int:
    """With a number on the left, the function that takes it on the right."""
    if isinstance(a, Number):
        return to.apply(MIRRORED[function], _tensor(b), a, dtype)
    return to.apply(function, a, b, dtype)


def unary(
    kind: T, operands: Sequence[Value], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc, to: Steps
) -> int:
    a = _tensor(operands[0])
    if kind in ROUNDED_WHOLE and out.dtype != "float32":
        return to.apply("COPY", a, dtype=out.dtype)
    return to.apply(UNARY[kind], a, dtype=out.dtype)


def binary(
    kind: T, operands: Sequence[Value], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc, to: Steps
) -> int:
    a, b = operands
    return _binary(to, BINARY[kind], a, b, out.dtype)


def added(
    kind: T, operands: Sequence[Value], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc, to: Steps
) -> int:
    """self + alpha * other, or minus."""
    a, b = operands
    alpha = attrs.get("alpha", 1)
    if alpha != 1:
        b = (
            Number(b.value * alpha)
            if isinstance(b, Number)
            else to.apply("MULTIPLY", b, Number(alpha), out.dtype)
        )
    return _binary(to, "ADD" if kind is T.ADD else "SUBTRACT", a, b, out.dtype)


def logical(
    kind: T, operands: Sequence[Value], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc, to: Steps
) -> int:
    if any(desc.dtype != "bool" for desc in inputs) and kind.name.startswith("LOGICAL"):
        raise Unfit("its operands are no truth values")
    a, b = operands
    return to.apply(kind.name.split("_")[1], _tensor(a), b, out.dtype)


def inverted(
    kind: T, operands: Sequence[Value], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc, to: Steps
) -> int:
    if kind is T.BITWISE_NOT and out.dtype != "bool":
        return to.apply("XOR", _tensor(operands[0]), Number(-1), out.dtype)
    return to.apply("EQUAL", _tensor(operands[0]), Number(0), "bool")


def not_a_number(
    kind: T, operands: Sequence[Value], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc, to: Steps
) -> int:
    a = _tensor(operands[0])
    return to.apply("NOT_EQUAL", a, a, "bool")


def where(
    kind: T, operands: Sequence[Value], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc, to: Steps
) -> int:
    """The second operand, and the first over it where the condition says so."""
    condition, first, second = operands
    condition = _tensor(condition)
    if isinstance(first, Number):
        if isinstance(second, Number):
            raise Unfit("both values are numbers")
        condition = to.apply("EQUAL", condition, Number(0), "bool")
        first, second = second, first
    elif to.dtypes[condition] != "bool":
        condition = to.apply("NOT_EQUAL", condition, Number(0), "bool")
    if isinstance(second, Number):
        base = to.apply("SECOND", first, second, out.dtype)
    else:
        base = to.apply("COPY", second, dtype=out.dtype)
    return to.apply("SELECT", first, condition, out.dtype, onto=base)


def clamp(
    kind: T, operands: Sequence[Value], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc, to: Steps
) -> int:
    value = _tensor(operands[0])
    low, high = (attrs.get(name, attrs.get(f"{name}_val")) for name in ("min", "max"))
    if kind is T.HARDTANH:
        low, high = attrs.get("min_val", -1.0), attrs.get("max_val", 1.0)
    for function, limit in (("MAXIMUM", low), ("MINIMUM", high)):
        if limit is not None:
            value = to.apply(function, value, Number(limit), out.dtype)
    return value


def gelu(
    kind: T, operands: Sequence[Value], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc, to: Steps
) -> int:
    return to.apply("GELU_TANH" if attrs.get("approximate") == "tanh" else "GELU", _tensor(operands[0]))


def leaky_relu(
    kind: T, operands: Sequence[Value], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc, to: Steps
) -> int:
    value = _tensor(operands[0])
    result = to.apply("MULTIPLY", value, Number(float(attrs.get("negative_slope", 0.01))))
    positive = to.apply("GREATER", value, Number(0.0), "bool")
    return to.apply("SELECT", value, positive, onto=result)


def elu(
    kind: T, operands: Sequence[Value], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc, to: Steps
) -> int:
    value = _tensor(operands[0])
    alpha, scale, inner = (float(attrs.get(name, 1)) for name in ("alpha", "scale", "input_scale"))
    grown = value if inner == 1 else to.apply("MULTIPLY", value, Number(inner))
    below = to.apply("MULTIPLY", to.apply("EXPM1", grown), Number(scale * alpha))
    above = value if scale == 1 else to.apply("MULTIPLY", value, Number(scale))
    return to.apply("SELECT", above, to.apply("GREATER", value, Number(0.0), "bool"), onto=below)


def power(
    kind: T, operands: Sequence[Value], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc, to: Steps
) -> int:
    a, exponent = operands
    if out.dtype != "float32":
        raise Unfit("the vector unit has no powers of integers")
    if isinstance(a, Number):
        a = to.apply("SECOND", _tensor(exponent), Number(float(a.value)))
    value = float(exponent.value) if isinstance(exponent, Number) else None
    if value in (2.0, 3.0, 4.0, -2.0):
        square = to.apply("MULTIPLY", a, a)
        if value == 3:
            return to.apply("MULTIPLY", square, a)
        if value == 4:
            return to.apply("MULTIPLY", square, square)
        return square if value == 2 else to.apply("RECIPROCAL", square)
    functions = {0.5: "SQUARE_ROOT", 1.0: "COPY", -0.5: "RECIPROCAL_SQUARE_ROOT", -1.0: "RECIPROCAL"}
    if value not in functions:
        return to.apply("POWER", a, exponent if value is None else Number(value))
    return to.apply(functions[value], a)


def cast(
    kind: T, operands: Sequence[Value], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc, to: Steps
) -> int:
    a = _tensor(operands[0])
    if out.dtype == "bool":
        return to.apply("NOT_EQUAL", a, Number(0), "bool")
    return to.apply("COPY", a, dtype=out.dtype)


def quantise(
    kind: T, operands: Sequence[Value], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc, to: Steps
) -> int:
    return to.apply(
        "MULTIPLY", _tensor(operands[0]), Number(float(attrs["scale"])), "int8", flags=("FLAG_ROUND",)
    )


def dequantise(
    kind: T, operands: Sequence[Value], attrs: Attrs, inputs: Sequence[TensorDesc], out: TensorDesc, to: Steps
) -> int:
    return to.apply("MULTIPLY", _tensor(operands[0]), Number(float(attrs["scale"])))


BUILDERS: Mapping[T, Builder] = {
    **dict.fromkeys(UNARY, unary),
    **dict.fromkeys(BINARY, binary),
    T.ADD: added,
    T.SUB: added,
    **dict.fromkeys((T.LOGICAL_AND, T.LOGICAL_OR, T.LOGICAL_XOR), logical),
    **dict.fromkeys((T.BITWISE_AND, T.BITWISE_OR, T.BITWISE_XOR), logical),
    **dict.fromkeys((T.LOGICAL_NOT, T.BITWISE_NOT), inverted),
    T.ISNAN: not_a_number,
    T.WHERE: where,
    T.CLAMP: clamp,
    T.HARDTANH: clamp,
    T.GELU: gelu,
    T.LEAKY_RELU: leaky_relu,
    T.ELU: elu,
    T.POW: power,
    T.CAST: cast,
    T.QUANTIZE: quantise,
    T.DEQUANTIZE: dequantise,
}
