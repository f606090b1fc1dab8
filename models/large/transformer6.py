# SPDX-License-Identifier: Apache-2.0
"""A transformer encoder, 6 layers of width 384, for 128 tokens: 10.6 million parameters, 1.4 billion MACs.

Simulated on the scalar CPU it takes most of a minute.
"""

import torch
from torch import nn


def model():
    layer = nn.TransformerEncoderLayer(
        384, nhead=6, dim_feedforward=1536, batch_first=True, activation="gelu"
    )
    return nn.TransformerEncoder(layer, num_layers=6)


def inputs():
    return (torch.randn(1, 128, 384),)
