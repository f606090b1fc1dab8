# SPDX-License-Identifier: Apache-2.0
"""ResNet-50 for one 224x224 image and 1000 classes: 25.6 million parameters, 4.1 billion multiply-accumulates."""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _resnet import Bottleneck, ResNet


def model():
    return ResNet((3, 4, 6, 3), block=Bottleneck)


def inputs():
    return (torch.randn(1, 3, 224, 224),)
