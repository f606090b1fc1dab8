# SPDX-License-Identifier: Apache-2.0
"""Cases of ops that compute each element from its operands' elements at the same place."""

import functools
from math import inf, nan

import torch
import torch.nn.functional as F
from acalsim_backend.ir.ops import ROWS

from op_cases.values import FAR, FINITE, INT8, INT32, ODD, T, Values

values = Values(6)
b, f, n, nonzero = values.b, values.f, values.n, values.nonzero


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
