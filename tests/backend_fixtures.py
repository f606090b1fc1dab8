# SPDX-License-Identifier: Apache-2.0
"""torch.compile with this backend as tests call it, and the tutorial's demo."""

import os
import shutil
import subprocess
import sys

import pytest
import torch
from acalsim_backend import ACALSimBackend
from conftest import ROOT
from torch import nn


@pytest.fixture
def fresh_dynamo():
    torch.manual_seed(0)
    torch._dynamo.reset()
    kept = torch._dynamo.config.fail_on_recompile_limit_hit
    yield
    torch._dynamo.config.fail_on_recompile_limit_hit = kept
    torch._dynamo.reset()


class Scaled(nn.Module):
    """x @ weight + bias."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3))
        self.bias = nn.Parameter(torch.randn(3))

    def forward(self, x):
        return x @ self.weight + self.bias


def compiled_by(backend, model, **options):
    return torch.compile(model, backend=backend, **{"dynamic": False, "fullgraph": True, **options})


def simulated(model, **options):
    backend = ACALSimBackend(mode="simulate", **options)
    return backend, compiled_by(backend, model)


def clean_environment(**more):
    return {**{name: value for name, value in os.environ.items() if name != "PYTHONPATH"}, **more}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo script, run in a folder of its own: (what it printed, the folder that it wrote)."""
    folder = tmp_path_factory.mktemp("examples")
    shutil.copy(ROOT / "examples/matmul_demo.py", folder)
    environment = clean_environment(PYTHONPATH=str(ROOT / "site_scons"))
    done = subprocess.run(
        [sys.executable, "matmul_demo.py"], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, folder / "output_matmul"
