# SPDX-License-Identifier: Apache-2.0
"""Cases of softmax, attention and normalisations."""

from math import inf, nan

import torch
import torch.nn.functional as F

from op_cases.values import WITH_NAN, T, Values, aten

values = Values(4)
b, f, n = values.b, values.f, values.n

SOFT_ODD = torch.tensor(
    [[1, nan, 2], [nan, 1, 2], [inf, 1, 2], [-inf, 1, 2], [-inf, -inf, -inf], [3e38, -3e38, 0], [1, 1, 1]]
)


def soft(function):
    return {
        "last": (lambda x: function(x, -1), (f(3, 4, 5),)),
        "first": (lambda x: function(x, 0), (f(3, 4, 5),)),
        "middle": (lambda x: function(x, 1), (f(3, 4, 5) * 50,)),
        "0-d": (lambda x: function(x, 0), (f(),)),
        "of nothing": (lambda x: function(x, 1), (f(3, 0),)),
        "of no rows": (lambda x: function(x, 1), (f(0, 3),)),
        "odd": (lambda x: function(x, 1), (SOFT_ODD,)),
        "transposed": (lambda x: function(x.t(), 0), (f(3, 4),)),
        "of one": (lambda x: function(x, 1), (f(3, 1),)),
        "scaled and masked": (
            lambda x, m: function(x * 0.125 + m, -1),
            (f(2, 3, 4, 4), torch.full((4, 4), -inf).triu(1)),
        ),
        "masked by bools": (lambda x, m: function(x.masked_fill(m, -1e9), -1), (f(2, 4, 4), b(4, 4))),
        "and then more": (lambda x, y: function(x, -1) * y + 1, (f(3, 4), f(4))),
        "from int64": (lambda x: function(x.float(), -1), (n(3, 4),)),
        "and taken as a whole": (lambda x: function(x, -1).transpose(0, 1).reshape(-1), (f(3, 4),)),
    }


def attention(q, k, v, mask):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


NORMALISING = {
    T.SOFTMAX: {
        **soft(torch.softmax),
        "safe": (lambda x: aten._safe_softmax(x, 1), (SOFT_ODD,)),
        "safe, masked": (
            lambda x, m: aten._safe_softmax(x.masked_fill(m, -inf), 1),
            (f(3, 4), torch.tensor([[True] * 4, [False] * 4, [True, False, True, False]])),
        ),
        "attention to nothing": (
            attention,
            (
                f(1, 2, 3, 4),
                f(1, 2, 5, 4),
                f(1, 2, 5, 4),
                torch.tensor([[True] * 5, [False] * 5, [True, False, True, False, True]]),
            ),
        ),
    },
    T.LOG_SOFTMAX: soft(torch.log_softmax),
    T.LAYER_NORM: {
        "plain": (lambda x: F.layer_norm(x, (5,)), (f(3, 5),)),
        "affine": (lambda x, w, c: F.layer_norm(x, (5,), w, c), (f(2, 3, 5), f(5), f(5))),
        "without bias": (lambda x, w: F.layer_norm(x, (5,), w), (f(3, 5), f(5))),
        "of two dimensions": (
            lambda x, w, c: F.layer_norm(x, (3, 5), w, c, 1e-3),
            (f(2, 3, 5), f(3, 5), f(3, 5)),
        ),
        "without weight": (lambda x, c: F.layer_norm(x, (5,), None, c), (f(3, 5), f(5))),
        "of no rows": (lambda x: F.layer_norm(x, (5,)), (f(0, 5),)),
        "of a large mean": (lambda x: F.layer_norm(x, (64,)), (f(3, 64) + 300,), 1e-4),
        "transposed": (lambda x: F.layer_norm(x.t(), (3,)), (f(3, 5),)),
        "of a sum": (lambda x, y, w, c: F.layer_norm(x + y, (5,), w, c) * 2, (f(3, 5), f(3, 5), f(5), f(5))),
        "of equal values": (lambda x: F.layer_norm(x, (5,)), (torch.ones(2, 5),)),
        "of a sum that is read again": (
            lambda x, y: (lambda s: F.layer_norm(s, (5,)) + s)(x + y),
            (f(3, 5), f(3, 5)),
        ),
        "undefined": (lambda x: F.layer_norm(x, (4,)), (WITH_NAN,)),
    },
    T.GROUP_NORM: {
        "two groups": (lambda x, w, c: F.group_norm(x, 2, w, c), (f(2, 6, 3, 4), f(6), f(6))),
        "one group": (lambda x: F.group_norm(x, 1), (f(2, 6, 3),)),
        "a group a channel": (lambda x, w, c: F.group_norm(x, 6, w, c, 1e-2), (f(2, 6, 3, 4), f(6), f(6))),
        "of two dimensions": (lambda x: F.group_norm(x, 2), (f(3, 8),)),
        "of a sum": (lambda x, y: F.relu(F.group_norm(x + y, 3)), (f(2, 6, 5), f(2, 6, 5))),
        "of a permuted operand": (lambda x: F.group_norm(x.permute(0, 3, 1, 2), 2), (f(2, 3, 4, 6),)),
        "without bias": (lambda x, w: F.group_norm(x, 2, w), (f(2, 4, 3), f(4))),
        "without weight": (lambda x, c: F.group_norm(x, 2, None, c), (f(2, 4, 3), f(4))),
    },
}
