# SPDX-License-Identifier: Apache-2.0
"""256 x 256 x 256 with bias and ReLU."""

import torch
from torch import nn


def model():
    return nn.Sequential(nn.Linear(256, 256), nn.ReLU())


def inputs():
    return (torch.randn(256, 256),)
