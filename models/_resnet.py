# SPDX-License-Identifier: Apache-2.0
"""ResNet with basic blocks (He et al. 2016), as in torchvision; (2, 2, 2, 2) blocks are ResNet-18."""

from _weights import randomize
from torch import nn


def conv(inputs, outputs, size, stride=1):
    layer = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = conv(inputs, outputs, 3, stride)
        self.second = conv(outputs, outputs, 3)
        self.shortcut = nn.Identity() if inputs == outputs else conv(inputs, outputs, 1, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.second(self.relu(self.first(x))) + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self, blocks=(2, 2, 2, 2), classes=1000):
        super().__init__()
        self.stem = nn.Sequential(conv(3, 64, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
        stages, width = [], 64
        for stage, count in enumerate(blocks):
            outputs = 64 << stage
            for index in range(count):
                stages.append(BasicBlock(width, outputs, 2 if stage and not index else 1))
                width = outputs
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classify = nn.Linear(width, classes)
        randomize(self)

    def forward(self, x):
        return self.classify(self.pool(self.stages(self.stem(x))).flatten(1))
