# SPDX-License-Identifier: Apache-2.0
"""Two LSTM layers of width 32 over 12 steps, and a classifier: 15 thousand parameters, 0.17 million MACs."""

import torch
from _weights import randomize
from torch import nn


class Classifier(nn.Module):
    def __init__(self, features=16, width=32, classes=6):
        super().__init__()
        self.lstm = nn.LSTM(features, width, num_layers=2, batch_first=True)
        self.classify = nn.Linear(width, classes)

    def forward(self, x):
        steps, (hidden, _) = self.lstm(x)
        return self.classify(hidden[-1]), steps


def model():
    return randomize(Classifier())


def inputs():
    return (torch.randn(1, 12, 16),)
