# SPDX-License-Identifier: Apache-2.0
"""What ATen ops decompose into beyond core ATen's own table; each function has its op's schema."""

from __future__ import annotations

import functools

from .attention import native_multi_head_attention, transformer_encoder_layer

DECOMPOSED = (
    "upsample_nearest1d",
    "upsample_nearest2d",
    "upsample_bilinear2d",
    "upsample_bicubic2d",
    "grid_sampler_2d",
    "linalg_vector_norm",
    "std_mean",
    "addmv",
    "aminmax",
    "lstm",
    "gru",
    "rnn_tanh",
    "rnn_relu",
)
"""Ops beside those that core ATen decomposes itself, for which torch has decompositions."""
WHOLE = ("_safe_softmax",)
"""Ops that core ATen would decompose and that are one row here."""


@functools.cache
def decompositions() -> dict:
    """ATen overload -> what replaces it."""
    import torch
    from torch._decomp import core_aten_decompositions, decomposition_table

    aten, table = torch.ops.aten, core_aten_decompositions()
    packets = [getattr(aten, name) for name in DECOMPOSED]
    overloads = [getattr(packet, name) for packet in packets for name in packet.overloads()]
    table.update(
        {overload: decomposition_table[overload] for overload in overloads if overload in decomposition_table}
    )
    for name in WHOLE:
        table.pop(getattr(aten, name).default, None)
    table.update(
        {
            aten._cdist_forward.default: _cdist,
            aten._embedding_bag.default: _embedding_bag,
            aten._embedding_bag_forward_only.default: _embedding_bag,
            aten._native_batch_norm_legit.no_stats: _batch_norm_of_the_batch,
            aten._native_batch_norm_legit_no_training.default: _batch_norm,
            aten._native_multi_head_attention.default: native_multi_head_attention,
            aten._transformer_encoder_layer_fwd.default: transformer_encoder_layer,
            aten._trilinear.default: _trilinear,
            aten.avg_pool3d.default: _avg_pool3d,
            aten.clamp.Tensor: _clamp,
            aten.masked_scatter.default: _masked_scatter,
            aten.new_empty_strided.default: _new_empty_strided,
            aten.scatter_reduce.two: _scatter_reduce,
            aten.var_mean.correction: _var_mean,
        }
    )
    return table


def _batch_norm(x, weight, bias, mean, variance, momentum, eps):
    """Batch normalisation in inference is one factor and one summand a channel."""
    shape = [1, -1, *[1] * (x.dim() - 2)]
    scale = (variance + eps).rsqrt()
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return x * scale.view(shape) + shift.view(shape), mean.new_empty(0), mean.new_empty(0)


def _batch_norm_of_the_batch(x, weight, bias, training, momentum, eps):
    """Without running statistics, as in instance normalisation: a group a channel, over all images."""
    import torch

    images, channels = x.shape[0], x.shape[1]
    rows = x.transpose(0, 1).reshape(1, channels, -1)
    y = torch.native_group_norm(rows, weight, bias, 1, channels, rows.shape[2], channels, eps)[0]
    y = y.view(channels, images, *x.shape[2:]).transpose(0, 1)
    return y, x.new_empty(0), x.new_empty(0)


def _var_mean(x, dim=None, *, correction=None, keepdim=False):
    import torch

    dims = list(range(x.dim())) if dim is None else dim
    return torch.var(x, dims, correction=correction, keepdim=keepdim), torch.mean(x, dims, keepdim)


def _clamp(x, low=None, high=None):
    import torch

    x = x if low is None else torch.maximum(x, low)
    return x if high is None else torch.minimum(x, high)


def _cdist(one, other, p, compute_mode):
    import torch

    return torch.linalg.vector_norm(one.unsqueeze(-2) - other.unsqueeze(-3), p, -1)


def _trilinear(one, two, three, expand_one, expand_two, expand_three, sum_dims, unroll_dim=1):
    values = []
    for value, dims in ((one, expand_one), (two, expand_two), (three, expand_three)):
        for dim in sorted(dims):
            value = value.unsqueeze(dim)
        values.append(value)
    return (values[0] * values[1] * values[2]).sum(sum_dims)


def _avg_pool3d(x, kernel, stride=(), padding=(0,), ceil_mode=False, count_include_pad=True, divisor=None):
    """Over the last two dimensions, then over the one before; a window's count is a product as well."""
    import torch.nn.functional as F

    kernel, stride, padding = ([*each] * (3 // len(each)) for each in (kernel, stride or kernel, padding))
    if divisor is not None:
        return NotImplemented
    y = x.reshape(-1, *x.shape[-3:])
    if (kernel[1:], stride[1:], padding[1:]) != ([1, 1], [1, 1], [0, 0]):
        y = F.avg_pool2d(y, kernel[1:], stride[1:], padding[1:], ceil_mode, count_include_pad)
    planes = y.shape[2:]
    y = y.reshape(-1, 1, x.shape[-3], planes.numel())
    y = F.avg_pool2d(y, (kernel[0], 1), (stride[0], 1), (padding[0], 0), ceil_mode, count_include_pad)
    return y.reshape(*x.shape[:-3], y.shape[2], *planes)


def _masked_scatter(x, mask, source):
    """The n-th element that the mask takes is the source's n-th."""
    import torch

    x, mask = torch.broadcast_tensors(x, mask)
    place = (mask.reshape(-1).cumsum(0) - 1).clamp(min=0)
    return torch.where(mask, source.reshape(-1)[place].view(x.shape), x)


def _new_empty_strided(x, size, stride, *, dtype=None, layout=None, device=None, pin_memory=None):
    import torch

    return torch.empty_strided(size, stride, dtype=dtype or x.dtype)


def _scatter_reduce(x, dim, index, source, reduce, *, include_self=True):
    """Sums and means by scatter_add; what is not to count is written over with what changes nothing."""
    import torch

    if include_self and reduce in ("amax", "amin", "prod"):
        return NotImplemented
    if not include_self:
        x = x.scatter(dim, index, _neutral(reduce, x.dtype))
    if reduce not in ("sum", "mean"):
        return torch.scatter_reduce(x, dim, index, source, reduce)
    total = x.scatter_add(dim, index, source)
    if reduce == "sum":
        return total
    count = torch.ones_like(x) if include_self else torch.ones_like(x).scatter(dim, index, 0)
    count = count.scatter_add(dim, index, torch.ones_like(source))
    return torch.div(total, count, rounding_mode=None if x.is_floating_point() else "floor")


def _neutral(reduce, dtype):
    import torch

    if reduce in ("sum", "mean", "prod"):
        return int(reduce == "prod")
    least = reduce == "amax"
    if dtype.is_floating_point:
        return -torch.inf if least else torch.inf
    return torch.iinfo(dtype).min if least else torch.iinfo(dtype).max


def _embedding_bag(
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
            torch.full(shape, -torch.inf)
            .scatter_reduce(0, where, rows, "amax")
            .masked_fill(size[:, None] == 0, 0)
        )
    else:
        scale = counts.to(rows.dtype) if per_sample_weights is None else counts * per_sample_weights
        found = torch.zeros(shape).scatter_add(0, where, rows * scale[:, None])
        found = found / size.clamp(min=1)[:, None] if mode == 1 else found
    return found, bag, size, offsets.new_empty(0)
