# SPDX-License-Identifier: Apache-2.0
"""What stands where in the order of a row's elements: medians, the k-th, the most frequent.

Values come with their places. PyTorch leaves open which of equal elements it names; here it is the first.
"""

from __future__ import annotations


def kthvalue(x, k, dim=-1, keepdim=False):
    import torch

    if not x.dim():
        return x.clone(), torch.zeros_like(x, dtype=torch.int64)
    place = torch.sort(x, dim=dim, stable=True).indices.narrow(dim, k - 1, 1)
    return _taken(x, place, dim, keepdim)


def median_along(x, dim, keepdim=False):
    """The lower one of two in the middle; a row with NaN has the first NaN."""
    import torch

    if not x.dim():
        return x.clone(), torch.zeros_like(x, dtype=torch.int64)
    middle = (x.shape[dim] - 1) // 2
    place = torch.sort(x, dim=dim, stable=True).indices.narrow(dim, middle, 1)
    if x.is_floating_point():
        undefined = x.isnan()
        first = undefined.to(torch.int64).argmax(dim, keepdim=True)
        place = torch.where(undefined.any(dim, keepdim=True), first, place)
    return _taken(x, place, dim, keepdim)


def median(x):
    return median_along(x.reshape(-1), 0)[0]


def nanmedian_along(x, dim, keepdim=False):
    """The median of what is not NaN, which sorting puts first."""
    import torch

    if not x.is_floating_point() or not x.dim():
        return median_along(x, dim, keepdim)
    defined = x.isnan().logical_not().sum(dim, keepdim=True)
    middle = ((defined - 1) // 2).clamp(min=0)
    place = torch.sort(x, dim=dim, stable=True).indices.gather(dim, middle)
    return _taken(x, place, dim, keepdim)


def nanmedian(x):
    return nanmedian_along(x.reshape(-1), 0)[0]


def mode(x, dim=-1, keepdim=False):
    """The smallest of the most frequent elements, and where the last such element stands."""
    import torch

    if not x.dim():
        return x.clone(), torch.zeros_like(x, dtype=torch.int64)
    ordered, places = torch.sort(x, dim=dim, stable=True)
    size = x.shape[dim]
    differs = ordered.narrow(dim, 1, size - 1) != ordered.narrow(dim, 0, size - 1)
    begins = torch.cat([torch.ones_like(ordered.narrow(dim, 0, 1), dtype=torch.bool), differs], dim)
    shape = [1] * x.dim()
    shape[dim] = size
    position = torch.arange(size).view(shape)
    start = torch.where(begins, position, 0).cummax(dim).values
    best = (position - start).argmax(dim, keepdim=True)
    return _taken(x, places.gather(dim, best), dim, keepdim)


def _taken(x, place, dim, keepdim):
    """The elements at those places, and the places."""
    value = x.gather(dim, place)
    return (value, place) if keepdim else (value.squeeze(dim), place.squeeze(dim))
