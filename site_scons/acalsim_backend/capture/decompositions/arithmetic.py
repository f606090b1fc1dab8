# SPDX-License-Identifier: Apache-2.0
"""Products and comparisons of several tensors."""

from __future__ import annotations


def clamp(x, low=None, high=None):
    import torch

    x = x if low is None else torch.maximum(x, low)
    return x if high is None else torch.minimum(x, high)


def cdist(one, other, p, compute_mode):
    import torch

    return torch.linalg.vector_norm(one.unsqueeze(-2) - other.unsqueeze(-3), p, -1)


def trilinear(one, two, three, expand_one, expand_two, expand_three, sum_dims, unroll_dim=1):
    values = []
    for value, dims in ((one, expand_one), (two, expand_two), (three, expand_three)):
        for dim in sorted(dims):
            value = value.unsqueeze(dim)
        values.append(value)
    return (values[0] * values[1] * values[2]).sum(sum_dims)


def new_empty_strided(x, size, stride, *, dtype=None, layout=None, device=None, pin_memory=None):
    import torch

    return torch.empty_strided(size, stride, dtype=dtype or x.dtype)
