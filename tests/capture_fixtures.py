# SPDX-License-Identifier: Apache-2.0
"""Model files that tests write and capture."""

import sys
from pathlib import Path

import pytest
from acalsim_backend.capture.model import capture_model
from acalsim_backend.capture.model_file import ModelFile
from acalsim_backend.paths import PYTHONPATH

ROOT = PYTHONPATH.parent

TEMPLATE = """\
import torch
from torch import nn
{head}

class M(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(4, 4))
        self.register_buffer("n", torch.zeros(4))

    def forward(self, {arguments}):
        {body}


def model():
    return M()


def inputs():
    return {inputs}
"""
BODY_LINE = 12
X = "(torch.randn(4, 4),)"


@pytest.fixture
def models(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def write(models, monkeypatch):
    """Writes a model file; given as whole text, or as forward()'s body."""
    monkeypatch.chdir(models.parent)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def write(body="", *, arguments="x", inputs=X, head="", text=None, name="it"):
        path = models / f"{name}.py"
        path.write_text(text or TEMPLATE.format(body=body, arguments=arguments, inputs=inputs, head=head))
        return path

    return write


def captured(path):
    file = ModelFile(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
    file.load()
    return capture_model(file)


@pytest.fixture
def capturing(write):
    return lambda *arguments, **options: captured(write(*arguments, **options))


def ops(result):
    return [str(op) for op in result.ir.ops]
