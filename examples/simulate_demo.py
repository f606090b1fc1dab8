# SPDX-License-Identifier: Apache-2.0
"""A PyTorch model runs on the simulated machine: ./run python examples/simulate_demo.py"""

import torch
from acalsim_backend import ACALSimBackend
from acalsim_backend.report.show import print_report
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)).eval()
backend = ACALSimBackend(mode="simulate")
compiled = torch.compile(model, backend=backend, fullgraph=True, dynamic=False)

with torch.no_grad():
    for batch in (1, 4):
        x = torch.randn(batch, 64)
        error = (compiled(x) - model(x)).abs().max().item()
        print(f"batch {batch}: the machine's outputs differ from PyTorch's by at most {error:.2g}")
        print_report(backend.reports[-1])
