# SPDX-License-Identifier: Apache-2.0
"""A PyTorch model becomes a bare-metal RISC-V program: ./run python examples/matmul_demo.py"""

import os
from pathlib import Path

import torch
from acalsim_backend import ACALSimBackend
from torch import nn

OUTPUT = Path(__file__).resolve().parent / "output_matmul"


class MatMulModel(nn.Module):
    """A model with matrix multiplication."""

    def __init__(self, M=8, K=16, N=8):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(K, N))
        self.bias = nn.Parameter(torch.randn(N))

    def forward(self, x):
        y = torch.matmul(x, self.weight)
        return y + self.bias


torch.manual_seed(0)
model, x = MatMulModel(), torch.randn(8, 16)
backend = ACALSimBackend(mode="codegen", verbose=True, output_dir=OUTPUT)
compiled = torch.compile(model, backend=backend)
with torch.no_grad():
    output = compiled(x)

folder = os.path.relpath(OUTPUT)
print(f"PyTorch computed an output of shape {tuple(output.shape)}. Generated in {folder}:")
for file in backend.files:
    print(f"  {file.name}")
print(f"Next, build graph_0.elf, .bin and .dump:\n  cd {folder} && make CROSS_COMPILE=riscv64-unknown-elf-")
