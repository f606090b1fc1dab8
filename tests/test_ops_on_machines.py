# SPDX-License-Identifier: Apache-2.0
"""All cases of all ops as one model on simulated machines: compiled by gcc and by clang, and on a vector unit."""

import json
import sys
from pathlib import Path

import pytest
from pipeline_fixtures import models_option

MODEL = f"""
import sys

from torch import nn

sys.path[:0] = {[str(Path(__file__).parent), *sys.path]}
from op_cases import CASES, DECOMPOSED
from op_cases.together import together

cases = [case for type, cases in CASES.items() if type not in DECOMPOSED for case in cases.values()]
every, values = together(cases)


class Every(nn.Module):
    def forward(self, *values):
        return every(*values)


def model():
    return Every()


def inputs():
    return values
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return models_option(tmp_path_factory, every=MODEL)


@pytest.mark.slow
@pytest.mark.parametrize("machine", ["cpu", "vector", "default"])
def test_a_machine_computes_what_pytorch_computes(host_tree, models, machine):
    host_tree.scons(models, f"MACHINE={machine}", "sim-every", timeout=900)
    folder = "build" if machine == "default" else f"build/{machine}"
    report = json.loads((host_tree / folder / "reports/every.json").read_text())
    assert report["check"]["passed"]
    assert len({op["type"] for op in report["ops"]}) > 100
