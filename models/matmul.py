# SPDX-License-Identifier: Apache-2.0
"""The tutorial's model: y = x @ weight + bias, 8x16 @ 16x8."""

import torch
from torch import nn


class MatMulModel(nn.Module):
    """A model with matrix multiplication."""

    def __init__(self, M=8, K=16, N=8):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(K, N))
        self.bias = nn.Parameter(torch.randn(N))

    def forward(self, x):
        y = torch.matmul(x, self.weight)
        y = y + self.bias
        return y


def model():
    return MatMulModel()


def inputs():
    return (torch.randn(8, 16),)
