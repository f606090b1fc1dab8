# SPDX-License-Identifier: Apache-2.0
"""Cases of pooling."""

import functools

import torch.nn.functional as F

from op_cases.values import WITH_NAN, T, Values

values = Values(9)
f = values.f


def max_pool(x, **options):
    return F.max_pool2d(x, **options)


def max_pool_indices(x, **options):
    return F.max_pool2d(x, return_indices=True, **options)[1]


def pools(function, *options):
    images = {"": f(2, 3, 8, 9), ", negative": -f(2, 3, 8, 9).abs() - 1, ", without images": f(3, 8, 9)}
    cases = {
        f"{given}{name}": (functools.partial(function, **given), (x,))
        for given in options
        for name, x in images.items()
    }
    return {
        **cases,
        "undefined": (functools.partial(function, kernel_size=2), (WITH_NAN[None, None],)),
        "of a channels last operand": (
            lambda x: function(x.permute(0, 3, 1, 2), kernel_size=2),
            (f(2, 6, 6, 3),),
        ),
        "of no images": (functools.partial(function, kernel_size=2), (f(0, 2, 4, 4),)),
    }


MAX = (
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": (2, 3), "stride": (1, 2)},
    {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    {"kernel_size": 3, "stride": 3, "padding": 1, "ceil_mode": True},
    {"kernel_size": 2, "dilation": 2},
    {"kernel_size": 3, "dilation": (1, 2), "padding": 1, "stride": 1},
)

AVG = (
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False},
    {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    {"kernel_size": 3, "stride": 3, "padding": 1, "ceil_mode": True},
    {"kernel_size": 3, "stride": 3, "padding": 1, "ceil_mode": True, "count_include_pad": False},
    {"kernel_size": (2, 3), "divisor_override": 5},
)
ADAPTIVE = tuple({"output_size": size} for size in ((3, 4), (8, 9), (5, 2), (2, 7), (1, 3)))


def adaptive_pools(function):
    return {
        f"{given}{name}": (functools.partial(function, **given), (x,))
        for given in ADAPTIVE
        for name, x in (("", f(2, 3, 8, 9)), (" of one image", f(3, 7, 7)))
    } | {"to more than there is": (lambda x: function(x, output_size=(5, 5)), (f(1, 2, 3, 4),))}


WINDOWS = {
    T.MAX_POOL: {**pools(max_pool, *MAX), "of 1d": (lambda x: F.max_pool1d(x, 3, 2), (f(2, 3, 11),))},
    T.MAX_POOL_INDICES: pools(max_pool_indices, *MAX),
    T.AVG_POOL: {
        **pools(F.avg_pool2d, *AVG),
        "of 1d": (lambda x: F.avg_pool1d(x, 3, 2, 1), (f(2, 3, 11),)),
        "of everything": (lambda x: F.avg_pool2d(x, (8, 9)), (f(2, 3, 8, 9),)),
    },
    T.ADAPTIVE_AVG_POOL: adaptive_pools(F.adaptive_avg_pool2d),
    T.ADAPTIVE_MAX_POOL: adaptive_pools(F.adaptive_max_pool2d),
    T.ADAPTIVE_MAX_POOL_INDICES: adaptive_pools(
        lambda x, output_size: F.adaptive_max_pool2d(x, output_size, return_indices=True)[1]
    ),
}
