# SPDX-License-Identifier: Apache-2.0
"""Norms as arithmetic with statistics."""

from __future__ import annotations


def batch_norm(x, weight, bias, mean, variance, momentum, eps):
    """Batch normalisation in inference is one factor and one summand a channel."""
    import torch

    shape = [1, -1, *[1] * (x.dim() - 2)]
    # PyTorch computes float16 in float32, in which no eps is lost.
    mean, variance = (each.float() if each.dtype == torch.float16 else each for each in (mean, variance))
    scale = (variance + eps).rsqrt()
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    y = x * scale.to(x.dtype).view(shape) + shift.to(x.dtype).view(shape)
    return y, mean.new_empty(0), mean.new_empty(0)


def batch_norm_of_the_batch(x, weight, bias, training, momentum, eps):
    """Without running statistics, as in instance normalisation: a group a channel, over all images."""
    import torch

    images, channels = x.shape[0], x.shape[1]
    rows = x.transpose(0, 1).reshape(1, channels, -1)
    y = torch.native_group_norm(rows, weight, bias, 1, channels, rows.shape[2], channels, eps)[0]
    y = y.view(channels, images, *x.shape[2:]).transpose(0, 1)
    return y, x.new_empty(0), x.new_empty(0)


def var_mean(x, dim=None, *, correction=None, keepdim=False):
    import torch

    dims = list(range(x.dim())) if dim is None else dim
    return torch.var(x, dims, correction=correction, keepdim=keepdim), torch.mean(x, dims, keepdim)
