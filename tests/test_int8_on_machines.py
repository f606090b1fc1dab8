# SPDX-License-Identifier: Apache-2.0
"""PRECISION=int8 through the whole pipeline, on machines where it is faster than float32 and where it is not."""

import json

import pytest
from conftest import ROOT
from pipeline_fixtures import models_option

MODEL = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.c = nn.Linear(8, 10)

    def forward(self, x):
        h = torch.relu(self.a(x))
        return self.c(torch.max_pool2d(torch.relu(self.b(h) + h), 2).mean((2, 3)))


def model():
    return Net()


def inputs():
    return (torch.randn(1, 3, 16, 16),)
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return models_option(tmp_path_factory, net=MODEL)


SLOW_FLOATS = "[cpu.latency]\nf32_multiply = 400\n"
"""Of a CPU that int8 is faster on."""


@pytest.fixture(scope="module")
def slow_floats(tmp_path_factory):
    """A machine file, as MACHINE= takes it."""
    file = tmp_path_factory.mktemp("machines") / "slow_floats.toml"
    file.write_text((ROOT / "sim/machines/cpu.toml").read_text() + SLOW_FLOATS)
    return str(file)


@pytest.mark.parametrize("machine", ["default", "edge", "slow_floats"])
def test_a_machine_computes_the_quantised_model(host_tree, models, machine, slow_floats):
    file = slow_floats if machine == "slow_floats" else machine
    host_tree.scons(models, f"MACHINE={file}", "PRECISION=int8", "sim-net", "verify-net")
    report = json.loads((host_tree / f"build/{machine}-int8/reports/net.json").read_text())
    assert report["check"]["passed"] and 1e-4 < report["check"]["max_rel_error"] < 0.05
    products = {op["name"]: op for op in report["ops"] if op["type"] in ("CONV_INT8", "GEMM_INT8")}
    assert [row["op"] for row in report["quantised"]] == list(products)
    others = {op["name"] for op in report["ops"] if op["type"] in ("CONV", "GEMM")}
    assert others == (set() if machine == "slow_floats" else {"conv_0"}) and len(products) + len(others) == 3
    assert all(0 < row["max_rel_error"] < 0.05 and row["input_scale"] > 0 for row in report["quantised"])
    convolutions = {op["placed_on"] for op in products.values() if op["type"] == "CONV_INT8"}
    assert convolutions == ({"cpu"} if machine == "slow_floats" else {"compute"})


@pytest.mark.parametrize("machine", ["cpu", "vector"])
def test_where_float32_is_faster_no_product_is_int8_and_the_report_says_so(host_tree, models, machine):
    done = host_tree.scons(models, f"MACHINE={machine}", "PRECISION=int8", "sim-net", "verify-net")
    report = json.loads((host_tree / f"build/{machine}-int8/reports/net.json").read_text())
    assert report["check"]["max_rel_error"] < 1e-5 and report["quantised"] == []
    assert "no product is in int8, since float32 takes no longer on this machine" in done.stdout


def test_verify_finds_the_layer_of_a_broken_int8_kernel(tree, models, slow_floats):
    tree.edit("kernels/narrow.h", "values[j] = (RESULT)sums[i][j];", "values[j] = (RESULT)sums[i][j] * 1.5f;")
    done = tree.scons(models, f"MACHINE={slow_floats}", "PRECISION=int8", "verify-net", check=False)
    assert done.returncode and "verify: op 'gemm_" in done.stderr and "GEMM_INT8" in done.stderr


def test_an_unknown_precision_is_refused(host_tree):
    done = host_tree.scons("PRECISION=fp8", "sim-mlp", check=False)
    assert done.returncode and "scons: PRECISION is 'fp8'; known are float32, int8, bfloat16" in done.stderr


def test_a_model_says_how_far_its_int8_form_may_be_off(host_tree, tmp_path):
    (tmp_path / "strict.py").write_text(MODEL + "\n\nINT8_TOLERANCE = 1e-5\n")
    done = host_tree.scons(f"MODELS={tmp_path}", "PRECISION=int8", "sim-strict", check=False)
    assert (
        done.returncode
        and "report: model 'strict': outputs differ from PyTorch's" in done.stderr
        and "allowed is 1e-05" in done.stderr
    )
