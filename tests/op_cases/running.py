# SPDX-License-Identifier: Apache-2.0
"""Cases of running sums, products and extremes."""

from math import inf, nan

import torch

from op_cases.values import INT8, INT32, ODD, TIES, WITH_NAN, T, Values

values = Values(14)
b, f, n = values.b, values.f, values.n


def extremes(function):
    """Of a function with values or places as its result."""
    return {
        "first": (lambda x: function(x, 0), (f(5, 4),)),
        "last": (lambda x: function(x, -1), (f(3, 9),)),
        "middle": (lambda x: function(x, 1), (f(2, 6, 3),)),
        "0-d": (lambda x: function(x, 0), (f(),)),
        "nothing": (lambda x: function(x, 1), (f(3, 0),)),
        "ties": (lambda x: function(x, 1), (TIES,)),
        "undefined": (lambda x: function(x, 1), (WITH_NAN,)),
        "undefined at first": (lambda x: function(x, 0), (torch.tensor([nan, 3.0, nan, inf]),)),
        "infinite": (lambda x: function(x, 0), (torch.tensor([-inf, inf, -inf, inf]),)),
        "int64": (lambda x: function(x, 1), (n(3, 7),)),
        "int32": (lambda x: function(x, 0), (n(9, dtype=INT32),)),
        "int8": (lambda x: function(x, 0), (n(9, dtype=INT8),)),
        "bools": (lambda x: function(x, 0), (b(9),)),
        "transposed": (lambda x: function(x.t(), 0), (f(3, 4),)),
        "computed": (lambda x: function(x * -2 + 1, 1) * 2, (f(3, 4),)),
    }


RUNNING = {
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
    T.CUMMAX: extremes(lambda x, dim: x.cummax(dim).values),
    T.CUMMAX_INDICES: {
        **extremes(lambda x, dim: x.cummax(dim).indices),
        "both": (lambda x: x.cummax(1), (f(3, 9),)),
    },
    T.CUMMIN: extremes(lambda x, dim: x.cummin(dim).values),
    T.CUMMIN_INDICES: {
        **extremes(lambda x, dim: x.cummin(dim).indices),
        "both": (lambda x: x.cummin(1), (f(3, 9),)),
    },
    T.LOGCUMSUMEXP: {
        "first": (lambda x: x.logcumsumexp(0), (f(5, 4),), 4e-6),
        "last": (lambda x: x.logcumsumexp(-1), (f(3, 40) * 5,), 4e-6),
        "0-d": (lambda x: x.logcumsumexp(0), (f(),)),
        "nothing": (lambda x: x.logcumsumexp(1), (f(3, 0),)),
        "far apart": (lambda x: x.logcumsumexp(0), (torch.tensor([-200.0, 90, 0, 90, -300, 1e4]),), 4e-6),
        "infinite": (
            lambda x: x.logcumsumexp(1),
            (torch.tensor([[-inf, -inf, 1, 2], [inf, 1, inf, -inf], [1, inf, -inf, 2]]),),
        ),
        "odd": (lambda x: x.logcumsumexp(0), (ODD,)),
        "undefined": (lambda x: x.logcumsumexp(1), (WITH_NAN,)),
        "transposed": (lambda x: x.t().logcumsumexp(0), (f(3, 4),), 4e-6),
    },
}
