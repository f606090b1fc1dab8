# SPDX-License-Identifier: Apache-2.0
"""A decoder of Qwen2-0.5B's shape in bfloat16, at random weights: 494 million parameters, a prompt of 128 tokens, 8 more.

Simulate it on `roomy`: its weights take a gigabyte.
"""

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

GENERATE = 8
PROMPT = 128


def model():
    config = Qwen2Config(
        vocab_size=151936,
        hidden_size=896,
        intermediate_size=4864,
        num_hidden_layers=24,
        num_attention_heads=14,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        dtype=torch.bfloat16,
    )
    return Qwen2ForCausalLM(config).to(torch.bfloat16)


def inputs():
    return (torch.randint(0, 151936, (1, PROMPT)),)
