# SPDX-License-Identifier: Apache-2.0
"""A depthwise 3x3 convolution with padding, 64x32x32."""

import torch
from torch import nn


def model():
    return nn.Conv2d(64, 64, 3, padding=1, groups=64)


def inputs():
    return (torch.randn(1, 64, 32, 32),)
