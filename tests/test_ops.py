# SPDX-License-Identifier: Apache-2.0
"""Every row of ops.ROWS against PyTorch: captured, printed as C, compiled for this machine, run, compared.

The cases of a row are one graph, so one capture and one compilation serve them all. Beside the cases
that somebody thought of, hypothesis draws shapes and arguments for every row.
"""

import functools
import itertools
import re
from math import inf, nan, prod

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from acalsim_backend.capture import Captured, capture_model
from acalsim_backend.capture.model import tensors_of
from acalsim_backend.capture.model_file import ModelFile
from acalsim_backend.capture.rules import WITHOUT_EFFECT
from acalsim_backend.codegen.loops import collapse, index, nest
from acalsim_backend.errors import CaptureError
from acalsim_backend.ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from acalsim_backend.ir.literals import literal
from acalsim_backend.ir.ops import ATEN, ROWS
from acalsim_backend.ir.shapes import broadcast
from acalsim_backend.ir.verify import verify
from host_fixtures import Case, Library, captured_function
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

T = ACALSimOpType
aten = torch.ops.aten
TOLERANCE = 2e-6
"""Of one element, relative to the largest; float32 has 24 bits, so this is some 16 roundings."""
LONG_SUMS = 1e-5
"""Where hundreds of terms are added, in another order than PyTorch adds them."""

ODD = torch.tensor([0.0, -0.0, 1.5, -2.5, inf, -inf, nan, 1e-40, 3e38, -1e-45, 7.0, -7.0])
FAR = torch.tensor([0.0, -0.0, 1.5, -2.5, inf, -inf, nan, 1e-40, 1000.0, -10000.0])
"""Odd angles; where turns are larger than float32 tells apart, no two libraries agree."""
FINITE = torch.tensor([0.0, -0.0, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 1e-40, 7.25, -1e-45, 8388609.0])
TIES = torch.tensor([[3.0, 1, 3, 0, 1], [2, 2, 2, 2, 2], [-1, -0.0, 0, -1, 5]])
WITH_NAN = torch.tensor(
    [[1.0, nan, 2, nan], [nan, nan, nan, nan], [-inf, 0, inf, nan], [-inf, -inf, -inf, 1]]
)
INT32, INT8, BOOL = torch.int32, torch.int8, torch.bool
_seeds = itertools.count()


def f(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(next(_seeds)))


def n(*shape, dtype=torch.int64, low=-50, high=50):
    return torch.randint(low, high, shape, generator=torch.Generator().manual_seed(next(_seeds))).to(dtype)


def b(*shape):
    return n(*shape, low=0, high=2, dtype=BOOL)


def nonzero(*shape, dtype=torch.int64):
    values = n(*shape, dtype=dtype)
    return torch.where(values == 0, torch.ones_like(values), values)


# --- pointwise ------------------------------------------------------------------------------------


def unary_cases(type):
    """One element at a time: odd values, many values, no values, 0-d, strided, whole numbers."""
    name, row = type.name.lower(), ROWS[type]
    function = getattr(torch, name)
    odd = FAR if type in (T.SIN, T.COS, T.TAN) else ODD
    cases = (
        {"of 0-d": (function, (n(),))}
        if type is T.BITWISE_NOT
        else {
            "odd": (function, (odd,)),
            "many": (function, (torch.linspace(-25, 25, 101),)),
            "between -1 and 1": (function, (torch.linspace(-1, 1, 41),)),
            "of 0-d": (function, (f(),)),
            "of nothing": (function, (f(3, 0, 2),)),
            "transposed": (lambda x: function(x.t()).t(), (f(3, 4),)),
            "strided": (lambda x: function(x[:, ::2]), (f(3, 7),)),
            "backwards": (lambda x: function(x.flip(0)), (f(5),)),
        }
    )
    for dtype in (torch.int64, INT32, INT8):
        cases[f"of {dtype}"] = (function, (n(3, 4, dtype=dtype),))
    if "bool" in row.dtypes and type not in (T.ISNAN, T.ISINF):
        cases["of bool"] = (function, (b(7),))
    return cases


def binary_cases(type, function, floats=True, integers=True, bools=False, whole=n):
    """Two operands: broadcast, odd, numbers on either side, dtypes together, nothing at all."""
    cases = {}
    if floats:
        cases |= {
            "same shape": (function, (f(3, 4), f(3, 4))),
            "broadcast": (function, (f(2, 1, 4, 1), f(3, 1, 5))),
            "odd": (function, (ODD[:, None], ODD.flip(0))),
            "0-d": (function, (f(), f())),
            "0-d and matrix": (function, (f(), f(3, 2))),
            "nothing": (function, (f(3, 0, 2), f(2))),
            "transposed": (lambda x, y: function(x.t(), y), (f(3, 4), f(4, 3))),
            "with itself": (lambda x: function(x, x), (ODD,)),
            "sliced": (lambda x, y: function(x[1:, ::2], y[:-1, 1::2]), (f(4, 6), f(4, 6))),
        }
    if integers:
        for dtype in (torch.int64, INT32, INT8):
            cases[f"of {dtype}"] = (function, (n(3, 4, dtype=dtype), whole(4, dtype=dtype)))
        cases["of int64 and int32"] = (function, (n(3, 4), whole(4, dtype=INT32)))
        cases["of int8 and int32"] = (function, (n(3, 4, dtype=INT8), whole(4, dtype=INT32)))
        cases["of a 0-d int64 and int32"] = (function, (n(3, 4, dtype=INT32), whole()))
    if floats and integers:
        cases["of float and int64"] = (function, (f(3, 4), whole(4)))
        cases["of int64 and float"] = (function, (n(3, 1), f(4)))
    if bools:
        cases["of bools"] = (function, (b(3, 4), b(4)))
    if bools and integers:
        cases["of bool and int64"] = (function, (b(3, 4), whole(4)))
    return cases


def scalar_cases(function, floats=(2.5, -3.0, 0), integers=(2, -3), of_int=True):
    """A number as the second operand; what is left of a huge one depends on how its library divides."""
    rounded = function in (torch.fmod, torch.remainder)
    cases = {
        f"with {number}": (
            lambda x, number=number: function(x, number),
            (torch.cat([ODD[:8] if rounded else ODD, f(9)]),),
        )
        for number in (*floats, *integers)
    }
    if of_int:
        cases |= {
            f"of int64 with {number}": (lambda x, number=number: function(x, number), (n(9),))
            for number in integers
        }
        cases |= {
            f"of int64 with {number}": (lambda x, number=number: function(x, number), (n(9),))
            for number in floats[:1]
        }
    return cases


def compared(type):
    function = getattr(torch, type.name.lower())
    return {
        **binary_cases(type, function, bools=True),
        **scalar_cases(function, floats=(0.1, inf, nan), integers=(0, -2)),
        "of whole numbers beyond float32": (
            lambda x: function(x, 2**24 + 1),
            (torch.tensor([2**24, 2**24 + 1, 2**24 + 2]),),
        ),
        "of int64 and a float beyond float32": (
            function,
            (torch.tensor([2**24 + 1]), torch.tensor([2.0**24])),
        ),
    }


def logical(type):
    function = getattr(torch, type.name.lower())
    return {
        **binary_cases(type, function, bools=True),
        "fused": (lambda x, y: function(x > 0, y).float() + 1, (f(9), f(9))),
    }


def bitwise(type):
    function = getattr(torch, type.name.lower())
    return {
        **binary_cases(type, function, floats=False, bools=True),
        "with 6": (lambda x: function(x, 6), (n(9),)),
        "with -3": (lambda x: function(x, -3), (n(9, dtype=INT32),)),
        "bool with True": (lambda x: function(x, True), (b(9),)),
    }


def shifting(function, by_number):
    return {
        **binary_cases(None, function, floats=False, whole=functools.partial(n, low=0, high=8)),
        "beyond the last bit": (function, (n(9), torch.arange(60, 69))),
        "of int8 beyond the last bit": (function, (n(9, dtype=INT8), torch.arange(3, 12, dtype=INT8))),
        "by 3": (by_number, (n(9),)),
        "int32 by 3": (by_number, (n(9, dtype=INT32),)),
    }


POINTWISE = {
    **{
        type: unary_cases(type)
        for type in (
            T.NEG,
            T.ABS,
            T.SIGN,
            T.RELU,
            T.RECIPROCAL,
            T.SQRT,
            T.RSQRT,
            T.FLOOR,
            T.CEIL,
            T.ROUND,
            T.TRUNC,
            T.ISNAN,
            T.ISINF,
            T.SIGNBIT,
            T.LOGICAL_NOT,
            T.EXP,
            T.EXP2,
            T.EXPM1,
            T.LOG,
            T.LOG1P,
            T.LOG2,
            T.LOG10,
            T.SIN,
            T.COS,
            T.TAN,
            T.ASIN,
            T.ACOS,
            T.ATAN,
            T.SINH,
            T.COSH,
            T.TANH,
            T.ASINH,
            T.ACOSH,
            T.ATANH,
            T.ERF,
            T.ERFC,
            T.SIGMOID,
            T.BITWISE_NOT,
        )
    },
    **{type: compared(type) for type in (T.EQ, T.NE, T.LT, T.LE, T.GT, T.GE)},
    **{type: logical(type) for type in (T.LOGICAL_AND, T.LOGICAL_OR, T.LOGICAL_XOR)},
    **{type: bitwise(type) for type in (T.BITWISE_AND, T.BITWISE_OR, T.BITWISE_XOR)},
    T.ADD: {
        **binary_cases(T.ADD, torch.add, bools=True),
        **scalar_cases(torch.add),
        "fraction in front": (lambda x: 0.1 + x, (f(3, 4),)),
        "huge": (lambda x: x + 3e38, (ODD,)),
        "tiny": (lambda x: x + 1e-50, (ODD,)),
        "infinity": (lambda x: x + inf, (ODD,)),
        "undefined": (lambda x: x + nan, (ODD,)),
        "scaled": (lambda x, y: torch.add(x, y, alpha=-2.5), (f(3, 4), f(4))),
        "scaled number": (lambda x: torch.add(x, 2, alpha=3), (f(3, 4),)),
        "int64 scaled": (lambda x, y: torch.add(x, y, alpha=-3), (n(3, 4), n(4))),
        "overflows": (lambda x: x + (2**63 - 1), (n(9),)),
        "int8 overflows": (torch.add, (n(9, dtype=INT8) * 2, n(9, dtype=INT8) * 2)),
        "int32 overflows": (lambda x: x + (2**31 - 1), (n(9, dtype=INT32),)),
        "least": (lambda x: x + -(2**63), (n(9),)),
        "True": (lambda x: x + True, (n(5),)),
        "a sum of bools is a bool, and then a number": (lambda x, y: (x + y) + 1, (b(9), b(9))),
    },
    T.SUB: {
        **binary_cases(T.SUB, torch.sub),
        **scalar_cases(torch.sub),
        "scaled": (lambda x, y: torch.sub(x, y, alpha=2), (f(3, 4), f(3, 1))),
        "negative number": (lambda x: x - -2.5, (f(3),)),
        "from number": (lambda x: 2 - x, (f(3),)),
        "int64 from number": (lambda x, y: 7 - (x - y), (n(3, 4), n(4))),
    },
    T.MUL: {
        **binary_cases(T.MUL, torch.mul, bools=True),
        **scalar_cases(torch.mul),
        "large number": (lambda x: x * 16777217, (f(3),)),
        "int64 overflows": (lambda x: x * (2**62 + 1), (n(9),)),
        "int8 overflows and is compared": (lambda x: (x * x) > 0, (n(9, dtype=INT8),)),
        "mask": (lambda x: x * (x > 0), (ODD[:4],)),
    },
    T.DIV: {
        **binary_cases(T.DIV, torch.div, bools=True),
        **scalar_cases(torch.div, floats=(3.0, 0.1, 0.0), integers=(7, -2)),
        "int64 by 0 is infinite": (torch.div, (n(5), torch.zeros(5, dtype=torch.int64))),
    },
    T.DIV_ROUNDED: {
        f"{mode} {name}": (functools.partial(apply, mode), inputs)
        for mode in ("floor", "trunc")
        for apply in (lambda mode, x, y=None: torch.div(x, 3 if y is None else y, rounding_mode=mode),)
        for name, inputs in {
            "floats": (f(3, 40) * 9, f(40)),
            "odd": (ODD[:, None], ODD.flip(0)),
            "int64": (n(30, 1), nonzero(30)),
            "int32": (n(9, dtype=INT32), nonzero(9, dtype=INT32)),
            "int8": (n(9, dtype=INT8), nonzero(9, dtype=INT8)),
            "by number": (f(9) * 9,),
            "int64 by number": (n(9),),
            "float by int64": (f(9) * 20, nonzero(9)),
            "exact": (torch.arange(-9.0, 9) * 0.1, torch.tensor(0.1)),
        }.items()
    },
    T.MAXIMUM: binary_cases(T.MAXIMUM, torch.maximum, bools=True),
    T.MINIMUM: binary_cases(T.MINIMUM, torch.minimum, bools=True),
    T.FMOD: {
        **binary_cases(T.FMOD, torch.fmod, whole=nonzero),
        **scalar_cases(torch.fmod, floats=(2.5, -0.75), integers=(3, -4, -1)),
    },
    T.REMAINDER: {
        **binary_cases(T.REMAINDER, torch.remainder, whole=nonzero),
        **scalar_cases(torch.remainder, floats=(2.5, -0.75), integers=(3, -4, -1)),
    },
    T.FMAX: binary_cases(T.FMAX, torch.fmax, bools=True),
    T.FMIN: binary_cases(T.FMIN, torch.fmin, bools=True),
    T.ATAN2: {**binary_cases(T.ATAN2, torch.atan2)},
    T.HYPOT: binary_cases(T.HYPOT, torch.hypot, integers=False),
    T.COPYSIGN: {
        **binary_cases(T.COPYSIGN, torch.copysign, bools=True),
        "with -2": (lambda x: torch.copysign(x, -2), (ODD,)),
    },
    T.BITWISE_LEFT_SHIFT: shifting(torch.bitwise_left_shift, lambda x: x << 3),
    T.BITWISE_RIGHT_SHIFT: shifting(torch.bitwise_right_shift, lambda x: x >> 3),
    T.POW: {
        **{
            f"float to {e}": (lambda x, e=e: x**e, (torch.cat([ODD, f(20)]),))
            for e in (0, 0.5, 1, 2, 3, 4, -0.5, -1, -2, 2.5, -3, 10, 1 / 3, -1.5)
        },
        **{f"int64 to {e}": (lambda x, e=e: x**e, (n(20),)) for e in (0, 1, 2, 3, 7, 0.5, 2.0)},
        "int32 squared": (lambda x: x**2, (n(9, dtype=INT32),)),
        "int8 cubed": (lambda x: x**3, (n(9, dtype=INT8),)),
        "2 to float": (lambda x: 2**x, (f(20) * 9,)),
        "2.5 to int64": (lambda x: 2.5**x, (n(9, low=-9, high=9),)),
        "-2 to int64": (lambda x: (-2) ** x, (n(9, low=0, high=9),)),
        "float to float": (torch.pow, (f(20).abs(), f(20) * 3)),
        "odd": (torch.pow, (ODD[:, None], torch.tensor([0.0, 1, -1, 2, -2, 3, 0.5, -0.5, inf, -inf, nan]))),
        "float to int64": (torch.pow, (f(20), n(20, low=-5, high=6))),
        "int64 to int64": (torch.pow, (n(20, low=-4, high=5), n(20, low=0, high=9))),
        "int64 to a negative int64": (
            torch.pow,
            (torch.tensor([1, -1, -1, 2, -3, 7]), torch.tensor([-3, -3, -4, -1, -2, -1])),
        ),
        "broadcast": (torch.pow, (f(3, 1).abs(), f(4))),
    },
    T.WHERE: {
        "same shape": (torch.where, (b(3, 4), f(3, 4), f(3, 4))),
        "broadcast": (torch.where, (b(3, 1), f(2, 1, 4), f(3, 4))),
        "with a number": (lambda c, x: torch.where(c, x, -1.5), (b(3, 4), f(3, 4))),
        "with infinity": (lambda x: torch.where(x > 0, x, -inf), (f(3, 4),)),
        "masked_fill": (lambda x, c: x.masked_fill(c, -inf), (f(2, 3, 3), b(3, 3))),
        "int64": (torch.where, (b(5), n(5), n(5))),
        "int64 and number": (lambda c, x: torch.where(c, x, 7), (b(5), n(5))),
        "bool": (torch.where, (b(5), b(5), b(5))),
        "0-d": (torch.where, (torch.tensor(True), f(4), f(4))),
        "the other one is undefined": (
            torch.where,
            (torch.tensor([True, False]), torch.tensor([1.0, nan]), torch.tensor([nan, 2.0])),
        ),
    },
    T.CLAMP: {
        "both": (lambda x: x.clamp(-1, 1.5), (ODD,)),
        "low": (lambda x: x.clamp(min=-1), (ODD,)),
        "high": (lambda x: x.clamp(max=0.5), (ODD,)),
        "crossing": (lambda x: x.clamp(2, -2), (ODD,)),
        "int64": (lambda x: x.clamp(-5, 7), (n(30),)),
        "int8": (lambda x: x.clamp(max=3), (n(9, dtype=INT8),)),
        "int64 between fractions": (lambda x: x.clamp(-1.5, 2.5), (n(9, low=-4, high=4),)),
        "infinite": (lambda x: x.clamp(-inf, inf), (ODD,)),
        "0-d": (lambda x: x.clamp(0, 1), (f(),)),
    },
    T.HARDTANH: {
        "hardtanh": (F.hardtanh, (ODD,)),
        "relu6": (F.relu6, (f(20) * 9,)),
        "bounds": (lambda x: F.hardtanh(x, -0.5, 2), (f(20),)),
        "hardswish's": (lambda x: x * F.relu6(x + 3) / 6, (f(20) * 4,)),
    },
    T.GELU: {
        "exact": (F.gelu, (torch.linspace(-12, 12, 97),)),
        "tanh": (lambda x: F.gelu(x, approximate="tanh"), (torch.linspace(-12, 12, 97),)),
        "odd": (F.gelu, (FINITE,)),
        "odd tanh": (lambda x: F.gelu(x, approximate="tanh"), (FINITE,)),
        "undefined": (F.gelu, (torch.tensor([nan, 0.0]),)),
        "0-d": (F.gelu, (f(),)),
    },
    T.LEAKY_RELU: {
        "leaky_relu": (F.leaky_relu, (ODD,)),
        "steep": (lambda x: F.leaky_relu(x, 2.0), (f(9),)),
        "negative": (lambda x: F.leaky_relu(x, -1), (f(9),)),
    },
    T.ELU: {
        "elu": (F.elu, (torch.cat([ODD, f(30) * 4]),)),
        "alpha": (lambda x: F.elu(x, 0.3), (f(9),)),
        "selu": (F.selu, (f(30) * 4,)),
        "celu": (lambda x: F.celu(x, 2.0), (f(9),)),
    },
    T.CAST: {
        "float to int64": (lambda x: x.long(), (FINITE,)),
        "float to int32": (lambda x: x.int(), (FINITE,)),
        "float to int8": (lambda x: x.to(INT8), (f(9) * 40,)),
        "float to bool": (lambda x: x.bool(), (ODD,)),
        "int64 to float": (lambda x: x.float(), (torch.tensor([2**24 + 1, -(2**63), 2**63 - 1, 0]),)),
        "int64 to int8": (lambda x: x.to(INT8), (n(9) * 100,)),
        "int64 to int32": (lambda x: x.int(), (n(9) * 2**40 + 7,)),
        "int64 to bool": (lambda x: x.bool(), (n(9, low=0, high=3) * 256,)),
        "int8 to int64": (lambda x: x.long(), (n(9, dtype=INT8),)),
        "bool to float": (lambda x: x.float(), (b(9),)),
        "bool to int64": (lambda x: x.long(), (b(9),)),
        "int32 to bool": (lambda x: x.bool(), (n(9, low=0, high=3).to(INT32) * 65536,)),
        "bool of a comparison": (lambda x: (x > 0).float() * 3, (f(9),)),
        "there and back": (lambda x: x.to(INT8).float() + 0.5, (f(9) * 20,)),
        "0-d": (lambda x: x.float(), (n(),)),
        "transposed": (lambda x: x.t().long(), (f(3, 4) * 9,)),
    },
}


# --- reductions -----------------------------------------------------------------------------------


def reductions(function, **more):
    """Over all, some, no and empty dimensions, kept or not, of strided operands."""
    return {
        "all": (function, (f(3, 4, 5),)),
        "last": (lambda x: function(x, dim=-1), (f(3, 4, 5),)),
        "first": (lambda x: function(x, dim=0), (f(3, 4, 5),)),
        "middle kept": (lambda x: function(x, dim=1, keepdim=True), (f(3, 4, 5),)),
        "0-d": (function, (f(),)),
        "of no rows": (lambda x: function(x, dim=1), (f(0, 3),)),
        "of one": (lambda x: function(x, dim=1), (f(4, 1),)),
        "transposed": (lambda x: function(x.t(), dim=0), (f(3, 4),)),
        "strided": (lambda x: function(x[:, ::3], dim=1), (f(3, 10),)),
        "of a computed operand": (lambda x: function(x * 2 + 1, dim=1), (f(3, 10),)),
        "undefined": (lambda x: function(x, dim=1), (WITH_NAN,)),
        **more,
    }


def several_dims(function):
    return {
        "several": (lambda x: function(x, dim=(0, -1)), (f(3, 4, 5),)),
        "several kept": (lambda x: function(x, dim=(-1, 0), keepdim=True), (f(3, 4, 5),)),
        "all kept": (lambda x: function(x, dim=(0, 1, 2), keepdim=True), (f(3, 4, 5),)),
        "several and then more": (lambda x: function(x, dim=(0, 2)) * 2 + x[0, :, 0], (f(3, 4, 5),)),
    }


def of_dtypes(function, *dtypes):
    return {
        f"of {dtype}": (
            lambda x: function(x, dim=1),
            ((b if dtype is BOOL else functools.partial(n, dtype=dtype))(5, 7),),
        )
        for dtype in dtypes
    }


REDUCING = {
    T.SUM: {
        **reductions(torch.sum),
        **several_dims(torch.sum),
        **of_dtypes(torch.sum, torch.int64, INT32, INT8, BOOL),
        "over nothing": (lambda x: x.sum(1), (f(3, 0),)),
        "of nothing at all": (torch.sum, (f(0),)),
        "of int8 is int64": (torch.sum, (torch.full((300,), 100, dtype=INT8),)),
        "of an overflowing product": (lambda x: (x * x).sum(), (n(40, dtype=INT8),)),
        "of int64 as float": (lambda x: x.sum(1, dtype=torch.float32), (n(3, 4),)),
        "of large numbers": (torch.sum, (torch.tensor([2**62, 2**62, 2**62]),)),
        "of a comparison": (lambda x: (x > 0).sum(0), (f(9, 3),)),
    },
    T.MEAN: {
        **reductions(torch.mean),
        **several_dims(torch.mean),
        "over nothing": (lambda x: x.mean(1), (f(3, 0),)),
        "of 8": (lambda x: x.mean(-1), (f(3, 8),)),
        "of 7": (lambda x: x.mean(-1), (f(3, 7),)),
    },
    T.PROD: {
        **reductions(torch.prod),
        **of_dtypes(torch.prod, torch.int64, INT32, INT8, BOOL),
        "over nothing": (lambda x: x.prod(1), (f(3, 0),)),
    },
    T.AMAX: {
        **reductions(torch.amax),
        **several_dims(torch.amax),
        **of_dtypes(torch.amax, torch.int64, INT32, INT8, BOOL),
        "max": (torch.max, (f(3, 4),)),
        "max along": (lambda x: torch.max(x, 1).values, (WITH_NAN,)),
        "least": (lambda x: x.amax(0), (torch.tensor([[-(2**63)], [-(2**63)]]),)),
    },
    T.AMIN: {
        **reductions(torch.amin),
        **several_dims(torch.amin),
        **of_dtypes(torch.amin, torch.int64, INT32, INT8, BOOL),
        "min": (torch.min, (f(3, 4),)),
        "min along": (lambda x: torch.min(x, 1).values, (WITH_NAN,)),
        "largest": (lambda x: x.amin(0), (torch.tensor([[2**63 - 1], [2**63 - 1]]),)),
    },
    T.ANY: {
        **reductions(torch.any),
        **of_dtypes(torch.any, torch.int64, INT32, INT8, BOOL),
        "of a comparison": (lambda x: (x > 1).any(1), (f(9, 3),)),
        "over nothing": (lambda x: x.any(1), (b(3, 0),)),
        "several": (lambda x: x.any((0, 2)), (b(3, 4, 5),)),
        "of zeros": (torch.any, (torch.tensor([0.0, -0.0]),)),
    },
    T.ALL: {
        **reductions(torch.all),
        **of_dtypes(torch.all, torch.int64, INT32, INT8, BOOL),
        "of a comparison": (lambda x: (x > -1).all(1), (f(9, 3),)),
        "over nothing": (lambda x: x.all(1), (b(3, 0),)),
        "several": (lambda x: x.all((0, 2)), (b(3, 4, 5),)),
        "of halves": (torch.all, (torch.tensor([0.5, 0.25]),)),
    },
    T.ARGMAX: {
        **reductions(torch.argmax),
        **of_dtypes(torch.argmax, torch.int64, INT32, INT8),
        "ties": (lambda x: x.argmax(1), (TIES,)),
        "ties along columns": (lambda x: x.argmax(0), (TIES,)),
        "max along": (lambda x: torch.max(x, 1).indices, (TIES,)),
        "kept": (lambda x: x.argmax(1, keepdim=True), (TIES,)),
        "all kept": (lambda x: x.argmax(keepdim=True), (TIES,)),
        "infinite": (lambda x: x.argmax(1), (torch.tensor([[-inf, -inf], [inf, inf]]),)),
        "then a number": (lambda x: x.argmax(1) * 2, (f(4, 5),)),
    },
    T.ARGMIN: {
        **reductions(torch.argmin),
        **of_dtypes(torch.argmin, torch.int64, INT32, INT8),
        "ties": (lambda x: x.argmin(1), (TIES,)),
        "ties along columns": (lambda x: x.argmin(0), (TIES,)),
        "min along": (lambda x: torch.min(x, 1).indices, (TIES,)),
        "kept": (lambda x: x.argmin(1, keepdim=True), (TIES,)),
    },
    T.VAR: {
        **reductions(torch.var),
        **{
            f"correction {c}": (lambda x, c=c: torch.var(x, 1, correction=c), (f(3, 4),))
            for c in (0, 1, 2, 4, 5, 0.5)
        },
        "several": (lambda x: torch.var(x, (0, 2), correction=0), (f(3, 4, 5),)),
        "kept": (lambda x: x.var(1, unbiased=False, keepdim=True), (f(3, 4),)),
        "std": (lambda x: x.std(1), (f(3, 4),)),
        "of a large mean": (lambda x: x.var(1), (f(3, 50) + 1000,), 1e-4),
        "normalised": (
            lambda x: (x - x.mean(-1, keepdim=True)) * (x.var(-1, keepdim=True) + 1e-5).rsqrt(),
            (f(3, 9),),
        ),
    },
    T.CUMSUM: {
        f"{name}": (lambda x, d=d: torch.cumsum(x, d), (x,))
        for name, d, x in (
            ("first", 0, f(3, 4)),
            ("last", -1, f(3, 4)),
            ("middle", 1, f(2, 3, 4)),
            ("0-d", 0, f()),
            ("nothing", 1, f(3, 0)),
            ("bools", 0, b(9)),
            ("int64", 1, n(3, 4)),
            ("int32", 0, n(3, 4, dtype=INT32)),
            ("int8", 0, torch.full((30,), 100, dtype=INT8)),
            ("undefined", 1, WITH_NAN),
        )
    }
    | {
        "transposed": (lambda x: x.t().cumsum(0), (f(3, 4),)),
        "computed": (lambda x: (x + 1).cumsum(1) * 2, (f(3, 4),)),
        "backwards": (lambda x: x.flip(1).cumsum(1).flip(1), (f(3, 4),)),
        "positions of a mask": (lambda m: m.cumsum(1) * m - 1, (b(3, 9),)),
    },
    T.CUMPROD: {
        "first": (lambda x: x.cumprod(0), (f(3, 4),)),
        "last": (lambda x: x.cumprod(-1), (f(3, 4),)),
        "int64": (lambda x: x.cumprod(0), (n(5, 3),)),
        "bools": (lambda x: x.cumprod(0), (b(5),)),
        "0-d": (lambda x: x.cumprod(0), (f(),)),
        "nothing": (lambda x: x.cumprod(0), (f(0, 3),)),
        "int8": (lambda x: x.cumprod(0), (n(5, dtype=INT8),)),
    },
}

SOFT_ODD = torch.tensor(
    [[1, nan, 2], [nan, 1, 2], [inf, 1, 2], [-inf, 1, 2], [-inf, -inf, -inf], [3e38, -3e38, 0], [1, 1, 1]]
)


def soft(function):
    return {
        "last": (lambda x: function(x, -1), (f(3, 4, 5),)),
        "first": (lambda x: function(x, 0), (f(3, 4, 5),)),
        "middle": (lambda x: function(x, 1), (f(3, 4, 5) * 50,)),
        "0-d": (lambda x: function(x, 0), (f(),)),
        "of nothing": (lambda x: function(x, 1), (f(3, 0),)),
        "of no rows": (lambda x: function(x, 1), (f(0, 3),)),
        "odd": (lambda x: function(x, 1), (SOFT_ODD,)),
        "transposed": (lambda x: function(x.t(), 0), (f(3, 4),)),
        "of one": (lambda x: function(x, 1), (f(3, 1),)),
        "scaled and masked": (
            lambda x, m: function(x * 0.125 + m, -1),
            (f(2, 3, 4, 4), torch.full((4, 4), -inf).triu(1)),
        ),
        "masked by bools": (lambda x, m: function(x.masked_fill(m, -1e9), -1), (f(2, 4, 4), b(4, 4))),
        "and then more": (lambda x, y: function(x, -1) * y + 1, (f(3, 4), f(4))),
        "from int64": (lambda x: function(x.float(), -1), (n(3, 4),)),
        "and taken as a whole": (lambda x: function(x, -1).transpose(0, 1).reshape(-1), (f(3, 4),)),
    }


def attention(q, k, v, mask):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


NORMALISING = {
    T.SOFTMAX: {
        **soft(torch.softmax),
        "safe": (lambda x: aten._safe_softmax(x, 1), (SOFT_ODD,)),
        "safe, masked": (
            lambda x, m: aten._safe_softmax(x.masked_fill(m, -inf), 1),
            (f(3, 4), torch.tensor([[True] * 4, [False] * 4, [True, False, True, False]])),
        ),
        "attention to nothing": (
            attention,
            (
                f(1, 2, 3, 4),
                f(1, 2, 5, 4),
                f(1, 2, 5, 4),
                torch.tensor([[True] * 5, [False] * 5, [True, False, True, False, True]]),
            ),
        ),
    },
    T.LOG_SOFTMAX: soft(torch.log_softmax),
    T.LAYER_NORM: {
        "plain": (lambda x: F.layer_norm(x, (5,)), (f(3, 5),)),
        "affine": (lambda x, w, c: F.layer_norm(x, (5,), w, c), (f(2, 3, 5), f(5), f(5))),
        "without bias": (lambda x, w: F.layer_norm(x, (5,), w), (f(3, 5), f(5))),
        "of two dimensions": (
            lambda x, w, c: F.layer_norm(x, (3, 5), w, c, 1e-3),
            (f(2, 3, 5), f(3, 5), f(3, 5)),
        ),
        "without weight": (lambda x, c: F.layer_norm(x, (5,), None, c), (f(3, 5), f(5))),
        "of no rows": (lambda x: F.layer_norm(x, (5,)), (f(0, 5),)),
        "of a large mean": (lambda x: F.layer_norm(x, (64,)), (f(3, 64) + 300,), 1e-4),
        "transposed": (lambda x: F.layer_norm(x.t(), (3,)), (f(3, 5),)),
        "of a sum": (lambda x, y, w, c: F.layer_norm(x + y, (5,), w, c) * 2, (f(3, 5), f(3, 5), f(5), f(5))),
        "of equal values": (lambda x: F.layer_norm(x, (5,)), (torch.ones(2, 5),)),
        "of a sum that is read again": (
            lambda x, y: (lambda s: F.layer_norm(s, (5,)) + s)(x + y),
            (f(3, 5), f(3, 5)),
        ),
        "undefined": (lambda x: F.layer_norm(x, (4,)), (WITH_NAN,)),
    },
    T.GROUP_NORM: {
        "two groups": (lambda x, w, c: F.group_norm(x, 2, w, c), (f(2, 6, 3, 4), f(6), f(6))),
        "one group": (lambda x: F.group_norm(x, 1), (f(2, 6, 3),)),
        "a group a channel": (lambda x, w, c: F.group_norm(x, 6, w, c, 1e-2), (f(2, 6, 3, 4), f(6), f(6))),
        "of two dimensions": (lambda x: F.group_norm(x, 2), (f(3, 8),)),
        "of a sum": (lambda x, y: F.relu(F.group_norm(x + y, 3)), (f(2, 6, 5), f(2, 6, 5))),
        "of a permuted operand": (lambda x: F.group_norm(x.permute(0, 3, 1, 2), 2), (f(2, 3, 4, 6),)),
        "without bias": (lambda x, w: F.group_norm(x, 2, w), (f(2, 4, 3), f(4))),
        "without weight": (lambda x, c: F.group_norm(x, 2, None, c), (f(2, 4, 3), f(4))),
    },
}


# --- products and windows -------------------------------------------------------------------------


def conv(function, channels, out, kernel, size, bias=True, groups=1, images=2, transposed=False, **options):
    weight = (channels, out // groups, *kernel) if transposed else (out, channels // groups, *kernel)
    inputs = (f(images, channels, *size), f(*weight), *([f(out)] if bias else []))
    return lambda x, w, c=None: function(x, w, c, groups=groups, **options), inputs, LONG_SUMS


def conv2(*arguments, **options):
    return conv(F.conv2d, *arguments, **options)


def unconv2(*arguments, **options):
    return conv(F.conv_transpose2d, *arguments, transposed=True, **options)


PRODUCTS = {
    T.MATMUL: {
        "mm": (torch.mm, (f(7, 5), f(5, 9))),
        "of tiles": (torch.mm, (f(8, 16), f(16, 12))),
        "of one row": (torch.mm, (f(1, 33), f(33, 37))),
        "of one column": (torch.mm, (f(9, 4), f(4, 1))),
        "over nothing": (torch.mm, (f(3, 0), f(0, 4))),
        "of no rows": (torch.mm, (f(0, 3), f(3, 4))),
        "of ones": (torch.mm, (f(1, 1), f(1, 1))),
        "both transposed": (lambda a, c: a.t() @ c.t(), (f(5, 7), f(9, 5))),
        "right transposed": (lambda a, c: a @ c.t(), (f(7, 5), f(9, 5))),
        "result transposed": (lambda a, c: (a @ c).t(), (f(7, 5), f(5, 9))),
        "sliced": (lambda a, c: a[:, ::2] @ c[1:], (f(7, 10), f(6, 9))),
        "matrix times vector": (torch.mv, (f(7, 5), f(5))),
        "vector times matrix": (torch.matmul, (f(5), f(5, 9))),
        "dot": (torch.matmul, (f(5), f(5))),
        "expanded": (lambda a, c: a.expand(7, 5) @ c, (f(1, 5), f(5, 9))),
        "backwards": (lambda a, c: a.flip(1) @ c.flip(0), (f(7, 5), f(5, 9))),
        "long": (torch.mm, (f(3, 700), f(700, 3)), LONG_SUMS),
        "undefined": (torch.mm, (torch.tensor([[inf, 0.0], [nan, 1]]), torch.tensor([[1.0, 0], [0, 1]]))),
        "followed": (lambda a, c, r: torch.relu(a @ c + r) * 2, (f(7, 5), f(5, 9), f(7, 9))),
        "of itself": (lambda a: a @ a.t(), (f(7, 5),)),
    },
    T.BMM: {
        "bmm": (torch.bmm, (f(3, 5, 7), f(3, 7, 2))),
        "of none": (torch.bmm, (f(0, 5, 7), f(0, 7, 2))),
        "broadcast": (torch.matmul, (f(2, 1, 3, 4), f(5, 4, 6))),
        "over nothing": (torch.bmm, (f(2, 3, 0), f(2, 0, 4))),
        "transposed": (lambda a, c: torch.bmm(a, c.transpose(1, 2)), (f(3, 5, 7), f(3, 2, 7))),
        "heads": (
            lambda a, c: a.view(6, 2, 4).transpose(0, 1) @ c.view(6, 2, 4).permute(1, 2, 0),
            (f(6, 8), f(6, 8)),
        ),
        "of heads, joined": (
            lambda a, c: (a @ c).transpose(1, 2).reshape(2, 6, 15),
            (f(2, 3, 6, 4), f(2, 3, 4, 5)),
        ),
        "scaled": (lambda a, c: torch.bmm(a, c) * 0.5 + 1, (f(3, 5, 7), f(3, 7, 2))),
        "einsum": (lambda a, c: torch.einsum("bij,bkj->bik", a, c), (f(3, 5, 7), f(3, 2, 7))),
        "baddbmm": (torch.baddbmm, (f(3, 5, 2), f(3, 5, 7), f(3, 7, 2))),
    },
    T.GEMM: {
        "addmm": (torch.addmm, (f(9), f(7, 5), f(5, 9))),
        "with a row": (torch.addmm, (f(1, 9), f(7, 5), f(5, 9))),
        "with a column": (torch.addmm, (f(7, 1), f(7, 5), f(5, 9))),
        "with a matrix": (torch.addmm, (f(7, 9), f(7, 5), f(5, 9))),
        "with one number": (torch.addmm, (f(1), f(7, 5), f(5, 9))),
        "with a 0-d tensor": (torch.addmm, (f(), f(7, 5), f(5, 9))),
        "scaled": (lambda c, x, y: torch.addmm(c, x, y, beta=-0.5, alpha=3), (f(9), f(7, 5), f(5, 9))),
        "without bias": (
            lambda c, x, y: torch.addmm(c, x, y, beta=0, alpha=2),
            (ODD[:10], f(2, 5), f(5, 10)),
        ),
        "over nothing": (torch.addmm, (f(4), f(3, 0), f(0, 4))),
        "linear of one row": (F.linear, (f(1, 64), f(40, 64), f(40))),
        "of a transposed matrix": (lambda c, x, y: torch.addmm(c.t(), x, y), (f(9, 7), f(7, 5), f(5, 9))),
        "of a stack": (F.linear, (f(2, 3, 5), f(4, 5), f(4))),
        "residual": (lambda x, w, c: x + F.gelu(F.linear(x, w, c)), (f(3, 5), f(5, 5), f(5))),
    },
    T.CONV: {
        "3x3": conv2(3, 5, (3, 3), (8, 9)),
        "padded": conv2(3, 5, (3, 3), (8, 9), padding=1),
        "strided": conv2(3, 5, (3, 3), (8, 9), stride=2, padding=1),
        "of unequal strides": conv2(3, 5, (3, 2), (9, 8), stride=(2, 3), padding=(0, 1)),
        "dilated": conv2(2, 3, (3, 3), (9, 9), dilation=2, padding=2),
        "grouped": conv2(4, 6, (3, 3), (7, 7), groups=2, padding=1),
        "depthwise": conv2(6, 6, (3, 3), (7, 7), groups=6, padding=1),
        "depthwise, twice as many": conv2(3, 6, (3, 3), (7, 7), groups=3),
        "1x1": conv2(4, 7, (1, 1), (5, 6)),
        "without bias": conv2(3, 5, (3, 3), (6, 6), bias=False, padding=1),
        "patches": conv2(3, 8, (4, 4), (8, 8), stride=4),
        "as large as the image": conv2(3, 5, (6, 7), (6, 7)),
        "of 1d": conv(F.conv1d, 3, 5, (3,), (11,), padding=1),
        "of 1d, strided": conv(F.conv1d, 4, 6, (5,), (20,), stride=3, dilation=2, groups=2),
        "of no images": conv2(3, 5, (3, 3), (6, 6), images=0),
        "same": conv2(3, 5, (3, 3), (6, 6), padding="same"),
        "even, same": conv2(3, 5, (4, 4), (7, 6), padding="same"),
        "transposed": unconv2(3, 5, (3, 3), (4, 5)),
        "transposed, strided": unconv2(3, 5, (3, 3), (4, 5), stride=2, padding=1, output_padding=1),
        "transposed, grouped": unconv2(4, 6, (2, 2), (4, 5), groups=2, stride=2),
        "transposed, dilated": unconv2(2, 3, (3, 3), (5, 5), dilation=2, padding=1),
        "transposed 1d": conv(F.conv_transpose1d, 3, 4, (4,), (6,), transposed=True, stride=2),
        "transposed without bias": unconv2(3, 5, (2, 2), (3, 3), bias=False, stride=2),
        "channels last": (
            lambda x, w: F.conv2d(x.permute(0, 3, 1, 2), w),
            (f(2, 6, 6, 3), f(5, 3, 3, 3)),
            LONG_SUMS,
        ),
        "one image without a dimension of its own": (F.conv2d, (f(3, 6, 6), f(5, 3, 3, 3), f(5)), LONG_SUMS),
        "followed": (
            lambda x, w, c, r: F.relu(F.conv2d(x, w, c, padding=1) + r),
            (f(2, 3, 6, 6), f(3, 3, 3, 3), f(3), f(2, 3, 6, 6)),
            LONG_SUMS,
        ),
        "taken on in another layout": (
            lambda x, w: F.conv2d(x, w).flatten(2).transpose(1, 2).reshape(-1),
            (f(2, 3, 6, 6), f(4, 3, 3, 3)),
            LONG_SUMS,
        ),
        "two in a row": (
            lambda x, w, v: F.conv2d(F.relu(F.conv2d(x, w, padding=1)), v, padding=1),
            (f(2, 3, 6, 6), f(4, 3, 3, 3), f(2, 4, 3, 3)),
            LONG_SUMS,
        ),
    },
}


def max_pool(x, **options):
    return F.max_pool2d(x, **options)


def max_pool_indices(x, **options):
    return F.max_pool2d(x, return_indices=True, **options)[1]


def pools(function, *options):
    images = {"": f(2, 3, 8, 9), ", negative": -f(2, 3, 8, 9).abs() - 1, ", without images": f(3, 8, 9)}
    cases = {
        f"{given}{name}": (functools.partial(function, **given), (x,))
        for given in options
        for name, x in images.items()
    }
    return {
        **cases,
        "undefined": (functools.partial(function, kernel_size=2), (WITH_NAN[None, None],)),
        "of a channels last operand": (
            lambda x: function(x.permute(0, 3, 1, 2), kernel_size=2),
            (f(2, 6, 6, 3),),
        ),
        "of no images": (functools.partial(function, kernel_size=2), (f(0, 2, 4, 4),)),
    }


MAX = (
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": (2, 3), "stride": (1, 2)},
    {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    {"kernel_size": 3, "stride": 3, "padding": 1, "ceil_mode": True},
    {"kernel_size": 2, "dilation": 2},
    {"kernel_size": 3, "dilation": (1, 2), "padding": 1, "stride": 1},
)
AVG = (
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False},
    {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    {"kernel_size": 3, "stride": 3, "padding": 1, "ceil_mode": True},
    {"kernel_size": 3, "stride": 3, "padding": 1, "ceil_mode": True, "count_include_pad": False},
    {"kernel_size": (2, 3), "divisor_override": 5},
)
ADAPTIVE = tuple({"output_size": size} for size in ((3, 4), (8, 9), (5, 2), (2, 7), (1, 3)))


def adaptive_pools(function):
    return {
        f"{given}{name}": (functools.partial(function, **given), (x,))
        for given in ADAPTIVE
        for name, x in (("", f(2, 3, 8, 9)), (" of one image", f(3, 7, 7)))
    } | {"to more than there is": (lambda x: function(x, output_size=(5, 5)), (f(1, 2, 3, 4),))}


WINDOWS = {
    T.MAX_POOL: {**pools(max_pool, *MAX), "of 1d": (lambda x: F.max_pool1d(x, 3, 2), (f(2, 3, 11),))},
    T.MAX_POOL_INDICES: pools(max_pool_indices, *MAX),
    T.AVG_POOL: {
        **pools(F.avg_pool2d, *AVG),
        "of 1d": (lambda x: F.avg_pool1d(x, 3, 2, 1), (f(2, 3, 11),)),
        "of everything": (lambda x: F.avg_pool2d(x, (8, 9)), (f(2, 3, 8, 9),)),
    },
    T.ADAPTIVE_AVG_POOL: adaptive_pools(F.adaptive_avg_pool2d),
    T.ADAPTIVE_MAX_POOL: adaptive_pools(F.adaptive_max_pool2d),
    T.ADAPTIVE_MAX_POOL_INDICES: adaptive_pools(
        lambda x, output_size: F.adaptive_max_pool2d(x, output_size, return_indices=True)[1]
    ),
}


# --- movement and lookups -------------------------------------------------------------------------

MOVING = {
    T.VIEW: {
        "view": (lambda x: x.view(2, 6) + 1, (f(3, 4),)),
        "of input": (lambda x: x.view(2, 6), (f(3, 4),)),
        "of view of input": (lambda x: x.view(2, 6).reshape(12), (n(3, 4),)),
        "unsqueeze": (lambda x: (x + 1).unsqueeze(1), (f(3, 4),)),
        "squeeze": (lambda x: (x.squeeze() + 1).squeeze(0), (f(1, 3, 1),)),
        "of nothing": (lambda x: x.view(3, 0), (f(0, 4),)),
        "as 0-d": (lambda x: x.view(()) * 2, (f(1),)),
        "of a transposed matrix": (lambda x: x.t().reshape(-1), (f(3, 4),)),
        "of what can be seen so": (lambda x: x.permute(2, 0, 1).reshape(4, 6) + 1, (f(2, 3, 4),)),
        "of an expanded tensor": (lambda x: x.expand(3, 2, 4).reshape(6, 4), (f(2, 4),)),
        "of a slice": (lambda x: x[:, 1:3].reshape(-1), (f(3, 4),)),
        "bool": (lambda x: x.view(6) & True, (b(2, 3),)),
    },
    T.PERMUTE: {
        "permute": (lambda x: x.permute(2, 0, 1).contiguous(), (f(2, 3, 4),)),
        "bool": (lambda x: x.t(), (b(2, 3),)),
        "from the end": (lambda x: x.permute(-1, 0, -2), (n(2, 3, 4),)),
        "int8": (lambda x: x.transpose(0, 2), (n(2, 3, 4, dtype=INT8),)),
        "nothing": (lambda x: x.t(), (f(2, 0),)),
        "of a permuted product": (lambda x, y: (x @ y).t() + 1, (f(3, 4), f(4, 5))),
        "of five dimensions": (lambda x: x.permute(4, 1, 3, 0, 2), (f(2, 3, 1, 4, 2),)),
        "of a sum": (lambda x: (x + 1).t(), (f(3, 4),)),
        "movedim": (lambda x: x.movedim(0, -1) * 2, (f(2, 3, 4),)),
    },
    T.EXPAND: {
        "expand": (lambda x: x.expand(2, 3, 4).contiguous(), (f(3, 1),)),
        "keeping sizes": (lambda x: x.expand(5, -1, 4) + 1, (f(3, 1),)),
        "0-d": (lambda x: x.expand(2, 3), (n(),)),
        "to nothing": (lambda x: x.expand(0, 3), (f(3),)),
        "expand_as": (lambda x, y: x.expand_as(y) * y, (f(3, 1), f(3, 4))),
        "repeat": (lambda x: x.repeat(2, 3), (f(3, 4),)),
        "repeat more": (lambda x: x.repeat(2, 1, 3), (f(3, 4),)),
        "repeat nothing": (lambda x: x.repeat(0, 2), (f(3, 4),)),
        "tile": (lambda x: x.tile(2, 2) + 1, (n(2, 3),)),
        "repeat_interleave": (lambda x: x.repeat_interleave(3, 1), (f(2, 4),)),
        "of a sum": (lambda x: (x + 1).expand(4, 3), (f(1, 3),)),
        "full_like": (lambda x: torch.full_like(x, 2.5) * x + x.expand(2, 3, 4), (f(3, 4),)),
        "zeros_like": (lambda x: torch.zeros_like(x) + x.expand(2, 3), (n(3),)),
        "ones_like": (lambda x: torch.ones_like(x), (n(3, 2),)),
    },
    T.SLICE: {
        "slice": (lambda x: x[1:3] + 1, (f(5, 4),)),
        "step": (lambda x: x[:, 1::2], (f(5, 7),)),
        "from the end": (lambda x: x[:, -3:-1], (f(5, 7),)),
        "beyond the end": (lambda x: x[2:100], (f(5, 7),)),
        "nothing": (lambda x: x[3:3], (f(5, 7),)),
        "of int8": (lambda x: x[1:], (n(5, dtype=INT8),)),
        "backwards is flip": (lambda x: x[2:].flip(0), (f(5),)),
        "split": (lambda x: [part * 2 for part in x.split(2, 1)], (f(3, 5),)),
        "split sizes": (lambda x: torch.split(x, [1, 4, 2], -1), (f(3, 7),)),
        "chunk": (lambda x: torch.sigmoid(x.chunk(2, -1)[0]) * x.chunk(2, -1)[1], (f(3, 8),)),
        "narrow": (lambda x: x.narrow(1, 2, 3), (f(3, 7),)),
        "roll": (lambda x: x.roll(2, 1), (f(3, 5),)),
        "roll both": (lambda x: x.roll((-1, 2), (0, 1)), (f(3, 5),)),
        "roll flat": (lambda x: x.roll(4), (f(3, 5),)),
        "of a slice": (lambda x: x[1:, 2:][::2, 1:], (f(6, 7),)),
        "of a product": (lambda x, y: (x @ y)[:, 1:3] + 1, (f(3, 4), f(4, 5))),
        "tril": (lambda x: torch.tril(x[1:]), (f(4, 4),)),
    },
    T.SELECT: {
        "select": (lambda x: x[1] + 1, (f(3, 4),)),
        "last": (lambda x: x[:, -1], (f(3, 4),)),
        "to 0-d": (lambda x: x[2] * 2, (f(4),)),
        "unbind": (lambda x: torch.unbind(x, 1), (f(3, 3),)),
        "of int64": (lambda x: x.select(1, 2), (n(3, 4),)),
        "of a product": (lambda x, y: (x @ y)[1], (f(3, 4), f(4, 5))),
        "stack of unbound": (lambda x: torch.stack(torch.unbind(x)[::-1], 1), (f(3, 4),)),
    },
    T.FLIP: {
        "first": (lambda x: x.flip(0), (f(3, 4),)),
        "both": (lambda x: x.flip(0, -1) + 1, (f(3, 4),)),
        "nothing": (lambda x: x.flip(1), (f(3, 0),)),
        "bool": (lambda x: x.flip(0), (b(5),)),
        "and back": (lambda x: x.flip(0).t().flip(1), (f(3, 4),)),
        "0-d": (lambda x: x.flip(()) + 1, (f(),)),
        "of a product": (lambda x, y: (x @ y).flip(1), (f(3, 4), f(4, 5))),
        "and viewed": (lambda x: x.flip(1).reshape(-1), (f(3, 4),)),
    },
    T.DIAGONAL: {
        **{f"offset {o}": (lambda x, o=o: x.diagonal(o) + 1, (f(4, 6),)) for o in (0, 1, -1, 5, -3, 6, 9)},
        "of other dimensions": (lambda x: x.diagonal(1, 2, 0), (f(3, 2, 4),)),
        "of a product": (lambda x: torch.trace(x @ x), (f(4, 4),)),
    },
    T.AS_STRIDED: {
        "overlapping": (lambda x: x.as_strided((3, 2), (1, 1), 1), (f(6),)),
        "of a sum": (lambda x: (x + 1).as_strided((2, 3), (1, 2)) * 2, (f(6),)),
        "of a permuted product": (
            lambda x, y: (x @ y).t().contiguous().as_strided((3, 4), (2, 1)),
            (f(3, 4), f(4, 5)),
        ),
        "repeating": (lambda x: x.as_strided((3, 2), (0, 1), 4), (n(6),)),
        "to nothing": (lambda x: x.as_strided((0, 2), (1, 1)) + 1, (f(6),)),
        "to 0-d": (lambda x: x.as_strided((), (), 3), (f(2, 3),)),
    },
    T.UNFOLD: {
        "overlapping": (lambda x: x.unfold(1, 3, 1), (f(2, 7),)),
        "apart": (lambda x: x.unfold(0, 2, 3) + 1, (f(8, 2),)),
        "negative": (lambda x: x.unfold(-1, 4, 2).sum(-1), (f(3, 9),)),
        "whole": (lambda x: x.unfold(0, 5, 1), (n(5),)),
        "of a sum": (lambda x: (x + 1).unfold(0, 3, 2) * 2, (f(9),)),
    },
    T.COPY: {
        "clone": (torch.clone, (f(3, 4),)),
        "of 0-d": (torch.clone, (n(),)),
        "of bool": (torch.clone, (b(3),)),
        "of nothing": (torch.clone, (f(0, 3),)),
        "of a slice": (lambda x: x[1:].clone(), (f(3, 4),)),
        "input itself": (lambda x: (x + 1, x.detach()), (f(3, 4),)),
    },
    T.CAT: {
        "first": (lambda x, y: torch.cat([x, y]), (f(2, 3), f(4, 3))),
        "last": (lambda x, y: torch.cat([x, y, x], -1), (f(2, 3), f(2, 1))),
        "of computed": (lambda x, y: torch.cat([x + 1, x @ y], 1), (f(2, 3), f(3, 4))),
        "of views": (lambda x: torch.cat([x.t(), x.t()[:1]], 0), (f(4, 3),)),
        "with nothing": (lambda x, y: torch.cat([x, y], 1), (f(2, 3), f(2, 0))),
        "with an empty vector": (lambda x: torch.cat([torch.zeros(0), x], 1), (f(2, 3),)),
        "int64": (lambda x, y: torch.cat([x, y]), (n(2), n(3))),
        "bool": (lambda x, y: torch.cat([x, y]), (b(2), b(3))),
        "stack": (lambda x, y: torch.stack([x, y], 1), (f(2, 3), f(2, 3))),
        "twice the same": (lambda x: torch.cat([x * 2] * 3, 1), (f(2, 3),)),
        "of cats": (
            lambda x, y: torch.cat([torch.cat([x + 1, y], 1), torch.cat([y, x * 2], 1)], 0),
            (f(2, 3), f(2, 2)),
        ),
        "read and read again": (
            lambda x, y: (lambda z: (torch.cat([z, y]), z * 2))(x + 1),
            (f(2, 3), f(1, 3)),
        ),
        "cat of a slice of a cat": (lambda x, y: torch.cat([torch.cat([x, y])[1:3], x]), (f(2, 3), f(2, 3))),
        "float and int64": (lambda x, y: torch.cat([x, y]), (f(2), n(3))),
        "then viewed": (lambda x, y: torch.cat([x + 1, y * 2], 1).view(-1), (f(2, 3), f(2, 3))),
        "one": (lambda x: torch.cat([x + 1]), (f(2, 3),)),
        "rotary": (lambda x: torch.cat([-x[..., 4:], x[..., :4]], -1) * x, (f(3, 8),)),
        "int8": (lambda x, y: torch.cat([x, y]), (n(2, dtype=INT8), n(3, dtype=INT8))),
    },
    T.PAD: {
        "both": (lambda x: F.pad(x, (1, 2, 3, 0)), (f(2, 3),)),
        "value": (lambda x: F.pad(x, (1, 1), value=-inf), (f(2, 3),)),
        "negative": (lambda x: F.pad(x, (-1, -2)), (f(2, 5),)),
        "negative and positive": (lambda x: F.pad(x, (-1, 2, 1, -1), value=7.5), (f(3, 4),)),
        "int64": (lambda x: F.pad(x, (0, 2), value=-3), (n(2, 3),)),
        "bool": (lambda x: F.pad(x, (1, 0), value=True), (b(3),)),
        "of a sum": (lambda x: F.pad(x + 1, (1, 1, 1, 1)) * 2, (f(2, 3, 4),)),
        "of nothing": (lambda x: F.pad(x, (1, 1)), (f(2, 0),)),
        "to nothing": (lambda x: F.pad(x, (-1, -2)), (f(2, 3),)),
        "of a product": (lambda x, y: F.pad(x @ y, (0, 1, 1, 0), value=2.0), (f(2, 3), f(3, 4))),
        "twice": (lambda x: F.pad(F.pad(x + 1, (1, 1)), (1, 1), value=1.0), (f(2, 3),)),
        "of a view": (lambda x: F.pad(x.t(), (1, 0)), (f(2, 3),)),
        "of what is read again": (lambda x: (lambda y: F.pad(y, (1, 0))[:, :-1] + y)(x * 2), (f(2, 3),)),
        "more than is left is cut": (lambda x: F.pad(x, (-2, 1)), (f(2, 3),)),
        "int8": (lambda x: F.pad(x, (1, 1), value=5), (n(4, dtype=INT8),)),
    },
}


def put(x, v, *places, accumulate=False):
    return aten.index_put(x, places, v, accumulate)


def assigned(place):
    """A function that writes its second argument over a part of its first one's clone."""

    def function(x, *values):
        y = x.clone()
        place(y, *values)
        return y

    return function


def scatter_reduced(reduce, include_self, x, i, v):
    return x.scatter_reduce(0, i, v, reduce, include_self=include_self)


LOOKING_UP = {
    T.GATHER: {
        "first": (lambda x, i: x.gather(0, i), (f(5, 4), n(3, 4, low=0, high=5))),
        "last": (lambda x, i: x.gather(-1, i), (f(5, 4), n(5, 7, low=0, high=4))),
        "fewer": (lambda x, i: x.gather(1, i), (f(5, 4, 3), n(2, 6, 3, low=0, high=4))),
        "0-d": (lambda x, i: x.gather(0, i), (f(), torch.tensor(0))),
        "0-d at a vector": (lambda x, i: x.gather(0, i), (f(4), torch.tensor(2))),
        "of int8": (lambda x, i: x.gather(0, i), (n(5, dtype=INT8), n(9, low=0, high=5))),
        "none": (lambda x, i: x.gather(0, i), (f(5, 4), n(0, 4))),
        "of a computed tensor": (lambda x, i: (x * 2).gather(1, i) + 1, (f(5, 4), n(5, 2, low=0, high=4))),
        "at computed places": (lambda x, i: x.gather(1, i + 1), (f(5, 4), n(5, 2, low=0, high=3))),
        "of a transposed tensor": (lambda x, i: x.t().gather(0, i), (f(5, 4), n(2, 5, low=0, high=4))),
        "at argmax": (lambda x: x.gather(1, x.argmax(1, keepdim=True)), (f(5, 4),)),
        "take_along_dim": (lambda x, i: torch.take_along_dim(x, i, 1), (f(5, 4), n(5, 2, low=0, high=4))),
    },
    T.EMBEDDING: {
        "vector": (lambda w, i: F.embedding(i, w), (f(7, 4), n(5, low=0, high=7))),
        "matrix": (lambda w, i: F.embedding(i, w) + 1, (f(7, 4), n(2, 5, low=0, high=7))),
        "0-d": (lambda w, i: F.embedding(i, w), (f(7, 4), torch.tensor(3))),
        "none": (lambda w, i: F.embedding(i, w), (f(7, 4), n(0))),
        "int32": (lambda w, i: F.embedding(i, w), (f(7, 4), n(5, low=0, high=7, dtype=INT32))),
        "with padding": (lambda w, i: F.embedding(i, w, padding_idx=2), (f(7, 4), n(9, low=0, high=7))),
        "and position": (lambda w, v, i: F.embedding(i, w) + v, (f(7, 4), f(5, 4), n(2, 5, low=0, high=7))),
        "at computed places": (lambda w, i: F.embedding(i * 2, w), (f(9, 4), n(5, low=0, high=4))),
        "normed": (lambda w, i: F.layer_norm(F.embedding(i, w), (4,)), (f(7, 4), n(5, low=0, high=7))),
    },
    T.INDEX_SELECT: {
        "first": (lambda x, i: x.index_select(0, i), (f(5, 4), n(7, low=0, high=5))),
        "last": (lambda x, i: x.index_select(-1, i) * 2, (f(5, 4), n(3, low=0, high=4))),
        "none": (lambda x, i: x.index_select(0, i), (f(5, 4), n(0))),
        "0-d index": (lambda x, i: x.index_select(0, i), (f(5, 4), torch.tensor(1))),
        "int32": (lambda x, i: x.index_select(1, i), (n(5, 4), n(3, low=0, high=4, dtype=INT32))),
        "of 0-d": (lambda x, i: (x * 2).index_select(0, i) + 1, (f(), torch.tensor([0]))),
    },
    T.INDEX: {
        "first": (lambda x, i: x[i], (f(5, 4), n(7, low=-5, high=5))),
        "second": (lambda x, i: x[:, i], (f(5, 4), n(7, low=-4, high=4))),
        "both": (lambda x, i, j: x[i, j], (f(5, 4), n(7, low=-5, high=5), n(7, low=-4, high=4))),
        "None in between": (
            lambda x, i, j: x[i, :, j],
            (f(5, 4, 3), n(7, low=-5, high=5), n(7, low=-3, high=3)),
        ),
        "None in front": (lambda x, i, j: x[:, i, j], (f(5, 4, 3), n(7, low=0, high=4), n(7, low=0, high=3))),
        "None in the middle of four": (
            lambda x, i, j: x[:, i, :, j],
            (f(2, 5, 4, 3), n(7, low=0, high=5), n(7, low=0, high=3)),
        ),
        "broadcast": (lambda x, i, j: x[i[:, None], j], (f(5, 4), n(3, low=0, high=5), n(6, low=0, high=4))),
        "matrix": (lambda x, i: x[i], (f(5, 4), n(2, 3, low=0, high=5))),
        "0-d index": (lambda x, i: aten.index(x, [i]) + 1, (f(5, 4), torch.tensor(-2))),
        "0-d and vector": (
            lambda x, i, j: aten.index(x, [i, j]),
            (f(5, 4), torch.tensor(2), n(3, low=0, high=4)),
        ),
        "none": (lambda x, i: x[i], (f(5, 4), n(0))),
        "of bool": (lambda x, i: x[i], (b(5), n(7, low=0, high=5))),
        "int32": (lambda x, i: x[i], (n(5, dtype=INT8), n(7, low=0, high=5, dtype=INT32))),
        "of a sum": (lambda x, i: (x + 1)[i] * 2, (f(5, 4), n(7, low=0, high=5))),
        "at argmax": (lambda x: x[torch.arange(5), x.argmax(1)], (f(5, 4),)),
        "of a view": (lambda x, i: x.t()[i], (f(5, 4), n(3, low=0, high=4))),
        "constant places": (lambda x: x[:, [2, 0, 3]], (f(5, 4),)),
        "of what is sliced": (lambda x, i: x[1:, i, ::2], (f(3, 5, 4), n(3, low=0, high=5))),
        "nearest neighbours": (lambda x: F.interpolate(x, scale_factor=2), (f(1, 2, 3, 3),)),
    },
    T.SLICE_SCATTER: {
        "rows": (assigned(lambda y, v: y[1:3].copy_(v)), (f(5, 4), f(2, 4))),
        "columns, stepped": (assigned(lambda y, v: y[:, ::2].copy_(v)), (f(5, 4), f(5, 2))),
        "from the end": (lambda x, v: torch.slice_scatter(x, v, 1, -2), (f(5, 4), f(5, 2))),
        "int64": (lambda x, v: torch.slice_scatter(x, v, 0, 1, 3), (n(5), n(2))),
        "nothing": (lambda x, v: torch.slice_scatter(x, v, 0, 2, 2), (f(5), f(0))),
        "of computed": (lambda x, v: torch.slice_scatter(x * 2, v + 1, 0, 1, 3) + 1, (f(5, 4), f(2, 4))),
        "a number": (assigned(lambda y: y[:, 1:].fill_(7)), (f(5, 4),)),
        "a cache": (assigned(lambda y, v: y[:, 2:3].copy_(v * 2)), (f(2, 5, 4), f(2, 1, 4))),
        "beyond the end": (lambda x, v: torch.slice_scatter(x, v, 0, 3, 99), (f(5), f(2))),
        "of a view": (lambda x, v: torch.slice_scatter(x.t(), v.t(), 0, 1, 3), (f(5, 4), f(5, 2))),
    },
    T.SELECT_SCATTER: {
        "row": (assigned(lambda y, v: y[1].copy_(v)), (f(5, 4), f(4))),
        "last column": (lambda x, v: torch.select_scatter(x, v, 1, -1), (f(5, 4), f(5))),
        "to 0-d": (lambda x, v: torch.select_scatter(x, v, 0, 2), (f(5), f())),
        "int64": (lambda x, v: torch.select_scatter(x, v, 0, 2), (n(5, 3), n(3))),
    },
    T.INDEX_PUT: {
        "rows": (put, (f(5, 4), f(2, 4), torch.tensor([3, -5]))),
        "elements": (put, (f(5, 4), f(3), torch.tensor([0, 2, 4]), torch.tensor([1, 1, -1]))),
        "broadcast value": (put, (f(5, 4), f(4), torch.tensor([0, 2]))),
        "one number": (put, (f(5, 4), f(), torch.tensor([0, 2]))),
        "accumulated": (
            lambda x, v, i: put(x, v, i, accumulate=True),
            (f(5, 4), f(6, 4), torch.tensor([0, 2, 2, 1, 0, -1])),
        ),
        "accumulated int64": (
            lambda x, v, i: put(x, v, i, accumulate=True),
            (n(5), n(6), torch.tensor([0, 2, 2, 1, 0, -1])),
        ),
        "columns": (
            lambda x, v, i: aten.index_put(x, (None, i), v),
            (f(5, 4), f(5, 2), torch.tensor([3, 0])),
        ),
        "assigned": (
            assigned(lambda y, i: y.__setitem__((slice(None), i), 1.0)),
            (f(5, 4), torch.tensor([3, 0])),
        ),
        "0-d place": (put, (f(5, 4), f(4), torch.tensor(2))),
        "a cache": (
            lambda c, v, p: aten.index_put(c, (None, None, p), v),
            (f(1, 2, 6, 4), f(1, 2, 1, 4), torch.tensor([3])),
        ),
        "none": (put, (f(5, 4), f(0, 4), n(0))),
        "index_add": (lambda x, v, i: x.index_add(0, i, v), (f(5, 4), f(3, 4), torch.tensor([1, 1, 4]))),
        "index_copy": (lambda x, v, i: x.index_copy(0, i, v), (f(5, 4), f(2, 4), torch.tensor([1, 4]))),
        "None in between": (
            lambda x, v, i, j: aten.index_put(x, (i, None, j), v),
            (f(5, 4, 3), f(2, 4), torch.tensor([1, 4]), torch.tensor([0, 2])),
        ),
        "bool": (put, (b(5), b(2), torch.tensor([1, 4]))),
        "index_fill": (lambda x, i: x.index_fill(0, i, 3.0), (f(5, 4), torch.tensor([1, 4]))),
    },
    T.SCATTER: {
        "rows": (
            lambda x, i, v: x.scatter(0, i, v),
            (f(5, 4), torch.tensor([[0, 1, 2, 3], [4, 3, 1, 0]]), f(2, 4)),
        ),
        "columns": (
            lambda x, i, v: x.scatter(1, i, v),
            (f(3, 5), torch.tensor([[0, 4], [1, 2], [3, 0]]), f(3, 5)),
        ),
        "value": (lambda i: torch.zeros(3, 5).scatter(1, i, 1.0), (torch.tensor([[0, 4], [1, 2], [3, 0]]),)),
        "int64": (lambda x, i, v: x.scatter(0, i, v), (n(5), torch.tensor([4, 1]), n(2))),
        "fewer rows": (lambda x, i, v: x.scatter(1, i, v), (f(3, 5), torch.tensor([[2, 1]]), f(3, 2))),
        "0-d": (lambda x, i, v: x.scatter(0, i, v), (f(), torch.tensor(0), f())),
        "one_hot": (lambda i: F.one_hot(i, 6), (torch.tensor([0, 5, 3]),)),
        "none": (lambda x, i, v: x.scatter(0, i, v), (f(5), n(0), f(0))),
        "value of an integer": (lambda x, i: x.scatter(0, i, 2), (f(5), torch.tensor([1]))),
    },
    T.SCATTER_ADD: {
        "rows": (lambda x, i, v: x.scatter_add(0, i, v), (f(5, 4), n(6, 4, low=0, high=5), f(6, 4))),
        "columns": (lambda x, i, v: x.scatter_add(-1, i, v), (f(3, 5), n(3, 7, low=0, high=5), f(3, 7))),
        "int64": (lambda x, i, v: x.scatter_add(0, i, v), (n(5), n(9, low=0, high=5), n(9))),
        "counts": (lambda i: torch.zeros(5).scatter_add(0, i, torch.ones(9)), (n(9, low=0, high=5),)),
        "fewer": (lambda x, i, v: x.scatter_add(0, i, v), (f(5, 4), n(2, 3, low=0, high=5), f(4, 4))),
    },
    T.SCATTER_REDUCE: {
        f"{name} {reduce}{'' if own else ' without self'}": (
            functools.partial(scatter_reduced, reduce, own),
            inputs,
        )
        for reduce in ("amax", "amin", "prod")
        for own in (True, False)
        for name, inputs in {
            "rows": (f(5, 4), n(6, 4, low=0, high=5), f(6, 4)),
            "int64": (n(5), n(9, low=0, high=5), n(9)),
            "undefined": (ODD, torch.arange(12) // 2, ODD.flip(0)),
            "none": (f(5), n(0), f(0)),
        }.items()
    },
}


# --- order ----------------------------------------------------------------------------------------


def distinct(*shape):
    return torch.randperm(prod(shape), generator=torch.Generator().manual_seed(prod(shape))).view(shape)


ORDERING = {
    T.TOPK: {
        "largest": (lambda x: x.topk(3).values, (f(4, 7),)),
        "smallest": (lambda x: x.topk(2, largest=False).values, (f(4, 7),)),
        "first": (lambda x: x.topk(3, 0).values + 1, (f(7, 4),)),
        "ties": (lambda x: x.topk(4).values, (TIES,)),
        "undefined": (lambda x: x.topk(3).values, (WITH_NAN,)),
        "undefined, smallest": (lambda x: x.topk(3, largest=False).values, (WITH_NAN,)),
        "int64": (lambda x: x.topk(3).values, (n(4, 7),)),
        "int8": (lambda x: x.topk(3).values, (n(4, 7, dtype=INT8),)),
        "all": (lambda x: x.topk(5).values, (f(5),)),
        "none": (lambda x: x.topk(0).values, (f(5),)),
        "of a permuted tensor": (lambda x: x.t().topk(2, 0).values, (f(4, 7),)),
        "0-d": (lambda x: x.topk(1).values, (f(),)),
    },
    T.TOPK_INDICES: {
        "largest": (lambda x: x.topk(3).indices, (f(4, 7),)),
        "smallest": (lambda x: x.topk(2, 0, largest=False).indices, (distinct(5, 4),)),
        "both": (lambda x: x.topk(3), (f(4, 7),)),
        "int32": (lambda x: x.topk(3).indices, (distinct(4, 7).to(INT32),)),
        "used": (lambda x: x.gather(1, x.topk(2).indices), (f(4, 7),)),
    },
    T.SORT: {
        "ascending": (lambda x: x.sort().values, (f(4, 7),)),
        "descending": (lambda x: x.sort(0, descending=True).values, (f(4, 7),)),
        "undefined": (lambda x: x.sort().values, (WITH_NAN,)),
        "undefined, descending": (lambda x: x.sort(descending=True).values, (WITH_NAN,)),
        "bool": (lambda x: x.sort().values, (b(9),)),
        "int64": (lambda x: x.sort().values, (n(9),)),
        "int8": (lambda x: x.sort(0).values, (n(9, 2, dtype=INT8),)),
        "nothing": (lambda x: x.sort().values, (f(3, 0),)),
        "of no rows": (lambda x: x.sort().values, (f(0, 3),)),
        "middle": (lambda x: x.sort(1).values, (f(2, 5, 3),)),
        "median": (lambda x: x.sort(1).values[:, 3], (f(4, 7),)),
    },
    T.SORT_INDICES: {
        "ties": (lambda x: x.sort(stable=True).indices, (TIES,)),
        "ties, descending": (lambda x: x.sort(stable=True, descending=True).indices, (TIES,)),
        "argsort": (lambda x: x.argsort(0), (f(7, 4),)),
        "undefined": (lambda x: torch.sort(x, stable=True).indices, (WITH_NAN,)),
        "int32": (lambda x: x.argsort(), (distinct(9).to(INT32),)),
        "both": (lambda x: torch.sort(x, 1, descending=True), (f(4, 7),)),
        "undefined, descending": (lambda x: torch.sort(x, stable=True, descending=True).indices, (WITH_NAN,)),
    },
}

CASES = {**PRODUCTS, **POINTWISE, **REDUCING, **NORMALISING, **WINDOWS, **MOVING, **LOOKING_UP, **ORDERING}
"""For every op: its cases, each a function, its inputs, and a tolerance where it is not the common one."""


# --- the cases ------------------------------------------------------------------------------------


def together(cases):
    """One function that calls all cases' functions, and all their inputs."""
    inputs, calls = [], []
    for function, operands, *_ in cases:
        calls.append((function, len(inputs), len(operands)))
        inputs += [tensor.clone() for tensor in operands]

    def every(*values):
        return [function(*values[first : first + count]) for function, first, count in calls]

    return every, tuple(inputs)


def computed_together(cases, folder):
    """The graph of all cases, and for each case what its program computes and what PyTorch does."""
    captured = captured_function(*together(cases))
    outputs = iter(zip(Library(folder, {"graph": captured}).run("graph"), captured.references, strict=True))
    return captured, [
        list(itertools.islice(outputs, len(tensors_of(function(*operands)))))
        for function, operands, *_ in cases
    ]


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """Computes all cases of an op at once, at its first one."""

    @functools.cache
    def attempt(type):
        try:
            captured, results = computed_together(
                list(CASES[type].values()), tmp_path_factory.mktemp(type.name)
            )
        except Exception as error:
            return error
        return captured, dict(zip(CASES[type], results, strict=True))

    def compute(type):
        found = attempt(type)
        if isinstance(found, Exception):
            raise found
        return found

    return compute


def assert_same(output, reference, tolerance=TOLERANCE):
    assert (output.dtype, output.shape) == (reference.dtype, reference.shape)
    if output.dtype == np.float32:
        finite = np.abs(reference[np.isfinite(reference)])
        largest = finite.max(initial=0.0)
        with np.errstate(invalid="ignore"):
            np.testing.assert_allclose(
                output, reference, rtol=tolerance, atol=tolerance * min(largest, 1e3), equal_nan=True
            )
    else:
        np.testing.assert_array_equal(output, reference)


@pytest.mark.parametrize(
    "type, name",
    [(type, name) for type, cases in CASES.items() for name in cases],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_an_op_computes_what_pytorch_computes(computed, type, name):
    results = computed(type)[1][name]
    assert results
    for output, reference in results:
        assert_same(output, reference, *CASES[type][name][2:])


DECOMPOSED = (T.ALL, T.SELECT_SCATTER)
"""Ops that PyTorch makes others of before they are captured; a graph may hold them all the same."""


@pytest.mark.parametrize(
    "type", [type for type in CASES if type not in DECOMPOSED], ids=lambda type: type.name
)
def test_the_cases_of_an_op_are_about_it(computed, type):
    """A case whose op is decomposed, or computed before the program runs, would test another one."""
    found = sum(op.op_type is type for op in computed(type)[0].ir.ops)
    assert found >= 0.6 * len(CASES[type])


HAND_WRITTEN = [
    (T.ALL, {"dim": [1]}, lambda x: x.all(1), (b(3, 4) | b(3, 4),)),
    (T.ALL, {"keepdim": True}, lambda x: x.all().view(1, 1), (n(3, 4),)),
    (T.ALL, {"dim": [0]}, lambda x: x.all(0), (torch.tensor([[0.5, nan, -0.0], [1, 2, 3]]),)),
    (
        T.SELECT_SCATTER,
        {"dim": 1, "index": -1},
        lambda x, v: torch.select_scatter(x, v, 1, -1),
        (f(3, 4), f(3)),
    ),
    (T.SELECT_SCATTER, {"dim": 0, "index": 2}, lambda x, v: torch.select_scatter(x, v, 0, 2), (n(5), n())),
]


@pytest.mark.parametrize(
    "type, attrs, function, inputs", HAND_WRITTEN, ids=lambda value: getattr(value, "name", None)
)
def test_an_op_that_pytorch_would_decompose_computes_the_same(type, attrs, function, inputs, tmp_path):
    ir, reference = ACALSimIR("graph_0"), function(*inputs)
    names = [
        ir.add_tensor(TensorDesc(f"x_{at}", tuple(x.shape), str(x.dtype)[6:], is_input=True)).name
        for at, x in enumerate(inputs)
    ]
    ir.add_tensor(TensorDesc("y", tuple(reference.shape), str(reference.dtype)[6:], is_output=True))
    ir.add_op(ACALSimOp(type, "op", tuple(names), ("y",), attrs))
    ir.outputs = ["y"]
    captured = Captured(verify(ir), [x.numpy() for x in inputs], [reference.numpy()], {})
    assert_same(Library(tmp_path, {"graph": captured}).run("graph")[0], captured.references[0])


OF_INT8 = {ACALSimOpType[name] for name in ("QUANTIZE", "DEQUANTIZE", "CONV_INT8", "GEMM_INT8")}
"""What quantisation makes of other ops; test_int8.py has their cases."""


def test_every_row_has_cases():
    assert set(CASES) | OF_INT8 == set(ROWS) == set(ACALSimOpType)


def test_an_aten_overload_belongs_to_one_row():
    assert len(ATEN) == sum(len(row.aten) for row in ROWS.values())


def schema(name):
    library, packet, overload = name.split("#")[0].split(".")
    return getattr(getattr(getattr(torch.ops, library), packet), overload)._schema


OWN_NAMES = {
    "shape": "what the result's shape says",
    "dims": "where the index tensors stand",
    "safe": "which softmax",
    "indices": "a list of tensors",
}
"""Names that are the IR's and not ATen's."""


@pytest.mark.parametrize("name", ATEN)
def test_the_names_of_a_row_are_those_of_its_schemas(name):
    row, known = ATEN[name], set()
    for each in ATEN[name].aten:
        known |= (
            {argument.name for argument in schema(each)._schema.arguments}
            if hasattr(schema(each), "_schema")
            else {argument.name for argument in schema(each).arguments}
        )
    assert {*row.operand_names, *row.attrs} <= known | OWN_NAMES.keys()


@pytest.mark.parametrize("name", ATEN)
def test_a_row_knows_every_argument_that_matters(name):
    """An argument that is neither operand nor attr is refused where it is given, unless it has no effect."""
    row = ATEN[name]
    unknown = (
        {argument.name for argument in schema(name).arguments}
        - {*row.operand_names, *row.attrs}
        - WITHOUT_EFFECT
        - OWN_NAMES.keys()
    )
    assert unknown <= {"size", "dim", "out_dtype", "a", "sparse_grad", "include_self"}


def test_products_count_their_multiply_accumulates():
    cases = {
        7 * 5 * 9: (torch.mm, (f(7, 5), f(5, 9))),
        3 * 5 * 7 * 2: (torch.bmm, (f(3, 5, 7), f(3, 7, 2))),
        7 * 5 * 8: (torch.addmm, (f(8), f(7, 5), f(5, 8))),
        0: (torch.mm, (f(3, 0), f(0, 4))),
        2 * 5 * 6 * 6 * 3 * 3 * 3: (lambda x, w: F.conv2d(x, w, padding=1), (f(2, 3, 6, 6), f(5, 3, 3, 3))),
        2 * 4 * 4 * 4 * 3 * 3: (lambda x, w: F.conv2d(x, w, groups=4), (f(2, 4, 6, 6), f(4, 1, 3, 3))),
        2 * 3 * 6 * 5 * 4 * 2: (
            lambda x, w: F.conv_transpose2d(x, w, stride=2),
            (f(2, 3, 6, 5), f(3, 4, 1, 2)),
        ),
    }
    for macs, (function, inputs) in cases.items():
        ir = captured_function(function, inputs).ir
        assert sum(ROWS[op.op_type].count_macs(ir, op) for op in ir.ops) == macs


# --- drawn cases ----------------------------------------------------------------------------------


@st.composite
def shapes(draw, least=0, most=4, low=0, high=5):
    return tuple(draw(st.lists(st.integers(low, high), min_size=least, max_size=most)))


def laid_out(draw, function, *inputs):
    """The function, on an operand that is not dense."""
    x, kind = inputs[0], draw(st.sampled_from(["dense", "permuted", "sliced", "computed"]))
    if kind == "permuted" and x.dim():
        order = draw(st.permutations(range(x.dim())))
        back = [order.index(dim) for dim in range(x.dim())]
        return (lambda x, *more: function(x.permute(back), *more)), (
            x.permute(order).contiguous(),
            *inputs[1:],
        )
    if kind == "sliced" and x.dim():
        wide = torch.stack([x, x], -1).flatten(-2)
        return (lambda x, *more: function(x[..., ::2], *more)), (wide, *inputs[1:])
    if kind == "computed" and x.is_floating_point():
        return (lambda x, *more: function(x * 2 - 1, *more)), inputs
    return function, inputs


def a_dim(draw, x):
    return draw(st.integers(-max(x.dim(), 1), max(x.dim(), 1) - 1))


def draw_unary(type):
    function = getattr(torch, type.name.lower())

    def draw_case(draw):
        x = f(*draw(shapes())) if type is not T.BITWISE_NOT else n(*draw(shapes()))
        return laid_out(draw, function, x)

    return draw_case


def draw_binary(type):
    function = {T.DIV_ROUNDED: lambda x, y: torch.div(x, y, rounding_mode="floor")}.get(type) or getattr(
        torch, type.name.lower()
    )
    whole = type in (T.BITWISE_AND, T.BITWISE_OR, T.BITWISE_XOR, T.BITWISE_LEFT_SHIFT, T.BITWISE_RIGHT_SHIFT)

    def draw_case(draw):
        full = draw(shapes())
        one, other = (
            [draw(st.sampled_from([1, size])) for size in full[draw(st.integers(0, len(full))) :]]
            for _ in range(2)
        )
        make = (
            nonzero
            if whole or draw(st.booleans()) and type not in (T.DIV, T.ATAN2, T.HYPOT, T.POW)
            else lambda *shape: f(*shape).abs() + 0.5
        )
        return laid_out(draw, function, make(*one), make(*other))

    return draw_case


def draw_reduction(type):
    name = type.name.lower()
    function, single = getattr(torch, name), type in (T.PROD, T.ARGMAX, T.ARGMIN)

    def draw_case(draw):
        x = f(*draw(shapes(1, 4, 1)))
        keep = draw(st.booleans())
        dims = draw(st.lists(st.integers(0, x.dim() - 1), min_size=1, unique=True))
        dim = a_dim(draw, x) if single else tuple(each - draw(st.sampled_from([0, x.dim()])) for each in dims)
        return laid_out(draw, lambda x: function(x, dim=dim, keepdim=keep), x)

    return draw_case


def draw_along(function):
    def draw_case(draw):
        x = f(*draw(shapes(0, 4, 0)))
        dim = a_dim(draw, x)
        return laid_out(draw, lambda x: function(x, dim), x)

    return draw_case


def draw_product(draw):
    m, k, p = (draw(st.integers(0, 20)) for _ in range(3))
    batch = draw(shapes(0, 2))
    return laid_out(draw, torch.matmul, f(*batch, m, k), f(*batch, k, p))


def draw_gemm(draw):
    m, k, p = (draw(st.integers(0, 20)) for _ in range(3))
    return laid_out(
        draw,
        lambda x, w, c: torch.addmm(c, x, w),
        f(m, k),
        f(k, p),
        f(*draw(st.sampled_from([(p,), (1, p), (m, 1), (m, p), (1,), ()]))),
    )


def draw_conv(draw):
    rank, groups, transposed = draw(st.sampled_from([1, 2, 2])), draw(st.integers(1, 3)), draw(st.booleans())
    channels, out = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    kernel, stride, dilation = ([draw(st.integers(1, 3)) for _ in range(rank)] for _ in range(3))
    padding = [draw(st.integers(0, 1)) for _ in range(rank)]
    size = [d * (k - 1) + 1 + draw(st.integers(0, 6)) for k, d in zip(kernel, dilation, strict=True)]
    weight = (channels, out // groups, *kernel) if transposed else (out, channels // groups, *kernel)
    function = getattr(F, f"conv{'_transpose' * transposed}{rank}d")
    if transposed:
        padding = [0] * rank
    return laid_out(
        draw,
        lambda x, w, c: function(x, w, c, stride=stride, padding=padding, groups=groups, dilation=dilation),
        f(draw(st.integers(1, 2)), channels, *size),
        f(*weight),
        f(out),
    )


def draw_pool(type):
    def draw_case(draw):
        kernel, stride = ([draw(st.integers(1, 3)) for _ in range(2)] for _ in range(2))
        x = f(*draw(st.sampled_from([(2, 3), (1,), (1, 2)])), *(k + draw(st.integers(0, 6)) for k in kernel))
        padding = [draw(st.integers(0, k // 2)) for k in kernel]
        options = dict(kernel_size=kernel, stride=stride, padding=padding, ceil_mode=draw(st.booleans()))
        if type is T.AVG_POOL:
            count = draw(st.booleans())
            return laid_out(draw, lambda x: F.avg_pool2d(x, count_include_pad=count, **options), x)
        if type in (T.MAX_POOL, T.MAX_POOL_INDICES):
            return laid_out(
                draw, lambda x: F.max_pool2d(x, return_indices=True, **options)[type is T.MAX_POOL_INDICES], x
            )
        size = [draw(st.integers(2, 5)) for _ in range(2)]
        if type is T.ADAPTIVE_AVG_POOL:
            return laid_out(draw, lambda x: F.adaptive_avg_pool2d(x, size), x)
        return laid_out(
            draw,
            lambda x: F.adaptive_max_pool2d(x, size, return_indices=True)[
                type is T.ADAPTIVE_MAX_POOL_INDICES
            ],
            x,
        )

    return draw_case


def draw_layer_norm(draw):
    x = f(*draw(shapes(1, 4, 1)))
    normed = x.shape[draw(st.integers(0, x.dim() - 1)) :]
    return laid_out(draw, lambda x, w, c: F.layer_norm(x, normed, w, c), x, f(*normed), f(*normed))


def draw_group_norm(draw):
    groups, each = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    x = f(draw(st.integers(1, 3)), groups * each, *draw(shapes(1, 2, 2)))
    return laid_out(
        draw, lambda x, w, c: F.group_norm(x, groups, w, c), x, f(groups * each), f(groups * each)
    )


def draw_view(draw):
    x = f(*draw(shapes(low=1)))
    sizes, left = [], x.numel()
    while left > 1:
        sizes.append(draw(st.sampled_from([d for d in range(2, left + 1) if left % d == 0])))
        left //= sizes[-1]
    return laid_out(draw, lambda x: x.reshape(sizes) + 1, x)


def draw_permute(draw):
    x = f(*draw(shapes()))
    order = draw(st.permutations(range(x.dim())))
    return laid_out(draw, lambda x: x.permute(order), x)


def draw_expand(draw):
    full = draw(shapes())
    shape = [draw(st.sampled_from([1, size])) for size in full[draw(st.integers(0, len(full))) :]]
    return laid_out(draw, lambda x: x.expand(full), f(*shape))


def draw_slice(draw):
    x = f(*draw(shapes(1)))
    dim, start, end, step = (
        a_dim(draw, x),
        draw(st.integers(-6, 6)),
        draw(st.integers(-6, 9)),
        draw(st.integers(1, 3)),
    )
    return laid_out(draw, lambda x: aten.slice(x, dim, start, end, step) * 2, x)


def draw_select(draw):
    x = f(*draw(shapes(1, low=1)))
    dim = a_dim(draw, x)
    place = draw(st.integers(-x.shape[dim], x.shape[dim] - 1))
    return laid_out(draw, lambda x: x.select(dim, place), x)


def draw_flip(draw):
    x = f(*draw(shapes(1)))
    dims = draw(st.lists(st.integers(0, x.dim() - 1), unique=True, min_size=1))
    return laid_out(draw, lambda x: x.flip(dims), x)


def draw_diagonal(draw):
    x = f(*draw(shapes(2, low=1)))
    first, second = draw(st.permutations(range(x.dim())))[:2]
    offset = draw(st.integers(-x.shape[first], x.shape[second]))
    return laid_out(draw, lambda x: x.diagonal(offset, first, second), x)


def draw_unfold(draw):
    x = f(*draw(shapes(1, 3, 1)))
    dim = a_dim(draw, x)
    size, step = draw(st.integers(1, x.shape[dim])), draw(st.integers(1, 3))
    return laid_out(draw, lambda x: x.unfold(dim, size, step), x)


def draw_as_strided(draw):
    size, stride = draw(shapes(0, 3)), draw(st.lists(st.integers(0, 5), min_size=3, max_size=3))
    offset = draw(st.integers(0, 4))
    return laid_out(
        draw, lambda x: (x * 2).contiguous().as_strided(size, stride[: len(size)], offset), f(9, 9)
    )


def draw_cat(draw):
    shape = list(draw(shapes(1)))
    dim = draw(st.integers(0, len(shape) - 1))
    sizes = draw(st.lists(st.integers(0, 4), min_size=2, max_size=4))
    return laid_out(
        draw,
        lambda *values: torch.cat(values, dim),
        *(f(*shape[:dim], size, *shape[dim + 1 :]) for size in sizes),
    )


def draw_pad(draw):
    x = f(*draw(shapes(1, 3, 2)))
    pad = [draw(st.integers(-1, 2)) for _ in range(2 * draw(st.integers(1, x.dim())))]
    return laid_out(draw, lambda x: F.pad(x, pad, value=1.5), x)


def places(draw, size, *shape):
    return n(*shape, low=0, high=size, dtype=draw(st.sampled_from([torch.int64])))


def draw_gather(draw):
    x = f(*draw(shapes(1, 3, 1)))
    dim = a_dim(draw, x)
    shape = [draw(st.integers(0, size)) for size in x.shape]
    shape[dim] = draw(st.integers(0, 6))
    return laid_out(draw, lambda x, i: x.gather(dim, i), x, places(draw, x.shape[dim], *shape))


def draw_embedding(draw):
    return lambda w, i: F.embedding(i, w) + 1, (
        f(draw(st.integers(1, 5)), draw(st.integers(0, 5))),
        torch.zeros(draw(shapes(0, 3)), dtype=torch.int64),
    )


def draw_index_select(draw):
    x = f(*draw(shapes(1, 4, 1)))
    dim = a_dim(draw, x)
    return laid_out(
        draw, lambda x, i: x.index_select(dim, i), x, places(draw, x.shape[dim], draw(st.integers(0, 6)))
    )


def drawn_places(draw, x):
    """None or an index tensor for each dimension; the shapes of those broadcast."""
    chosen = draw(st.lists(st.booleans(), min_size=x.dim(), max_size=x.dim()).filter(any))
    full = draw(shapes(1, 2, 1))
    made = []
    for size, is_chosen in zip(x.shape, chosen, strict=True):
        shape = [draw(st.sampled_from([1, each])) for each in full[draw(st.integers(0, len(full) - 1)) :]]
        made.append(n(*shape, low=-size, high=size) if is_chosen else None)
    return made


def spread(places, values):
    """The values where there is a place, None elsewhere."""
    left = iter(values)
    return [None if each is None else next(left) for each in places]


def draw_index(draw):
    x = f(*draw(shapes(1, 4, 1)))
    indices = drawn_places(draw, x)
    return laid_out(
        draw,
        lambda x, *i: aten.index(x, spread(indices, i)),
        x,
        *(each for each in indices if each is not None),
    )


def draw_index_put(draw):
    x = f(*draw(shapes(1, 4, 1)))
    indices = drawn_places(draw, x)
    shape = x[tuple(slice(None) if each is None else each for each in indices)].shape

    return laid_out(
        draw,
        lambda x, v, *i: aten.index_put(x, spread(indices, i), v, True),
        x,
        f(*shape),
        *(each for each in indices if each is not None),
    )


def draw_slice_scatter(draw):
    x = f(*draw(shapes(1)))
    dim, start, end, step = (
        a_dim(draw, x),
        draw(st.integers(0, 6)),
        draw(st.integers(0, 9)),
        draw(st.integers(1, 3)),
    )
    part = aten.slice(x, dim, start, end, step)
    return laid_out(draw, lambda x, v: torch.slice_scatter(x, v, dim, start, end, step), x, f(*part.shape))


def draw_select_scatter(draw):
    x = f(*draw(shapes(1, low=1)))
    dim = a_dim(draw, x)
    place = draw(st.integers(-x.shape[dim], x.shape[dim] - 1))
    return laid_out(
        draw, lambda x, v: torch.select_scatter(x, v, dim, place), x, f(*x.select(dim, place).shape)
    )


def draw_scatter(function):
    def draw_case(draw):
        x = f(*draw(shapes(1, 3, 1)))
        dim = a_dim(draw, x)
        shape = [draw(st.integers(1, size)) for size in x.shape]
        order = torch.rand(x.shape, generator=torch.Generator().manual_seed(1)).argsort(dim)
        where = order[tuple(slice(size) for size in shape)].contiguous()
        return laid_out(draw, lambda x, i, v: function(x, dim, i, v), x, where, f(*shape))

    return draw_case


def draw_topk(part):
    def draw_case(draw):
        x = f(*draw(shapes(1, 3, 1)))
        dim, largest = a_dim(draw, x), draw(st.booleans())
        k = draw(st.integers(0, x.shape[dim]))
        return laid_out(draw, lambda x: x.topk(k, dim, largest)[part], x)

    return draw_case


def draw_sort(part):
    def draw_case(draw):
        x = n(*draw(shapes(1, 3)), low=-2, high=3).float() + 0.0
        dim, descending = a_dim(draw, x), draw(st.booleans())
        return laid_out(draw, lambda x: torch.sort(x, dim=dim, descending=descending, stable=True)[part], x)

    return draw_case


def draw_cast(draw):
    dtype = draw(st.sampled_from([torch.int64, INT32, BOOL, torch.float32]))
    return laid_out(draw, lambda x: x.to(dtype), n(*draw(shapes())))


def draw_where(draw):
    full = draw(shapes())
    one, two, three = ([draw(st.sampled_from([1, size])) for size in full] for _ in range(3))
    return laid_out(draw, lambda x, c, y: torch.where(c, x, y), f(*one), b(*two), f(*three))


def drawing(function, dense=False):
    return lambda draw: laid_out(draw, function, f(*draw(shapes())))


FAMILIES = {
    "of one operand": {
        **{
            type: draw_unary(type)
            for type in POINTWISE
            if len(ROWS[type].operands) == 1 and type.name.lower() in dir(torch) and type not in (T.CLAMP,)
        },
        T.CLAMP: drawing(lambda x: x.clamp(-0.5, 0.7)),
        T.HARDTANH: drawing(F.hardtanh),
        T.GELU: drawing(F.gelu),
        T.LEAKY_RELU: drawing(F.leaky_relu),
        T.ELU: drawing(F.elu),
        T.CAST: draw_cast,
    },
    "of two operands": {
        **{type: draw_binary(type) for type in POINTWISE if len(ROWS[type].operands) == 2},
        T.WHERE: draw_where,
    },
    "reducing": {
        **{type: draw_reduction(type) for type in REDUCING if type not in (T.CUMSUM, T.CUMPROD)},
        T.CUMSUM: draw_along(torch.cumsum),
        T.CUMPROD: draw_along(torch.cumprod),
        T.SOFTMAX: draw_along(torch.softmax),
        T.LOG_SOFTMAX: draw_along(torch.log_softmax),
        T.LAYER_NORM: draw_layer_norm,
        T.GROUP_NORM: draw_group_norm,
    },
    "windows": {
        T.CONV: draw_conv,
        **{type: draw_pool(type) for type in WINDOWS},
        T.MATMUL: draw_product,
        T.BMM: draw_product,
        T.GEMM: draw_gemm,
    },
    "movements": {
        T.VIEW: draw_view,
        T.PERMUTE: draw_permute,
        T.EXPAND: draw_expand,
        T.SLICE: draw_slice,
        T.SELECT: draw_select,
        T.FLIP: draw_flip,
        T.DIAGONAL: draw_diagonal,
        T.UNFOLD: draw_unfold,
        T.AS_STRIDED: draw_as_strided,
        T.COPY: drawing(torch.clone),
        T.CAT: draw_cat,
        T.PAD: draw_pad,
    },
    "lookups": {
        T.GATHER: draw_gather,
        T.EMBEDDING: draw_embedding,
        T.INDEX_SELECT: draw_index_select,
        T.INDEX: draw_index,
        T.SLICE_SCATTER: draw_slice_scatter,
        T.SELECT_SCATTER: draw_select_scatter,
        T.INDEX_PUT: draw_index_put,
        T.SCATTER: draw_scatter(torch.scatter),
        T.SCATTER_ADD: draw_scatter(torch.scatter_add),
        T.SCATTER_REDUCE: draw_scatter(functools.partial(torch.scatter_reduce, reduce="amax")),
        T.TOPK: draw_topk(0),
        T.TOPK_INDICES: draw_topk(1),
        T.SORT: draw_sort(0),
        T.SORT_INDICES: draw_sort(1),
    },
}
EACH = 4
"""Cases of one op in one graph."""


def test_every_row_has_drawn_cases():
    assert {type for family in FAMILIES.values() for type in family} == set(ROWS) - OF_INT8


@pytest.mark.parametrize("family", FAMILIES)
def test_ops_compute_what_pytorch_computes_on_whatever_shapes(family, tmp_path_factory):
    @settings(
        max_examples=2,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def check(data):
        names = [type for type in FAMILIES[family] for _ in range(EACH)]
        cases = [FAMILIES[family][type](data.draw) for type in names]
        _, results = computed_together(cases, tmp_path_factory.mktemp("drawn"))
        for type, (_, inputs), pairs in zip(names, cases, results, strict=True):
            for output, reference in pairs:
                try:
                    assert_same(output, reference, LONG_SUMS)
                except AssertionError as error:
                    raise AssertionError(
                        f"{type.name} of {[tuple(each.shape) for each in inputs]}: {error}"
                    ) from None

    check()


# --- ops that become others -----------------------------------------------------------------------


def bag(mode, **options):
    return lambda w, i, *more: F.embedding_bag(i, w, *more, mode=mode, **options)


COMPOSED = {
    "clamp between tensors": (torch.clamp, (ODD[:, None], ODD, ODD.flip(0))),
    "clamp of int64": (lambda x, low: x.clamp(min=low), (n(3, 4), n(4))),
    "cosine_similarity": (F.cosine_similarity, (f(3, 4), f(3, 4))),
    "var_mean": (torch.var_mean, (f(3, 4),)),
    "std_mean": (lambda x: torch.std_mean(x, (0, 2), keepdim=True), (f(3, 4, 5),)),
    "instance_norm": (lambda x, w, c: F.instance_norm(x, weight=w, bias=c), (f(2, 3, 4, 5), f(3), f(3))),
    "batch_norm of the batch": (lambda x: F.batch_norm(x, None, None, training=True), (f(4, 3, 5),)),
    "local_response_norm": (lambda x: F.local_response_norm(x, 3), (f(2, 5, 4, 4),)),
    "avg_pool3d": (lambda x: F.avg_pool3d(x, (3, 2, 3), (2, 1, 2), 1, True, False), (f(2, 3, 5, 6, 7),)),
    "avg_pool3d with its padding": (lambda x: F.avg_pool3d(x, 3, 2, 1, True), (f(3, 5, 6, 7),)),
    "cdist": (torch.cdist, (f(2, 4, 3), f(2, 5, 3))),
    "cdist, p 1": (lambda x, y: torch.cdist(x, y, 1.0), (f(4, 3), f(5, 3))),
    "bilinear": (F.bilinear, (f(2, 3), f(2, 4), f(5, 3, 4), f(5))),
    "masked_scatter": (lambda x, m, v: x.masked_scatter(m, v), (f(3, 4), b(3, 1), f(12))),
    **{
        f"scatter_reduce {reduce} {own}": (
            functools.partial(scatter_reduced, reduce, own),
            (f(5, 4), n(6, 4, low=0, high=5), f(6, 4)),
        )
        for reduce in ("sum", "mean")
        for own in (True, False)
    },
    "scatter_reduce mean of int64": (
        functools.partial(scatter_reduced, "mean", True),
        (n(5), n(9, low=0, high=5), n(9)),
    ),
    **{
        f"embedding_bag {mode}": (bag(mode), (f(5, 3), n(4, 2, low=0, high=5)))
        for mode in ("sum", "mean", "max")
    },
    **{
        f"embedding_bag {mode} by offsets": (
            bag(mode, padding_idx=2),
            (f(5, 3), torch.tensor([0, 2, 1, 2, 4, 4, 2]), torch.tensor([0, 3, 3, 6])),
        )
        for mode in ("sum", "mean", "max")
    },
    "embedding_bag up to a last offset": (
        bag("sum", include_last_offset=True),
        (f(5, 3), n(7, low=0, high=5), torch.tensor([0, 3, 7])),
    ),
    "embedding_bag weighted": (
        lambda w, i, p: F.embedding_bag(i, w, per_sample_weights=p, mode="sum"),
        (f(5, 3), n(4, 2, low=0, high=5), f(4, 2)),
    ),
    "bilinear upsampling": (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), (f(1, 2, 4, 5),)),
    "bicubic upsampling": (lambda x: F.interpolate(x, (7, 9), mode="bicubic"), (f(1, 2, 4, 5),)),
    "grid_sample": (lambda x, g: F.grid_sample(x, g, align_corners=False), (f(1, 2, 4, 5), f(1, 3, 3, 2))),
    "pixel_shuffle": (lambda x: F.pixel_shuffle(x, 2), (f(1, 8, 3, 3),)),
    "fold": (lambda x: F.fold(x, (4, 4), 3, padding=1), (f(1, 18, 16),)),
    "unfold": (lambda x: F.unfold(x, 3, padding=1), (f(1, 2, 4, 4),)),
    "reflected padding": (lambda x: F.pad(x, (1, 2, 2, 1), mode="reflect"), (f(1, 2, 4, 4),)),
    "mish": (F.mish, (FINITE,)),
    "softplus": (F.softplus, (ODD,)),
    "logsumexp": (lambda x: x.logsumexp(1), (SOFT_ODD,)),
    "nan_to_num": (torch.nan_to_num, (ODD,)),
    "lerp": (torch.lerp, (f(4), f(4), f(4))),
}


@pytest.fixture(scope="module")
def composed(tmp_path_factory):
    return dict(
        zip(
            COMPOSED,
            computed_together(list(COMPOSED.values()), tmp_path_factory.mktemp("composed"))[1],
            strict=True,
        )
    )


@pytest.mark.parametrize("name", COMPOSED)
def test_an_op_without_a_row_becomes_others_that_compute_the_same(composed, name):
    for output, reference in composed[name]:
        assert_same(output, reference, LONG_SUMS)


# --- refusals -------------------------------------------------------------------------------------


def refused(function, *inputs):
    case = Case(function, inputs)
    case.guard_dynamo = ModelFile(case.path).guard_dynamo
    with pytest.raises(CaptureError) as caught:
        capture_model(case)
    return str(caught.value)


@pytest.mark.parametrize(
    "function, inputs, sentence",
    [
        (torch.mm, (n(2, 3), n(3, 2)), "has tensor 'input_0' of int64; MATMUL takes float32"),
        (torch.bmm, (n(2, 3, 3, dtype=INT32), n(2, 3, 3, dtype=INT32)), "of int32; BMM takes float32"),
        (
            lambda x: x.to(torch.float64) + 1,
            (f(3),),
            "dtype float64 of the result of aten._to_copy.default is not supported",
        ),
        (
            lambda x: x.half(),
            (f(3),),
            "dtype float16 of the result of aten._to_copy.default is not supported",
        ),
        (lambda x: x[x > 0], (f(3),), "depends on values"),
        (lambda x: torch.nonzero(x), (f(3),), "op aten.nonzero.default on (3,) is not supported"),
        (
            lambda x: F.conv3d(x, torch.ones(1, 1, 2, 2, 2)),
            (f(1, 1, 4, 4, 4),),
            "convolutions here have 1 or 2 dimensions",
        ),
        (
            lambda x: x.t().as_strided((3, 2), (1, 1)),
            (f(3, 4),),
            "op aten.as_strided.default on (4, 3) is not supported",
        ),
    ],
)
def test_what_no_row_takes_is_refused_by_name(function, inputs, sentence):
    assert sentence in refused(function, *inputs)


def test_indexing_by_a_mask_is_refused_and_says_why():
    said = refused(lambda x, m: x[m], f(3, 4), b(3, 4))
    assert "aten.index.Tensor" in said and "depends on values" in said and len(said.splitlines()) <= 2


def test_all_that_is_not_supported_is_told_at_once_with_its_lines():
    def function(x):
        y = torch.linalg.svdvals(x)
        z = torch.nonzero_static(x, size=4)
        return torch.linalg.det(x) + y, z

    first = function.__code__.co_firstlineno
    said = re.findall(
        r"op aten\.(\w+)\.default on \(4, 4\) is not supported \(at tests/test_ops\.py:(\d+)\)",
        refused(function, f(4, 4)),
    )
    assert [(name, int(line) - first) for name, line in said] == [
        ("_linalg_svd", 1),
        ("nonzero_static", 2),
        ("_linalg_det", 3),
    ]


@pytest.mark.parametrize(
    "function, inputs",
    [
        (lambda w, i: F.embedding(i, w), (f(7, 4), torch.tensor([0, 6]))),
        (lambda x, i: x[i], (f(7, 4), torch.tensor([0, -7]))),
        (lambda x, i: x.gather(0, i), (f(7), torch.tensor([0, 6]))),
        (lambda x, i: aten.index_put(x, (i,), torch.tensor(1.0)), (f(7), torch.tensor([0, 6]))),
        (lambda x, i: x.scatter(0, i, 2.0), (f(7), torch.tensor([0, 6]))),
        (lambda x, i: x.index_select(0, i), (f(7), torch.tensor([0, 6]))),
    ],
    ids=["embedding", "index", "gather", "index_put", "scatter", "index_select"],
)
def test_a_place_that_is_not_there_ends_the_program(function, inputs, tmp_path):
    captured = captured_function(function, inputs)
    library = Library(tmp_path, {"graph": captured})
    assert_same(library.run("graph")[0], captured.references[0])
    beyond = [array + 7 if array.dtype == np.int64 else array for array in captured.inputs]
    with pytest.raises(IndexError, match="index (7|13) is out of bounds with size 7"):
        library.run("graph", beyond)


# --- loops and shapes -----------------------------------------------------------------------------

SIZES = st.lists(st.integers(0, 4), max_size=4)


@settings(max_examples=200, deadline=None)
@given(SIZES, st.data())
def test_shapes_broadcast_as_in_pytorch(shape, data):
    shapes = [
        [data.draw(st.sampled_from([1, size])) for size in shape[data.draw(st.integers(0, len(shape))) :]]
        for _ in range(2)
    ]
    assert broadcast([tuple(one) for one in shapes], {}) == tuple(torch.broadcast_shapes(*shapes))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=3), st.lists(st.integers(0, 3), min_size=1, max_size=3)
)
def test_shapes_that_pytorch_does_not_broadcast_are_refused(one, other):
    try:
        expected = tuple(torch.broadcast_shapes(one, other))
    except RuntimeError:
        with pytest.raises(ValueError, match="do not broadcast"):
            broadcast([tuple(one), tuple(other)], {})
    else:
        assert broadcast([tuple(one), tuple(other)], {}) == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 4), max_size=4), st.data())
def test_collapsed_loops_walk_the_same_addresses(shape, data):
    walk = [data.draw(st.sampled_from([0, 1, 2, 12, -1, -4])) for _ in shape]
    dense = [prod(shape[dim + 1 :]) for dim in range(len(shape))]
    sizes, (steps, again) = collapse(tuple(shape), [dense, walk])

    def addresses(sizes, steps):
        return [sum(i * step for i, step in zip(index, steps, strict=True)) for index in np.ndindex(*sizes)]

    assert addresses(sizes, steps) == list(range(prod(shape)))
    assert addresses(sizes, again) == addresses(shape, walk)


def test_a_0_d_tensor_needs_no_loop_and_an_empty_one_nothing_at_all():
    from acalsim_backend.codegen.loops import Item

    assert nest((), [Item("y[{walk}] = x;", ())]) == ["y[0] = x;"]
    assert nest((1, 1), [Item("y[{walk}] = x;", (1, 1))]) == ["y[0] = x;"]
    assert nest((3, 0), [Item("y[{walk}] = x;", (0, 1))]) == []


def test_a_walk_backwards_is_printed_with_a_minus():
    assert index([-1, 4, 0], ["i0", "i1", "i2"]) == "i0 * -1 + i1 * 4"
    assert index([0, 0], ["i0", "i1"]) == "0"


@pytest.mark.parametrize("value", [0.1, -0.0, 1e-45, 3.4e38, 1.0, 1e300, -1e300, 1e-300])
def test_the_literal_of_a_float_is_its_nearest_float32(value):
    with np.errstate(over="ignore"):
        expected = np.float32(value)
    text = literal(value).removesuffix("f")
    assert np.float32(float.fromhex(text.replace("INFINITY", "inf"))).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "value, text",
    [(3, "3"), (True, "1"), (-(2**63), "(-9223372036854775807 - 1)"), (nan, "NAN"), (-inf, "-INFINITY")],
)
def test_whole_and_odd_numbers_have_literals(value, text):
    assert literal(value) == text
