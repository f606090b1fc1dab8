# SPDX-License-Identifier: Apache-2.0
"""Cases of counting, searching and choosing by order, which become other ops."""

from math import inf, nan

import torch
import torch.nn.functional as F

from op_cases.order import distinct
from op_cases.values import INT32, TIES, WITH_NAN, Values

values = Values(16)
b, f, n = values.b, values.f, values.n
EDGES = torch.tensor([-1.0, -0.5, 0.0, 0.0, 0.5, 1.0])
MANY = values.f(200).sort().values
SORTED = values.f(3, 9).sort().values
AT_EDGES = torch.tensor([-inf, -1.0, -0.75, 0.0, 0.5, 1.0, 7.0, inf, nan])


def chosen(function, **options):
    """Values and places of a row's element."""
    return lambda x: tuple(function(x, **options))


ROWS = distinct(4, 7).float()
WITH_GAPS = torch.tensor([[3.0, nan, 1, 2, nan], [nan] * 5, [5, 4, 3, 2, 1], [nan, nan, nan, nan, 7]])
FREQUENT = torch.tensor([[3.0, 1, 3, 1, 2], [2, 2, 2, 2, 2], [5, 4, 3, 2, 1], [1, 0, 0, 1, 1]])

CHOOSING = {
    "median of all": (torch.median, (f(3, 5),)),
    "median of an even number": (torch.median, (f(3, 4),)),
    "median along": (chosen(torch.median, dim=1), (ROWS,)),
    "median along the first, kept": (chosen(torch.median, dim=0, keepdim=True), (ROWS,)),
    "median of what is undefined": (chosen(torch.median, dim=1), (WITH_GAPS,)),
    "median of int64": (chosen(torch.median, dim=0), (distinct(7, 4),)),
    "median of 0-d": (chosen(torch.median, dim=0), (f(),)),
    "nanmedian of all": (torch.nanmedian, (WITH_GAPS,)),
    "nanmedian along": (lambda x: torch.nanmedian(x, 1).values, (WITH_GAPS,)),
    "nanmedian along, places": (lambda x: torch.nanmedian(x, 1).indices, (WITH_GAPS[[0, 2, 3]],)),
    "nanmedian of what is defined": (chosen(torch.nanmedian, dim=0, keepdim=True), (ROWS,)),
    "kthvalue": (chosen(torch.kthvalue, k=3), (ROWS,)),
    "kthvalue along the first, kept": (chosen(torch.kthvalue, k=2, dim=0, keepdim=True), (ROWS,)),
    "kthvalue of equals": (lambda x: torch.kthvalue(x, 2).values, (TIES,)),
    "kthvalue of what is undefined": (lambda x: torch.kthvalue(x, 2).values, (WITH_NAN,)),
    "kthvalue of 0-d": (chosen(torch.kthvalue, k=1), (f(),)),
    "mode": (chosen(torch.mode), (FREQUENT,)),
    "mode along the first, kept": (chosen(torch.mode, dim=0, keepdim=True), (FREQUENT,)),
    "mode of int64": (chosen(torch.mode, dim=1), (n(6, 9, low=0, high=4),)),
    "quantile": (lambda x: torch.quantile(x, 0.3, dim=1), (f(4, 7),)),
}
SEARCHING = {
    "bucketize": (torch.bucketize, (AT_EDGES, EDGES)),
    "bucketize, right": (lambda x, e: torch.bucketize(x, e, right=True), (AT_EDGES, EDGES)),
    "bucketize to int32": (lambda x, e: torch.bucketize(x, e, out_int32=True), (f(3, 5), EDGES)),
    "bucketize among constant edges": (lambda x: torch.bucketize(x, EDGES), (f(3, 5),)),
    "bucketize among many": (torch.bucketize, (torch.cat([f(3, 30), MANY[:90].view(3, 30)], 1), MANY)),
    "bucketize among many, right": (
        lambda x, e: torch.bucketize(x, e, right=True),
        (torch.cat([f(40), MANY[::9], AT_EDGES]), MANY),
    ),
    "bucketize of int64": (torch.bucketize, (n(3, 5), torch.tensor([-20, 0, 1, 30]))),
    "bucketize among none": (torch.bucketize, (f(3), torch.zeros(0))),
    "searchsorted": (torch.searchsorted, (SORTED, f(3, 4))),
    "searchsorted, right side": (
        lambda e, x: torch.searchsorted(e, x, side="right"),
        (SORTED, torch.cat([SORTED[:, ::2], f(3, 2)], 1)),
    ),
    "searchsorted of one number": (lambda e: torch.searchsorted(e, 0.25), (EDGES,)),
    "searchsorted, not sorted yet": (
        lambda e, x: torch.searchsorted(e, x, sorter=e.argsort(-1)),
        (f(2, 7), f(2, 3)),
    ),
    "searchsorted among many rows": (torch.searchsorted, (f(2, 99).sort().values, f(2, 5))),
    "histc": (lambda x: torch.histc(x, 5, -2, 2), (f(99),)),
    "histc at the edges": (
        lambda x: torch.histc(x, 4, 0, 4),
        (torch.tensor([-1.0, 0, 1, 2, 3, 4, 5, nan, inf, 3.999]),),
    ),
    "histc from the least to the largest": (lambda x: torch.histc(x, 7), (f(3, 40),)),
    "histc of equals": (lambda x: torch.histc(x, 3), (torch.full((5,), 2.0),)),
    "histc of integers": (lambda i: torch.histc(i.float(), 4, 0, 3), (n(18, low=0, high=4),)),
    "bincount": (lambda i: torch.bincount(i, minlength=6), (torch.tensor([0, 2, 2, 5, 0]),)),
    "bincount, weighted": (
        lambda i, w: torch.bincount(i, w.to(torch.float32), minlength=6),
        (torch.tensor([0, 2, 2, 5, 0]), f(5)),
    ),
    "bincount of int32": (lambda i: torch.bincount(i, minlength=4), (n(9, low=0, high=4, dtype=INT32),)),
    "one_hot": (lambda i: F.one_hot(i, 4), (n(2, 5, low=0, high=4),)),
    "nonzero_static": (lambda x: torch.nonzero_static(x, size=7), (b(4, 3),)),
    "nonzero_static, more than there are": (
        lambda x: torch.nonzero_static(x, size=20, fill_value=9),
        (n(2, 3, 2, low=0, high=2),),
    ),
    "nonzero_static, fewer": (lambda x: torch.nonzero_static(x, size=2), (torch.tensor([0.0, 3, nan, 2, -0.0]),)),
    "isin": (lambda x, y: torch.isin(x, y), (n(3, 5, low=0, high=9), n(4, low=0, high=9))),
}  # fmt: skip
