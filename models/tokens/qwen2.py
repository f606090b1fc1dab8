# SPDX-License-Identifier: Apache-2.0
"""A Qwen2 of 2 layers, whose 4 heads share 2 of keys and values, goes on with 16 tokens: 0.13 million parameters."""

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

GENERATE = 16


def model():
    config = Qwen2Config(
        num_hidden_layers=2,
        hidden_size=64,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=176,
        vocab_size=256,
        max_position_embeddings=64,
        tie_word_embeddings=True,
    )
    qwen2 = Qwen2ForCausalLM(config)
    for parameter in qwen2.parameters():
        if parameter.dim() > 1:  # wide enough that the tokens differ
            torch.nn.init.normal_(parameter, std=0.2)
    return qwen2


def inputs():
    return (torch.randint(0, 256, (1, 16)),)
