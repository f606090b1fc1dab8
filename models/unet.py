# SPDX-License-Identifier: Apache-2.0
"""A small U-Net that segments one 48x48 image into 4 classes: 0.12 million parameters, 21 million MACs."""

import torch
from _weights import randomize
from torch import nn


def double_conv(inputs, outputs):
    layers = []
    for channels in (inputs, outputs):
        layers += [
            nn.Conv2d(channels, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    def __init__(self, widths=(8, 16, 32, 64), classes=4):
        super().__init__()
        self.down = nn.ModuleList(double_conv(*pair) for pair in zip((3, *widths), widths, strict=False))
        ups = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.up = nn.ModuleList(nn.ConvTranspose2d(inputs, outputs, 2, stride=2) for inputs, outputs in ups)
        self.merge = nn.ModuleList(double_conv(2 * outputs, outputs) for _, outputs in ups)
        self.pool = nn.MaxPool2d(2)
        self.classify = nn.Conv2d(widths[0], classes, 1)
        randomize(self)

    def forward(self, x):
        skips = []
        for index, down in enumerate(self.down):
            x = down(self.pool(x) if index else x)
            skips.append(x)
        for up, merge, skip in zip(self.up, self.merge, skips[-2::-1], strict=True):
            x = merge(torch.cat([skip, up(x)], dim=1))
        return self.classify(x)


def model():
    return UNet()


def inputs():
    return (torch.randn(1, 3, 48, 48),)
