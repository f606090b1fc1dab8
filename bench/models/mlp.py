# SPDX-License-Identifier: Apache-2.0
"""A perceptron, 64 -> 128 -> 10, for one sample."""

import torch
from torch import nn


def model():
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))


def inputs():
    return (torch.randn(1, 64),)
