# SPDX-License-Identifier: Apache-2.0
"""Ops whose kernels are of float32 alone, of float64: as ops that there are of both. Others stay whole."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from . import volumes


def of_doubles(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function where the first operand is float64; else the op stays what it is."""
    import torch

    @functools.wraps(function)
    def decomposed(x, *more, **options):
        return function(x, *more, **options) if x.dtype == torch.float64 else NotImplemented

    return decomposed


def softmax(x, dim, half_to_float):
    powers = (x - x.amax(dim, keepdim=True)).exp() if x.dim() else x * 0 + 1
    return powers / powers.sum(dim, keepdim=True)


def safe_softmax(x, dim, dtype=None):
    """Zeros where everything is hidden."""
    hidden = (x == -math.inf).all(dim, keepdim=True)
    return softmax(x, dim, False).masked_fill(hidden, 0)


def log_softmax(x, dim, half_to_float):
    shifted = x - x.amax(dim, keepdim=True) if x.dim() else x * 0
    return shifted - shifted.exp().sum(dim, keepdim=True).log()


def max_pool(x, kernel, stride=(), padding=(0, 0), dilation=(1, 1), ceil_mode=False):
    """Windows as two more dimensions; the index of an element is that in its plane."""
    import torch
    import torch.nn.functional as F

    if ceil_mode or _pair(dilation) != [1, 1]:
        return NotImplemented
    kernel, stride, padding = _pair(kernel), _pair(stride or kernel), _pair(padding)
    border = (padding[1], padding[1], padding[0], padding[0])
    places = torch.arange(x.shape[-2] * x.shape[-1]).view(x.shape[-2:])
    values, places = F.pad(x, border, value=-math.inf), F.pad(places, border)
    values, places = (_windows(each, kernel, stride).flatten(-2) for each in (values, places))
    best = values.argmax(-1, keepdim=True)
    return values.amax(-1), places.expand_as(values).gather(-1, best).squeeze(-1)


def avg_pool(
    x, kernel, stride=(), padding=(0, 0), ceil_mode=False, count_include_pad=True, divisor_override=None
):
    import torch.nn.functional as F

    kernel, stride, padding = _pair(kernel), _pair(stride or kernel), _pair(padding)
    if ceil_mode or divisor_override is not None or (any(padding) and not count_include_pad):
        return NotImplemented
    padded = F.pad(x, (padding[1], padding[1], padding[0], padding[0]))
    return _windows(padded, kernel, stride).mean((-1, -2))


def _windows(x, kernel, stride):
    return x.unfold(-2, kernel[0], stride[0]).unfold(-2, kernel[1], stride[1])


def _pair(value):
    return [*value] * (2 // len(value))


def convolution(x, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    """A transposed one is one of the image with zeros between its elements, by the filter turned round."""
    import torch
    import torch.nn.functional as F

    rank = x.dim() - 2
    if x.dtype != torch.float64 or not transposed or rank > 2:
        return volumes.convolution(
            x, weight, bias, stride, padding, dilation, transposed, output_padding, groups
        )
    border: list[int] = []
    for dim in range(rank):
        step, reach = stride[dim], dilation[dim] * (weight.shape[2 + dim] - 1) - padding[dim]
        if step > 1:
            spread = [*x.shape]
            spread[2 + dim] = (spread[2 + dim] - 1) * step + 1
            x = torch.slice_scatter(x.new_zeros(spread), x, 2 + dim, step=step)
        border = [reach, reach + output_padding[dim], *border]
    filters = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1).flip([*range(2, 2 + rank)])
    conv = (F.conv1d, F.conv2d)[rank - 1]
    return conv(F.pad(x, border), filters, bias, dilation=dilation, groups=groups)
