# SPDX-License-Identifier: Apache-2.0
"""What reads and writes where values say."""

from __future__ import annotations


def index_put(x, indices, values, accumulate=False):
    """x with `values` where a mask is true, in order; `indices` has None for dimensions in front of the mask's.

    How many places the mask leaves is what the shape of `values` says.
    """
    import torch

    given = [index for index in indices if index is not None]
    if len(given) != 1 or given[0].dtype != torch.bool:
        return NotImplemented
    (mask,), first = given, next(dim for dim, index in enumerate(indices) if index is not None)
    behind = x.dim() - first - mask.dim()
    values = values.reshape([1] * (first + 1 + behind - values.dim()) + list(values.shape))
    if values.shape[first] > 1:
        place = (mask.reshape(-1).to(torch.int64).cumsum(0) - 1).clamp(min=0)
        values = values.index_select(first, place).unflatten(first, mask.shape)
    else:
        values = values.reshape(*values.shape[:first], *[1] * mask.dim(), *values.shape[first + 1 :])
    mask = mask.reshape(*mask.shape, *[1] * behind)
    return torch.where(mask, x + values if accumulate else values.to(x.dtype), x)


def masked_scatter(x, mask, source):
    """The n-th element that the mask takes is the source's n-th."""
    import torch

    x, mask = torch.broadcast_tensors(x, mask)
    place = (mask.reshape(-1).cumsum(0) - 1).clamp(min=0)
    return torch.where(mask, source.reshape(-1)[place].view(x.shape), x)


def scatter_reduce(x, dim, index, source, reduce, *, include_self=True):
    """Sums and means by scatter_add; what is not to count is written over with what changes nothing."""
    import torch

    if include_self and reduce in ("amax", "amin", "prod"):
        return NotImplemented
    if not include_self:
        x = x.scatter(dim, index, neutral(reduce, x.dtype))
    if reduce not in ("sum", "mean"):
        return torch.scatter_reduce(x, dim, index, source, reduce)
    total = x.scatter_add(dim, index, source)
    if reduce == "sum":
        return total
    count = torch.ones_like(x) if include_self else torch.ones_like(x).scatter(dim, index, 0)
    count = count.scatter_add(dim, index, torch.ones_like(source))
    return torch.div(total, count, rounding_mode=None if x.is_floating_point() else "floor")


def neutral(reduce, dtype):
    import torch

    if reduce in ("sum", "mean", "prod"):
        return int(reduce == "prod")
    least = reduce == "amax"
    if dtype.is_floating_point:
        return -torch.inf if least else torch.inf
    return torch.iinfo(dtype).min if least else torch.iinfo(dtype).max


def embedding_bag(
    weight,
    indices,
    offsets,
    scale_grad_by_freq=False,
    mode=0,
    sparse=False,
    per_sample_weights=None,
    include_last_offset=False,
    padding_idx=-1,
):
    """Sum (mode 0), mean (1) or maximum (2) of each bag's rows; a bag begins at its offset."""
    import torch

    bags = offsets.numel() - int(include_last_offset)
    starts = offsets[:bags]
    bag = (torch.arange(indices.numel())[:, None] >= starts).sum(1) - 1
    rows = torch.embedding(weight, indices)
    counts = torch.ones_like(indices)
    if padding_idx >= 0:
        counts = (indices != padding_idx).to(indices.dtype)
    size = torch.zeros(bags, dtype=indices.dtype).index_add(0, bag, counts)
    where, shape = bag[:, None].expand_as(rows), (bags, weight.shape[1])
    if mode == 2:
        rows = rows.masked_fill(counts[:, None] == 0, -torch.inf)
        found = (
            torch.full(shape, -torch.inf, dtype=rows.dtype)
            .scatter_reduce(0, where, rows, "amax")
            .masked_fill(size[:, None] == 0, 0)
        )
    else:
        scale = counts.to(rows.dtype) if per_sample_weights is None else counts * per_sample_weights
        found = torch.zeros(shape, dtype=rows.dtype).scatter_add(0, where, rows * scale[:, None])
        found = found / size.clamp(min=1)[:, None] if mode == 1 else found
    return found, bag, size, offsets.new_empty(0)
