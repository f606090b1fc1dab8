# SPDX-License-Identifier: Apache-2.0
"""One decode step of gpt_prefill's decoder: token, position and caches in, logits and caches out; 0.13 million MACs."""

import torch
from _gpt import CONTEXT, HEADS, LAYERS, WIDTH, WORDS, Gpt

POSITION = 16


class Step(Gpt):
    def forward(self, token, position, keys, values):
        return self.step(token, position, keys, values)


def model():
    return Step()


def inputs():
    keys, values = (torch.randn(LAYERS, 1, HEADS, CONTEXT, WIDTH // HEADS) for _ in range(2))
    return torch.randint(0, WORDS, (1, 1)), torch.tensor([POSITION]), keys, values
