# SPDX-License-Identifier: Apache-2.0
"""Architectures of Hugging Face's transformers, from their configurations alone, held to PyTorch.

Every model is as small as its architecture allows, for what is tested is the operators that it is made of.
bench/architectures.py says of more of them whether they are captured.
"""

import os
import sys

import pytest
import torch
from conftest import ROOT
from host_fixtures import captured_function, run_on_host
from zoo_fixtures import relative_error

sys.path.append(str(ROOT / "bench"))
from architectures_table import model_of, whole, words  # noqa: E402

os.environ["HF_HUB_OFFLINE"] = "1"

TOLERANCE = 1e-4
NAMES = [
    "bert",
    "distilbert",
    "roberta",
    "albert",
    "deberta_v2",
    "modernbert",
    "gpt2",
    "llama",
    "mistral",
    "mixtral",
    "qwen3",
    "gemma",
    "gemma3_text",
    "opt",
    "phi",
    "gpt_neox",
    "mamba",
    "t5",
    "bart",
    "whisper",
    "wav2vec2",
    "hubert",
    "vit",
    "swin",
    "convnext",
    "resnet",
    "efficientnet",
    "segformer",
    "videomae",
    "clip",
]
"""Those that differ in their operators."""
DECODERS = ("gpt2", "llama", "qwen3", "gemma3_text", "gpt_neox")
"""Those that also decode one word from a cache; the others' attention is as one of these."""


class Step(torch.nn.Module):
    """A decoder that takes one word, and its cache by position: each layer's keys, its values."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, word, *tensors):
        from transformers import DynamicCache

        cache = DynamicCache(zip(tensors[::2], tensors[1::2], strict=True), self.model.config)
        output = self.model(input_ids=word, past_key_values=cache, use_cache=True)
        return output.logits, tensors_of(output.past_key_values)


def tensors_of(cache):
    return [tensor for layer in cache.layers for tensor in (layer.keys, layer.values)]


def step(name):
    model, given = model_of(name)
    with torch.no_grad():
        cache = model(given["input_ids"], use_cache=True).past_key_values
    return Step(model), (words(1, 1), *tensors_of(cache))


CASES = {
    **{name: (whole, name) for name in NAMES},
    **{f"{name} with a cache": (step, name) for name in DECODERS},
}


@pytest.mark.parametrize("case", CASES)
def test_an_architecture_computes_what_pytorch_computes(case, tmp_path):
    kind, name = CASES[case]
    captured = captured_function(*kind(name))
    assert relative_error(run_on_host(captured, tmp_path), captured.references) <= TOLERANCE
