# SPDX-License-Identifier: Apache-2.0
"""ResNet-18 for one 224x224 image and 1000 classes: 11.7 million parameters, 1.8 billion multiply-accumulates.

Simulated on the scalar CPU it takes most of a minute.
"""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _resnet import ResNet


def model():
    return ResNet()


def inputs():
    return (torch.randn(1, 3, 224, 224),)
