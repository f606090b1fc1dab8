# SPDX-License-Identifier: Apache-2.0
"""Windows and filters in three dimensions, by those in two: tensors are [images, channels, depth, height, width]."""

from __future__ import annotations

import math


def convolution(x, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    """A filter's taps along the depth are channels of a filter in two dimensions."""
    if x.dim() != 5:
        return NotImplemented
    filtered = _transposed if transposed else _filtered
    y = filtered(x, weight, stride, padding, dilation, groups, output_padding)
    return y if bias is None else y + bias.view(1, -1, 1, 1, 1)


def _filtered(x, weight, stride, padding, dilation, groups, _output_padding):
    """Each image of the convolution in two dimensions has the slices that one result's slice is made of."""
    import torch.nn.functional as F

    images, channels, _, height, width = x.shape
    filters, each, taps, *kernel = weight.shape
    slices = F.pad(x, (0, 0, 0, 0, padding[0], padding[0])) if padding[0] else x
    slices = slices.unfold(2, dilation[0] * (taps - 1) + 1, stride[0])[..., :: dilation[0]]
    depth = slices.shape[2]
    slices = slices.permute(0, 2, 1, 5, 3, 4).reshape(images * depth, channels * taps, height, width)
    flat = weight.reshape(filters, each * taps, *kernel)
    y = F.conv2d(slices, flat, None, stride[1:], padding[1:], dilation[1:], groups)
    return y.view(images, depth, filters, *y.shape[2:]).transpose(1, 2)


def _transposed(x, weight, stride, padding, dilation, groups, output_padding):
    """Every tap of every slice is computed, and what they have for a slice of the result is added up."""
    import torch.nn.functional as F

    images, channels, depth, height, width = x.shape
    each, taps, *kernel = weight.shape[1:]
    filters = each * groups
    slices = x.transpose(1, 2).reshape(images * depth, channels, height, width)
    flat = weight.reshape(channels, each * taps, *kernel)
    y = F.conv_transpose2d(
        slices, flat, None, stride[1:], padding[1:], output_padding[1:], groups, dilation[1:]
    )
    y = y.view(images, depth, filters, taps, *y.shape[2:]).permute(0, 2, 3, 1, 4, 5)
    reach = (depth - 1) * stride[0] + dilation[0] * (taps - 1) + 1
    total = sum(
        F.pad(part, (0, 0, 0, 0, tap * dilation[0], reach - tap * dilation[0] - part.shape[2]))
        for tap, part in ((tap, _spread(y[:, :, tap], stride[0])) for tap in range(taps))
    )
    end = reach - padding[0] + output_padding[0]
    return F.pad(total, (0, 0, 0, 0, 0, max(0, end - reach)))[:, :, padding[0] : end]


def _spread(x, step):
    """The slices `step` apart, zeros in between."""
    import torch.nn.functional as F

    if step == 1:
        return x
    spread = F.pad(x.unsqueeze(3), (0, 0, 0, 0, 0, step - 1)).flatten(2, 3)
    return spread[:, :, : (x.shape[2] - 1) * step + 1]


def avg_pool3d(x, kernel, stride=(), padding=(0,), ceil_mode=False, count_include_pad=True, divisor=None):
    """Over the last two dimensions, then over the one before; a window's count is a product as well."""
    import torch.nn.functional as F

    kernel, stride, padding = _three(kernel), _three(stride or kernel), _three(padding)
    one = None if divisor is None else 1
    y, planes = x.reshape(-1, *x.shape[-3:]), x.shape[-2:]
    if (kernel[1:], stride[1:], padding[1:]) != ([1, 1], [1, 1], [0, 0]):
        y = F.avg_pool2d(y, kernel[1:], stride[1:], padding[1:], ceil_mode, count_include_pad, one)
        planes = y.shape[2:]
    y = y.reshape(-1, 1, x.shape[-3], planes.numel())
    along = (kernel[0], 1), (stride[0], 1), (padding[0], 0)
    y = F.avg_pool2d(y, *along, ceil_mode, count_include_pad, one)
    y = y.reshape(*x.shape[:-3], y.shape[2], *planes)
    return y if divisor is None else y / divisor


def max_pool3d(x, kernel, stride=(), padding=(0,), dilation=(1,), ceil_mode=False):
    """Values, and places in an image's volume: of the windows' slices first, then of those the largest."""
    import torch.nn.functional as F

    kernel, stride, padding, dilation = (
        _three(each) for each in (kernel, stride or kernel, padding, dilation)
    )
    options = {"ceil_mode": ceil_mode, "return_indices": True}
    slices = x.reshape(-1, *x.shape[-3:])
    y, places = F.max_pool2d(slices, kernel[1:], stride[1:], padding[1:], dilation[1:], **options)

    def along(rows):
        return F.max_pool2d(
            rows, (kernel[0], 1), (stride[0], 1), (padding[0], 0), (dilation[0], 1), **options
        )

    return _largest_of(x, y, places, along)


def adaptive_max_pool3d(x, size):
    """Values, and places in an image's volume."""
    import torch.nn.functional as F

    slices, size = x.reshape(-1, *x.shape[-3:]), _three(size)
    y, places = F.adaptive_max_pool2d(slices, size[1:], return_indices=True)
    return _largest_of(
        x, y, places, lambda rows: F.adaptive_max_pool2d(rows, (size[0], rows.shape[-1]), return_indices=True)
    )


def _largest_of(x, y, places, along):
    """What max pooling along the depth makes of the slices' own: `places` is where in a slice each of `y` is."""
    depth, height, width = x.shape[-3:]
    planes = y.shape[2:]
    found, rows = along(y.reshape(-1, 1, depth, planes.numel()))
    shape = (*x.shape[:-3], found.shape[2], *planes)
    rows = rows.reshape(rows.shape[0], -1)
    inside = places.reshape(-1, depth * planes.numel()).gather(1, rows)
    slices = rows.div(planes.numel(), rounding_mode="floor")
    return found.reshape(shape), (slices * (height * width) + inside).reshape(shape)


def adaptive_avg_pool3d(x, size):
    """The mean of a slice's window, then of the slices: a window has as many elements in each."""
    import torch.nn.functional as F

    size = _three(size)
    y = F.adaptive_avg_pool2d(x.reshape(-1, *x.shape[-3:]), size[1:])
    y = y.reshape(-1, 1, x.shape[-3], math.prod(size[1:]))
    return F.adaptive_avg_pool2d(y, (size[0], y.shape[-1])).reshape(*x.shape[:-3], *size)


def _three(sizes):
    """A number a dimension; one number, or a list of one, stands for all three."""
    return [*sizes] * (3 // len(sizes)) if isinstance(sizes, list | tuple) else [sizes] * 3
