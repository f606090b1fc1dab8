# SPDX-License-Identifier: Apache-2.0
"""Counting and searching: which of sorted edges a value lies between, how often each value is there, and where."""

from __future__ import annotations

MOST_COMPARED = 64
"""Among more edges than this, a value's place is searched by halves instead of compared with each of them."""


def bucketize(x, edges, *, out_int32=False, right=False):
    """How many edges are below each element (`right`: or equal to it)."""
    return searchsorted(edges, x, out_int32=out_int32, right=right)


def bucketize_number(x, edges, *, out_int32=False, right=False):
    import torch

    return searchsorted(edges, torch.full((), x), out_int32=out_int32, right=right)


def searchsorted(edges, x, *, out_int32=False, right=False, side=None, sorter=None):
    """The place of each of x [..., n] in the sorted rows [..., m]; NaN is behind all."""
    import torch

    edges = edges if sorter is None else edges.gather(-1, sorter)
    is_right = right or side == "right"
    search = _counted if edges.shape[-1] <= MOST_COMPARED else _halved
    found = search(edges, x, is_right)
    return found.to(torch.int32) if out_int32 else found


def searchsorted_number(edges, x, *, out_int32=False, right=False, side=None, sorter=None):
    import torch

    value = torch.full((), x, dtype=edges.dtype if isinstance(x, int) else None)
    return searchsorted(edges, value, out_int32=out_int32, right=right, side=side, sorter=sorter)


def _counted(edges, x, is_right):
    value, rows = x.unsqueeze(-1), edges if edges.dim() == 1 else edges.unsqueeze(-2)
    below = rows <= value if is_right else rows < value
    return (below | value.isnan() if x.is_floating_point() else below).sum(-1)


def _halved(edges, x, is_right):
    import torch

    size = edges.shape[-1]
    low, high = torch.zeros_like(x, dtype=torch.int64), torch.full_like(x, size, dtype=torch.int64)
    for _ in range(size.bit_length()):
        middle = (low + high).div(2, rounding_mode="floor")
        at = middle.clamp(max=size - 1)
        edge = edges[at] if edges.dim() == 1 else edges.gather(-1, at)
        is_behind = (edge > x if is_right else edge >= x).logical_not() & (low < high)
        low, high = torch.where(is_behind, middle + 1, low), torch.where(is_behind, high, middle)
    return low


def histc(x, bins=100, min=0, max=0):
    """How many elements lie in each of equally wide bins; what is outside of all does not count."""
    import torch

    values = x.reshape(-1)
    if min != max or not values.numel():
        low, high = torch.full((), min, dtype=x.dtype), torch.full((), max, dtype=x.dtype)
    else:
        low, high = values.amin(), values.amax()
    same = low == high
    low, high = torch.where(same, low - 1, low), torch.where(same, high + 1, high)
    inside = (values >= low) & (values <= high)
    place = (torch.where(inside, values, low) - low) * bins / (high - low)
    place = place.to(torch.int64).clamp(max=bins - 1)
    return torch.zeros(bins, dtype=x.dtype).scatter_add(0, place, inside.to(x.dtype))


def bincount(x, weights=None, minlength=0):
    """How often each number is there. The result ends at `minlength`; a larger number stops the program."""
    import torch

    if not minlength:
        return NotImplemented
    counted = torch.ones_like(x, dtype=torch.int64) if weights is None else weights
    return torch.zeros(minlength, dtype=counted.dtype).scatter_add(0, x.to(torch.int64), counted)


def nonzero_static(x, *, size, fill_value=-1):
    """The places of the first `size` elements other than 0, one a row; rows that are left over are filled."""
    import torch

    if not size or not x.dim():
        return NotImplemented
    taken = x.reshape(-1) != 0
    count = taken.numel()
    row = torch.where(taken, taken.cumsum(0) - 1, size).clamp(max=size)
    flat = torch.full((size + 1,), count).scatter(0, row, torch.arange(count))[:size]
    places: list[torch.Tensor] = []
    left = torch.where(flat == count, 0, flat)
    for length in reversed(x.shape):
        places.insert(0, left % length)
        left = left.div(length, rounding_mode="floor")
    return torch.where((flat == count).unsqueeze(1), fill_value, torch.stack(places, 1))
