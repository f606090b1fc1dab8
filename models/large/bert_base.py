# SPDX-License-Identifier: Apache-2.0
"""BERT-base (Devlin et al. 2019) for a sentence of 128 tokens: 110 million parameters, 11.2 billion MACs.

Needs MACHINE=roomy.
"""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bert import Bert

WORDS = 30522


def model():
    return Bert(WORDS, positions=512, width=768, heads=12, layers=12)


def inputs():
    tokens = torch.randint(1, WORDS, (1, 128))
    return tokens, torch.ones_like(tokens), torch.zeros_like(tokens)
