# SPDX-License-Identifier: Apache-2.0
"""What equal layers cost to build: CPU seconds of each stage for a decoder of 1, 2, 4, ... layers.

    ./run python bench/layers.py [1 2 4 8] [--machine roomy]

The model is GPT-2 small with so many of its layers, transformers' own class, for a prompt of 128 tokens. `more` is what a layer
beside the first few costs, by the two largest numbers, and `first` what the model of one layer costs. What Python
and scons take to start is in the first layer.
"""

import argparse
import tempfile
from pathlib import Path

from models import STAGES, TO_ELF, stage_costs

MODEL = """\
import torch
from transformers import GPT2Config, GPT2LMHeadModel


class Logits(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.decoder = GPT2LMHeadModel(GPT2Config(n_layer={layers}))

    def forward(self, tokens):
        return self.decoder(tokens, use_cache=False).logits


def model():
    return Logits()


def inputs():
    return (torch.randint(0, 50257, (1, 128)),)
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("layers", nargs="*", type=int, default=[1, 2, 4, 8])
    parser.add_argument("--machine", default="roomy")
    options = parser.parse_args()
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for layers in options.layers:
            (Path(folder) / f"layers_{layers}.py").write_text(MODEL.format(layers=layers))
            costs = stage_costs(
                f"layers_{layers}", folder, options.machine, {key: STAGES[key] for key in TO_ELF}
            )
            rows[layers] = {stage: cpu for stage, (_, cpu, _) in costs.items()}
    print(f"{'layers':>6} " + " ".join(f"{stage:>8}" for stage in (*TO_ELF, "in all")))
    for layers, row in rows.items():
        print(f"{layers:6} " + " ".join(f"{cpu:8.1f}" for cpu in (*row.values(), sum(row.values()))))
    *_, some, most = sorted(rows)
    more = {stage: (rows[most][stage] - rows[some][stage]) / (most - some) for stage in TO_ELF}
    print("  more " + " ".join(f"{cpu:8.2f}" for cpu in (*more.values(), sum(more.values()))))
    print(f"a further layer costs {sum(more.values()) / sum(rows[min(rows)].values()):.3f} of the first")


if __name__ == "__main__":
    main()
