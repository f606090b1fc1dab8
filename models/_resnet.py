# SPDX-License-Identifier: Apache-2.0
"""ResNet (He et al. 2016), as in torchvision; (2, 2, 2, 2) basic blocks are ResNet-18, (3, 4, 6, 3) bottlenecks ResNet-50."""

from _weights import randomize
from torch import nn


def conv(inputs, outputs, size, stride=1):
    layer = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs))


class Block(nn.Module):
    """Layers, and a shortcut past them."""

    widening = 1

    def __init__(self, inputs, width, stride):
        super().__init__()
        outputs = self.widening * width
        self.layers = self.make_layers(inputs, width, stride)
        self.shortcut = nn.Identity() if inputs == outputs else conv(inputs, outputs, 1, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.layers(x) + self.shortcut(x))


class BasicBlock(Block):
    def make_layers(self, inputs, width, stride):
        return nn.Sequential(conv(inputs, width, 3, stride), nn.ReLU(inplace=True), conv(width, width, 3))


class Bottleneck(Block):
    widening = 4

    def make_layers(self, inputs, width, stride):
        first, second = conv(inputs, width, 1), conv(width, width, 3, stride)
        last = conv(width, 4 * width, 1)
        return nn.Sequential(first, nn.ReLU(inplace=True), second, nn.ReLU(inplace=True), last)


class ResNet(nn.Module):
    def __init__(self, blocks=(2, 2, 2, 2), classes=1000, block=BasicBlock):
        super().__init__()
        self.stem = nn.Sequential(conv(3, 64, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
        stages, width = [], 64
        for stage, count in enumerate(blocks):
            for index in range(count):
                stages.append(block(width, 64 << stage, 2 if stage and not index else 1))
                width = block.widening * (64 << stage)
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classify = nn.Linear(width, classes)
        randomize(self)

    def forward(self, x):
        return self.classify(self.pool(self.stages(self.stem(x))).flatten(1))
