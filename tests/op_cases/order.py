# SPDX-License-Identifier: Apache-2.0
"""Cases of ops that sort."""

from math import prod

import torch

from op_cases.values import INT8, INT32, TIES, WITH_NAN, T, Values

values = Values(5)
b, f, n = values.b, values.f, values.n


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
