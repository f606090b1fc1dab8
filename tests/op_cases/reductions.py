# SPDX-License-Identifier: Apache-2.0
"""Cases of sums, extremes and norms along dimensions."""

import functools
from math import inf

import torch

from op_cases.values import BOOL, INT8, INT32, TIES, WITH_NAN, T, Values

values = Values(8)
b, f, n = values.b, values.f, values.n


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
}
