# SPDX-License-Identifier: Apache-2.0
"""A matrix product, 128 x 128 x 128."""

import torch
from torch import nn


class MatMul(nn.Module):
    def forward(self, a, b):
        return a @ b


def model():
    return MatMul()


def inputs():
    return torch.randn(128, 128), torch.randn(128, 128)
