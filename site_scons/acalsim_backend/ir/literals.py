# SPDX-License-Identifier: Apache-2.0
"""Dtypes and numbers in, their names and literals in C out."""

from __future__ import annotations

import math
import struct

C_TYPES = {
    "float32": "float",
    "float64": "double",
    "int64": "int64_t",
    "int32": "int32_t",
    "int16": "int16_t",
    "int8": "int8_t",
    "uint8": "uint8_t",
    "bool": "uint8_t",
    "bfloat16": "uint16_t",
    "float16": "uint16_t",
}

SUFFIXES = {
    "float32": "f32",
    "float64": "f64",
    "int64": "i64",
    "int32": "i32",
    "int16": "i16",
    "int8": "i8",
    "uint8": "u8",
    "bool": "u8",
    "bfloat16": "bf16",
    "float16": "f16",
}
"""Of the names of C functions."""

LEAST_INT64 = -(1 << 63)
"""The one int64 that C has no literal for."""


def as_float32(value: float) -> float:
    """The nearest float32. Values beyond the largest float32 become infinities."""
    try:
        (rounded,) = struct.unpack("f", struct.pack("f", value))
        return float(rounded)
    except OverflowError:
        return math.copysign(math.inf, value)


def literal(value: float | int | bool, dtype: str = "float32") -> str:
    """The C literal of an integer, or of a float as one of `dtype`, float64 or float32. Floats are printed in
    hexadecimal, which is exact."""
    if isinstance(value, bool | int):
        return f"({int(value) + 1} - 1)" if value == LEAST_INT64 else str(int(value))
    if math.isnan(value):
        return "NAN"
    value = value if dtype == "float64" else as_float32(value)
    if math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    return value.hex() if dtype == "float64" else f"{value.hex()}f"
