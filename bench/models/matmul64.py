# SPDX-License-Identifier: Apache-2.0
"""A matrix product, 64 x 64 x 64."""

import torch
from torch import nn


class MatMul(nn.Module):
    def forward(self, a, b):
        return a @ b


def model():
    return MatMul()


def inputs():
    return torch.randn(64, 64), torch.randn(64, 64)
