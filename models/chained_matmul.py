# SPDX-License-Identifier: Apache-2.0
"""Three matrix multiplications in a row, with a second output from the middle."""

from itertools import pairwise

import torch
from torch import nn


class ChainedMatMul(nn.Module):
    def __init__(self, sizes=(24, 32, 20, 12)):
        super().__init__()
        pairs = pairwise(sizes)
        self.weights = nn.ParameterList(nn.Parameter(torch.randn(k, n) / k**0.5) for k, n in pairs)

    def forward(self, x):
        first, second, third = self.weights
        middle = x @ first @ second
        return middle @ third, middle


def model():
    return ChainedMatMul()


def inputs():
    return (torch.randn(16, 24),)
