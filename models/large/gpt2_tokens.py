# SPDX-License-Identifier: Apache-2.0
"""GPT-2 small at its real size, at random weights: 124 million parameters, a prompt of 128 tokens, 16 more.

Simulate it on `roomy`: its weights take half a gigabyte.
"""

import torch
from transformers import GPT2Config, GPT2LMHeadModel

GENERATE = 16
PROMPT = 128


def model():
    return GPT2LMHeadModel(GPT2Config())


def inputs():
    return (torch.randint(0, GPT2Config().vocab_size, (1, PROMPT)),)
