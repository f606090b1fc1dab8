# SPDX-License-Identifier: Apache-2.0
"""384 x 384 x 384 with bias and ReLU."""

import torch
from torch import nn


def model():
    return nn.Sequential(nn.Linear(384, 384), nn.ReLU())


def inputs():
    return (torch.randn(384, 384),)
