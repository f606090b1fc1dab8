# SPDX-License-Identifier: Apache-2.0
"""LeNet-5 for one 28x28 digit: 62 thousand parameters, 0.4 million multiply-accumulates."""

import torch
from _weights import randomize
from torch import nn


def model():
    layers = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120), nn.Tanh(),
        nn.Linear(120, 84), nn.Tanh(),
        nn.Linear(84, 10),
    )  # fmt: skip
    return randomize(layers)


def inputs():
    return (torch.randn(1, 1, 28, 28),)
