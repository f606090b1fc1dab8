# SPDX-License-Identifier: Apache-2.0
"""A BERT-style encoder, 2 layers of width 64, for 2 sentences of 24 tokens: 0.17 million parameters, 5 million MACs.

The shorter sentence is padded and masked. Returns every token's hidden state, and the first one's pooled.
"""

import torch
from _transformer import PostNormBlock
from _weights import randomize
from torch import nn


class Bert(nn.Module):
    def __init__(self, words=1000, positions=64, width=64, heads=4, layers=2):
        super().__init__()
        self.words, self.types = nn.Embedding(words, width, padding_idx=0), nn.Embedding(2, width)
        self.positions = nn.Embedding(positions, width)
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(PostNormBlock(width, heads) for _ in range(layers))
        self.pool = nn.Linear(width, width)
        randomize(self, gain=1.0)

    def forward(self, tokens, mask, types):
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.norm(self.words(tokens) + self.positions(positions) + self.types(types))
        for block in self.blocks:
            x = block(x, mask[:, None, None, :].bool())
        return x, torch.tanh(self.pool(x[:, 0]))


def model():
    return Bert()


def inputs():
    lengths = torch.tensor([[24], [15]])
    mask = (torch.arange(24) < lengths).long()
    tokens = torch.randint(1, 1000, (2, 24)) * mask
    types = (torch.arange(24) >= lengths // 2).long() * mask
    return tokens, mask, types
