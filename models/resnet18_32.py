# SPDX-License-Identifier: Apache-2.0
"""ResNet-18 for one 32x32 image and 10 classes: 11.2 million parameters, 37 million multiply-accumulates."""

import torch
from _resnet import ResNet


def model():
    return ResNet(classes=10)


def inputs():
    return (torch.randn(1, 3, 32, 32),)
