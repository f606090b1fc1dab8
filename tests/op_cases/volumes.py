# SPDX-License-Identifier: Apache-2.0
"""Cases of ops in three dimensions, which become ops in two."""

import torch.nn.functional as F

from op_cases.values import WITH_NAN, Values

values = Values(13)
f, n = values.f, values.n
GRID = values.f(2, 3, 2, 2, 3) * 1.3


def pooled(function, **options):
    """Values and places."""
    return lambda x: function(x, return_indices=True, **options)


def sampled(mode, padding, align_corners):
    return lambda x, grid: F.grid_sample(x, grid, mode, padding, align_corners)


VOLUMES = {
    "conv3d": (lambda x, w, c: F.conv3d(x, w, c, (1, 2, 2), 1), (f(2, 2, 4, 6, 6), f(4, 2, 3, 3, 3), f(4))),
    "conv3d, dilated, in groups": (
        lambda x, w: F.conv3d(x, w, None, (2, 1, 1), (2, 0, 1), (2, 1, 2), 2),
        (f(1, 4, 5, 4, 6), f(6, 2, 3, 2, 2)),
    ),
    "conv3d of patches": (lambda x, w, c: F.conv3d(x, w, c, (2, 3, 3)), (f(1, 2, 4, 6, 6), f(5, 2, 2, 3, 3), f(5))),
    "conv3d, padded to the same size": (
        lambda x, w: F.conv3d(x, w, padding="same"),
        (f(1, 1, 3, 4, 4), f(2, 1, 2, 3, 3)),
    ),
    "conv3d of one volume": (F.conv3d, (f(2, 4, 4, 4), f(3, 2, 1, 2, 2))),
    "conv_transpose3d": (
        lambda x, w, c: F.conv_transpose3d(x, w, c, 2, 1, 1),
        (f(2, 4, 3, 3, 4), f(4, 2, 3, 3, 3), f(2)),
    ),
    "conv_transpose3d, dilated, in groups": (
        lambda x, w: F.conv_transpose3d(x, w, None, (1, 2, 1), 0, 0, 2, (2, 1, 1)),
        (f(1, 4, 3, 3, 2), f(4, 3, 2, 3, 2)),
    ),
    "conv_transpose3d, larger than its windows": (
        lambda x, w: F.conv_transpose3d(x, w, None, 3, 0, 2),
        (f(1, 2, 2, 2, 2), f(2, 2, 2, 2, 2)),
    ),
    "max_pool3d": (pooled(F.max_pool3d, kernel_size=2), (f(2, 3, 4, 6, 4),)),
    "max_pool3d with all options": (
        pooled(F.max_pool3d, kernel_size=(2, 3, 2), stride=(2, 2, 1), padding=(1, 1, 0), dilation=(1, 1, 2), ceil_mode=True),
        (f(3, 5, 6, 7),),
    ),
    "max_pool3d of equals": (pooled(F.max_pool3d, kernel_size=2), (n(1, 2, 4, 4, 4, low=0, high=3).float(),)),
    "max_pool3d of what is undefined": (
        pooled(F.max_pool3d, kernel_size=2),
        (WITH_NAN.repeat(4, 1).view(1, 4, 4, 4),),
    ),
    "adaptive_max_pool3d": (lambda x: F.adaptive_max_pool3d(x, (2, 3, 2), True), (f(2, 5, 4, 7),)),
    "adaptive_avg_pool3d": (lambda x: F.adaptive_avg_pool3d(x, (2, 3, 1)), (f(2, 3, 5, 4, 7),)),
    "avg_pool3d": (lambda x: F.avg_pool3d(x, (3, 2, 3), (2, 1, 2), 1, True, False), (f(2, 3, 5, 6, 7),)),
    "avg_pool3d with its padding": (lambda x: F.avg_pool3d(x, 3, 2, 1, True), (f(3, 5, 6, 7),)),
    "avg_pool3d with a divisor": (lambda x: F.avg_pool3d(x, 2, 2, divisor_override=3), (f(1, 2, 4, 4, 6),)),
    "batch_norm of volumes": (
        lambda x, m, v, w: F.batch_norm(x, m, v, w),
        (f(2, 3, 2, 4, 4), f(3), f(3).abs(), f(3)),
    ),
    "trilinear upsampling": (lambda x: F.interpolate(x, scale_factor=2, mode="trilinear"), (f(1, 2, 3, 4, 2),)),
    "trilinear upsampling from corner to corner": (
        lambda x: F.interpolate(x, (5, 3, 4), mode="trilinear", align_corners=True),
        (f(1, 2, 3, 4, 2),),
    ),
    "nearest upsampling of volumes": (lambda x: F.interpolate(x, (4, 5, 3)), (f(1, 2, 3, 4, 2),)),
    "exactly nearest upsampling of volumes": (
        lambda x: F.interpolate(x, (4, 5, 3), mode="nearest-exact"),
        (f(1, 2, 3, 4, 2),),
    ),
    "padding of volumes": (lambda x: F.pad(x, (1, 2, 0, 1, 2, 0), mode="replicate"), (f(1, 2, 3, 3, 3),)),
    **{
        f"grid_sample of volumes, {mode}, {padding}, {'corners' if corners else 'edges'}": (
            sampled(mode, padding, corners),
            (f(2, 3, 4, 2, 3), GRID),
        )
        for mode in ("bilinear", "nearest")
        for padding in ("zeros", "border", "reflection")
        for corners in (True, False)
    },
}  # fmt: skip
