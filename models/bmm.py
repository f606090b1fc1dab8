# SPDX-License-Identifier: Apache-2.0
"""A batch of matrix multiplications of two inputs."""

import torch
from torch import nn


class BatchMatMul(nn.Module):
    def forward(self, a, b):
        return torch.bmm(a, b)


def model():
    return BatchMatMul()


def inputs():
    return torch.randn(4, 10, 12), torch.randn(4, 12, 14)
