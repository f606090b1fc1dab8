# SPDX-License-Identifier: Apache-2.0
"""ResNet-18 for one 32x32 image and 10 classes: 11.2 million parameters, 37 million multiply-accumulates."""

import torch
from _resnet import ResNet

INT8_TOLERANCE = 0.2
"""Random weights leave little between one class and the next."""


def model():
    return ResNet(classes=10)


def inputs():
    return (torch.randn(1, 3, 32, 32),)
