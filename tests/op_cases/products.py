# SPDX-License-Identifier: Apache-2.0
"""Cases of products and convolutions."""

from math import inf, nan

import torch
import torch.nn.functional as F

from op_cases.values import LONG_SUMS, ODD, T, Values

values = Values(7)
f = values.f


def conv(function, channels, out, kernel, size, bias=True, groups=1, images=2, transposed=False, **options):
    weight = (channels, out // groups, *kernel) if transposed else (out, channels // groups, *kernel)
    inputs = (f(images, channels, *size), f(*weight), *([f(out)] if bias else []))
    return lambda x, w, c=None: function(x, w, c, groups=groups, **options), inputs, LONG_SUMS


def conv2(*arguments, **options):
    return conv(F.conv2d, *arguments, **options)


def unconv2(*arguments, **options):
    return conv(F.conv_transpose2d, *arguments, transposed=True, **options)


PRODUCTS = {
    T.MATMUL: {
        "mm": (torch.mm, (f(7, 5), f(5, 9))),
        "of tiles": (torch.mm, (f(8, 16), f(16, 12))),
        "of one row": (torch.mm, (f(1, 33), f(33, 37))),
        "of one column": (torch.mm, (f(9, 4), f(4, 1))),
        "over nothing": (torch.mm, (f(3, 0), f(0, 4))),
        "of no rows": (torch.mm, (f(0, 3), f(3, 4))),
        "of ones": (torch.mm, (f(1, 1), f(1, 1))),
        "both transposed": (lambda a, c: a.t() @ c.t(), (f(5, 7), f(9, 5))),
        "right transposed": (lambda a, c: a @ c.t(), (f(7, 5), f(9, 5))),
        "result transposed": (lambda a, c: (a @ c).t(), (f(7, 5), f(5, 9))),
        "sliced": (lambda a, c: a[:, ::2] @ c[1:], (f(7, 10), f(6, 9))),
        "matrix times vector": (torch.mv, (f(7, 5), f(5))),
        "vector times matrix": (torch.matmul, (f(5), f(5, 9))),
        "dot": (torch.matmul, (f(5), f(5))),
        "expanded": (lambda a, c: a.expand(7, 5) @ c, (f(1, 5), f(5, 9))),
        "backwards": (lambda a, c: a.flip(1) @ c.flip(0), (f(7, 5), f(5, 9))),
        "long": (torch.mm, (f(3, 700), f(700, 3)), LONG_SUMS),
        "undefined": (torch.mm, (torch.tensor([[inf, 0.0], [nan, 1]]), torch.tensor([[1.0, 0], [0, 1]]))),
        "followed": (lambda a, c, r: torch.relu(a @ c + r) * 2, (f(7, 5), f(5, 9), f(7, 9))),
        "of itself": (lambda a: a @ a.t(), (f(7, 5),)),
    },
    T.BMM: {
        "bmm": (torch.bmm, (f(3, 5, 7), f(3, 7, 2))),
        "of none": (torch.bmm, (f(0, 5, 7), f(0, 7, 2))),
        "broadcast": (torch.matmul, (f(2, 1, 3, 4), f(5, 4, 6))),
        "over nothing": (torch.bmm, (f(2, 3, 0), f(2, 0, 4))),
        "transposed": (lambda a, c: torch.bmm(a, c.transpose(1, 2)), (f(3, 5, 7), f(3, 2, 7))),
        "heads": (
            lambda a, c: a.view(6, 2, 4).transpose(0, 1) @ c.view(6, 2, 4).permute(1, 2, 0),
            (f(6, 8), f(6, 8)),
        ),
        "of heads, joined": (
            lambda a, c: (a @ c).transpose(1, 2).reshape(2, 6, 15),
            (f(2, 3, 6, 4), f(2, 3, 4, 5)),
        ),
        "scaled": (lambda a, c: torch.bmm(a, c) * 0.5 + 1, (f(3, 5, 7), f(3, 7, 2))),
        "einsum": (lambda a, c: torch.einsum("bij,bkj->bik", a, c), (f(3, 5, 7), f(3, 2, 7))),
        "baddbmm": (torch.baddbmm, (f(3, 5, 2), f(3, 5, 7), f(3, 7, 2))),
    },
    T.GEMM: {
        "addmm": (torch.addmm, (f(9), f(7, 5), f(5, 9))),
        "with a row": (torch.addmm, (f(1, 9), f(7, 5), f(5, 9))),
        "with a column": (torch.addmm, (f(7, 1), f(7, 5), f(5, 9))),
        "with a matrix": (torch.addmm, (f(7, 9), f(7, 5), f(5, 9))),
        "with one number": (torch.addmm, (f(1), f(7, 5), f(5, 9))),
        "with a 0-d tensor": (torch.addmm, (f(), f(7, 5), f(5, 9))),
        "scaled": (lambda c, x, y: torch.addmm(c, x, y, beta=-0.5, alpha=3), (f(9), f(7, 5), f(5, 9))),
        "without bias": (
            lambda c, x, y: torch.addmm(c, x, y, beta=0, alpha=2),
            (ODD[:10], f(2, 5), f(5, 10)),
        ),
        "over nothing": (torch.addmm, (f(4), f(3, 0), f(0, 4))),
        "linear of one row": (F.linear, (f(1, 64), f(40, 64), f(40))),
        "of a transposed matrix": (lambda c, x, y: torch.addmm(c.t(), x, y), (f(9, 7), f(7, 5), f(5, 9))),
        "of a stack": (F.linear, (f(2, 3, 5), f(4, 5), f(4))),
        "residual": (lambda x, w, c: x + F.gelu(F.linear(x, w, c)), (f(3, 5), f(5, 5), f(5))),
    },
    T.CONV: {
        "3x3": conv2(3, 5, (3, 3), (8, 9)),
        "padded": conv2(3, 5, (3, 3), (8, 9), padding=1),
        "strided": conv2(3, 5, (3, 3), (8, 9), stride=2, padding=1),
        "of unequal strides": conv2(3, 5, (3, 2), (9, 8), stride=(2, 3), padding=(0, 1)),
        "dilated": conv2(2, 3, (3, 3), (9, 9), dilation=2, padding=2),
        "grouped": conv2(4, 6, (3, 3), (7, 7), groups=2, padding=1),
        "depthwise": conv2(6, 6, (3, 3), (7, 7), groups=6, padding=1),
        "depthwise, twice as many": conv2(3, 6, (3, 3), (7, 7), groups=3),
        "1x1": conv2(4, 7, (1, 1), (5, 6)),
        "without bias": conv2(3, 5, (3, 3), (6, 6), bias=False, padding=1),
        "patches": conv2(3, 8, (4, 4), (8, 8), stride=4),
        "as large as the image": conv2(3, 5, (6, 7), (6, 7)),
        "of 1d": conv(F.conv1d, 3, 5, (3,), (11,), padding=1),
        "of 1d, strided": conv(F.conv1d, 4, 6, (5,), (20,), stride=3, dilation=2, groups=2),
        "of no images": conv2(3, 5, (3, 3), (6, 6), images=0),
        "same": conv2(3, 5, (3, 3), (6, 6), padding="same"),
        "even, same": conv2(3, 5, (4, 4), (7, 6), padding="same"),
        "transposed": unconv2(3, 5, (3, 3), (4, 5)),
        "transposed, strided": unconv2(3, 5, (3, 3), (4, 5), stride=2, padding=1, output_padding=1),
        "transposed, grouped": unconv2(4, 6, (2, 2), (4, 5), groups=2, stride=2),
        "transposed, dilated": unconv2(2, 3, (3, 3), (5, 5), dilation=2, padding=1),
        "transposed 1d": conv(F.conv_transpose1d, 3, 4, (4,), (6,), transposed=True, stride=2),
        "transposed without bias": unconv2(3, 5, (2, 2), (3, 3), bias=False, stride=2),
        "channels last": (
            lambda x, w: F.conv2d(x.permute(0, 3, 1, 2), w),
            (f(2, 6, 6, 3), f(5, 3, 3, 3)),
            LONG_SUMS,
        ),
        "one image without a dimension of its own": (F.conv2d, (f(3, 6, 6), f(5, 3, 3, 3), f(5)), LONG_SUMS),
        "followed": (
            lambda x, w, c, r: F.relu(F.conv2d(x, w, c, padding=1) + r),
            (f(2, 3, 6, 6), f(3, 3, 3, 3), f(3), f(2, 3, 6, 6)),
            LONG_SUMS,
        ),
        "taken on in another layout": (
            lambda x, w: F.conv2d(x, w).flatten(2).transpose(1, 2).reshape(-1),
            (f(2, 3, 6, 6), f(4, 3, 3, 3)),
            LONG_SUMS,
        ),
        "two in a row": (
            lambda x, w, v: F.conv2d(F.relu(F.conv2d(x, w, padding=1)), v, padding=1),
            (f(2, 3, 6, 6), f(4, 3, 3, 3), f(2, 4, 3, 3)),
            LONG_SUMS,
        ),
    },
}
