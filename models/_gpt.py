# SPDX-License-Identifier: Apache-2.0
"""A GPT-style decoder with key and value caches of fixed length, for prefill and for decoding.

Caches are (layers, batch, heads, CONTEXT, width / heads); what lies behind the last position is ignored.
"""

import torch
import torch.nn.functional as F
from _transformer import PreNormBlock
from _weights import randomize
from torch import nn

WORDS, CONTEXT, WIDTH, HEADS, LAYERS = 256, 64, 64, 4, 2


class Block(PreNormBlock):
    """One layer. With caches it appends one token to them; without, it fills new ones."""

    def forward(self, x, position=None, keys=None, values=None):
        query, key, value = self.attention.split(self.norm1(x))
        if keys is None:
            x = x + self.attention.attend(query, key, value, is_causal=True)
            free = CONTEXT - key.shape[2]
            key, value = F.pad(key, (0, 0, 0, free)), F.pad(value, (0, 0, 0, free))
        else:
            slots = torch.arange(CONTEXT, device=x.device)
            here = (slots == position)[:, None]
            key, value = torch.where(here, key, keys), torch.where(here, value, values)
            x = x + self.attention.attend(query, key, value, attn_mask=(slots <= position)[None, :])
        return x + self.mlp(self.norm2(x)), key, value


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.positions = nn.Embedding(WORDS, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList(Block(WIDTH, HEADS) for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, WORDS, bias=False)
        randomize(self, gain=1.0)

    def prefill(self, tokens):
        """Logits of every token of a prompt (batch, tokens), and the caches."""
        x = self.words(tokens) + self.positions(torch.arange(tokens.shape[1], device=tokens.device))
        return self._decode(x, lambda block, x, _: block(x))

    def step(self, token, position, keys, values):
        """Logits of one token (batch, 1) at `position` (1), and the caches with it."""
        x = self.words(token) + self.positions(position)
        return self._decode(x, lambda block, x, layer: block(x, position, keys[layer], values[layer]))

    def _decode(self, x, run):
        caches = []
        for layer, block in enumerate(self.blocks):
            x, key, value = run(block, x, layer)
            caches.append((key, value))
        keys, values = zip(*caches, strict=True)
        return self.head(self.norm(x)), torch.stack(keys), torch.stack(values)
