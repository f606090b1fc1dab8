# SPDX-License-Identifier: Apache-2.0
"""A GPT-2 of 2 layers that reads a prompt of 16 tokens and goes on with 16: 0.12 million parameters."""

import torch
from transformers import GPT2Config, GPT2LMHeadModel

GENERATE = 16


def model():
    config = GPT2Config(
        n_layer=2, n_embd=64, n_head=4, vocab_size=256, n_positions=64, bos_token_id=0, eos_token_id=0
    )
    gpt2 = GPT2LMHeadModel(config)
    for parameter in gpt2.parameters():
        if parameter.dim() > 1:  # wide enough that the tokens differ
            torch.nn.init.normal_(parameter, std=0.2)
    return gpt2


def inputs():
    return (torch.randint(0, 256, (1, 16)),)
