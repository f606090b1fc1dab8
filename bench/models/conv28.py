# SPDX-License-Identifier: Apache-2.0
"""A convolution as in the middle of a ResNet: 3x3, 64 to 128 channels, 28x28."""

import torch


def model():
    return torch.nn.Conv2d(64, 128, 3, padding=1)


def inputs():
    return (torch.randn(1, 64, 28, 28),)
