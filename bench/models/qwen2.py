# SPDX-License-Identifier: Apache-2.0
"""A decoder of the shape of Qwen2-0.5B for 8 tokens: 494 million parameters, random; transformers' own class.

In bfloat16, as it is published: 988 MB. Needs MACHINE=roomy.
"""

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

WORDS = 151936


class Logits(torch.nn.Module):
    def __init__(self):
        super().__init__()
        config = Qwen2Config(
            vocab_size=WORDS,
            hidden_size=896,
            intermediate_size=4864,
            num_hidden_layers=24,
            num_attention_heads=14,
            num_key_value_heads=2,
            tie_word_embeddings=True,
        )
        self.decoder = Qwen2ForCausalLM(config).to(torch.bfloat16)

    def forward(self, tokens):
        return self.decoder(tokens, use_cache=False).logits


def model():
    return Logits()


def inputs():
    return (torch.randint(WORDS, (1, 8)),)
