# SPDX-License-Identifier: Apache-2.0
"""Inputs of the cases, drawn by seed or chosen because they are odd; and how exact results have to be."""

import itertools
from math import inf, nan

import torch
from acalsim_backend.ir.graph import ACALSimOpType

T = ACALSimOpType
aten = torch.ops.aten

TOLERANCE = 2e-6
"""Of one element, relative to the largest; float32 has 24 bits, so this is some 16 roundings."""

EXACT = 1e-14
"""Of float64."""

LONG_SUMS = 1e-5
"""Where hundreds of terms are added, in another order than PyTorch adds them."""
ODD = torch.tensor([0.0, -0.0, 1.5, -2.5, inf, -inf, nan, 1e-40, 3e38, -1e-45, 7.0, -7.0])

FAR = torch.tensor([0.0, -0.0, 1.5, -2.5, inf, -inf, nan, 1e-40, 1000.0, -10000.0])
"""Odd angles; where turns are larger than float32 tells apart, no two libraries agree."""
FINITE = torch.tensor([0.0, -0.0, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 1e-40, 7.25, -1e-45, 8388609.0])
TIES = torch.tensor([[3.0, 1, 3, 0, 1], [2, 2, 2, 2, 2], [-1, -0.0, 0, -1, 5]])

WITH_NAN = torch.tensor(
    [[1.0, nan, 2, nan], [nan, nan, nan, nan], [-inf, 0, inf, nan], [-inf, -inf, -inf, 1]]
)
INT32, INT8, BOOL = torch.int32, torch.int8, torch.bool


class Values:
    """Random tensors, the same ones each time, whatever was drawn elsewhere."""

    def __init__(self, seed):
        self.seeds = itertools.count(1000 * seed)

    def generator(self):
        return torch.Generator().manual_seed(next(self.seeds))

    def f(self, *shape):
        return torch.randn(shape, generator=self.generator())

    def n(self, *shape, dtype=torch.int64, low=-50, high=50):
        return torch.randint(low, high, shape, generator=self.generator()).to(dtype)

    def b(self, *shape):
        return self.n(*shape, low=0, high=2, dtype=BOOL)

    def nonzero(self, *shape, dtype=torch.int64):
        values = self.n(*shape, dtype=dtype)
        return torch.where(values == 0, torch.ones_like(values), values)


def put(x, v, *places, accumulate=False):
    return aten.index_put(x, places, v, accumulate)
