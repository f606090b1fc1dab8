# SPDX-License-Identifier: Apache-2.0
"""A 3x3 convolution with padding, 16x32x32 -> 32 channels."""

import torch
from torch import nn


def model():
    return nn.Conv2d(16, 32, 3, padding=1)


def inputs():
    return (torch.randn(1, 16, 32, 32),)
