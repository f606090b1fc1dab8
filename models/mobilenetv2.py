# SPDX-License-Identifier: Apache-2.0
"""MobileNetV2 of width 0.35 for one 96x96 image: 1.7 million parameters, 12 million multiply-accumulates."""

import torch
from _weights import randomize
from torch import nn

STAGES = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
]
"""Expansion, channels, blocks, stride of the first block (Sandler et al. 2018, table 2)."""


def conv(inputs, outputs, size=1, stride=1, groups=1, activation=nn.ReLU6):
    layer = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), activation())


class InvertedResidual(nn.Module):
    def __init__(self, inputs, outputs, expansion, stride):
        super().__init__()
        hidden = inputs * expansion
        self.expand = conv(inputs, hidden) if expansion > 1 else nn.Identity()
        self.depthwise = conv(hidden, hidden, 3, stride, groups=hidden)
        self.project = conv(hidden, outputs, activation=nn.Identity)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x):
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


def channels(count, width):
    """The nearest multiple of 8 that is not a tenth too small."""
    rounded = max(8, int(count * width + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * count * width else rounded + 8


class MobileNetV2(nn.Module):
    def __init__(self, width=0.35, classes=1000):
        super().__init__()
        inputs = channels(32, width)
        layers = [conv(3, inputs, 3, 2)]
        for expansion, count, blocks, stride in STAGES:
            outputs = channels(count, width)
            for index in range(blocks):
                layers.append(InvertedResidual(inputs, outputs, expansion, 1 if index else stride))
                inputs = outputs
        self.features = nn.Sequential(*layers, conv(inputs, 1280))
        self.classify = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))
        randomize(self)

    def forward(self, x):
        return self.classify(self.features(x).mean((2, 3)))


INT8_TOLERANCE = 0.2
"""Random weights leave little between one class and the next."""


def model():
    return MobileNetV2()


def inputs():
    return (torch.randn(1, 3, 96, 96),)
