# SPDX-License-Identifier: Apache-2.0
"""A tiny vision transformer, 3 layers of width 64, for a 32x32 image: 0.16 million parameters, 11 million MACs."""

import torch
from _transformer import PreNormBlock
from _weights import randomize
from torch import nn


class VisionTransformer(nn.Module):
    def __init__(self, image=32, patch=4, width=64, heads=4, layers=3, classes=10):
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.positions = nn.Parameter(torch.randn(1, (image // patch) ** 2 + 1, width) / 2)
        self.blocks = nn.Sequential(*(PreNormBlock(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.classify = nn.Linear(width, classes)
        randomize(self, gain=1.0)

    def forward(self, images):
        x = self.patches(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], dim=1) + self.positions
        return self.classify(self.norm(self.blocks(x))[:, 0])


def model():
    return VisionTransformer()


def inputs():
    return (torch.randn(1, 3, 32, 32),)
