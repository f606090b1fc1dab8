# SPDX-License-Identifier: Apache-2.0
"""GPT-2 small (Radford et al. 2019) for a prompt of 128 tokens: 124 million parameters, 16 billion MACs.

It has the whole vocabulary. The head's weights are the embedding's, which lie in memory once. Needs MACHINE=roomy.
"""

import sys
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _transformer import PreNormBlock
from _weights import randomize

WORDS, CONTEXT, WIDTH, HEADS, LAYERS = 50257, 1024, 768, 12, 12


class CausalBlock(PreNormBlock):
    def forward(self, x):
        x = x + self.attention.attend(*self.attention.split(self.norm1(x)), is_causal=True)
        return x + self.mlp(self.norm2(x))


class Gpt2(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.positions = nn.Embedding(WORDS, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(CausalBlock(WIDTH, HEADS) for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, WORDS, bias=False)
        randomize(self, gain=1.0)
        self.words.weight = self.head.weight

    def forward(self, tokens):
        places = torch.arange(tokens.shape[1], device=tokens.device)
        return self.head(self.norm(self.blocks(self.words(tokens) + self.positions(places))))


def model():
    return Gpt2()


def inputs():
    return (torch.randint(WORDS, (1, 128)),)
