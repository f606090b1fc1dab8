# SPDX-License-Identifier: Apache-2.0
"""Attention and feed-forward blocks that the transformers of this folder are made of."""

import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    """Multi-head self-attention on (batch, tokens, width)."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def split(self, x):
        """Queries, keys and values, each (batch, heads, tokens, width / heads)."""
        return [part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1)]

    def attend(self, query, key, value, **options):
        y = F.scaled_dot_product_attention(query, key, value, **options)
        return self.out(y.transpose(1, 2).flatten(2))

    def forward(self, x, mask=None):
        return self.attend(*self.split(x), attn_mask=mask)


def mlp(width):
    return nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))


class PreNormBlock(nn.Module):
    """A layer as in ViT and GPT-2: norms before attention and feed-forward."""

    def __init__(self, width, heads):
        super().__init__()
        self.attention, self.mlp = Attention(width, heads), mlp(width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x, mask=None):
        x = x + self.attention(self.norm1(x), mask)
        return x + self.mlp(self.norm2(x))


class PostNormBlock(PreNormBlock):
    """A layer as in BERT: norms after the sums."""

    def forward(self, x, mask=None):
        x = self.norm1(x + self.attention(x, mask))
        return self.norm2(x + self.mlp(x))
