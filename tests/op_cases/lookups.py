# SPDX-License-Identifier: Apache-2.0
"""Cases of ops that read or write where an index says."""

import functools

import torch
import torch.nn.functional as F

from op_cases.values import INT8, INT32, ODD, T, Values, aten, put

values = Values(2)
b, f, n = values.b, values.f, values.n


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
