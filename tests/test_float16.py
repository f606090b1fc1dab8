# SPDX-License-Identifier: Apache-2.0
"""float16: every result rounded where PyTorch rounds it, and the same bits on the CPU and on devices."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from acalsim_backend import ACALSimBackend
from acalsim_backend.ir.graph import ACALSimOpType
from acalsim_backend.pipeline import run_graph
from host_fixtures import Library, captured_function, captured_narrow
from op_cases.together import together
from pipeline_fixtures import models_option
from torch import nn

T = ACALSimOpType
X = torch.randn(3, 5, generator=torch.Generator().manual_seed(0)).half()
ROUNDED = {
    "chains": lambda x: ((x + 0.1) * 1.7 + x) / 1.3,
    "overflow between": lambda x: x * 300 * 300 / 300,
    "overflow behind": lambda x: torch.exp(x * 8),
    "subnormals between": lambda x: x * 1e-7 * 1000,
    "halves": lambda x: x + torch.tensor(2048.0, dtype=torch.float16),
    "what another op takes": lambda x: torch.sqrt(F.relu(x * 200) * 7.7),
    "two readers": lambda x: (x * 1.1) + (x * 1.1).exp(),
    "float32 behind": lambda x: (x * 1.1).float() * 1.1,
    "float64 behind": lambda x: (x * 1.1).double() * 1.1,
    "integers behind": lambda x: (x * 1000.7).to(torch.int32),
    "sums": lambda x: (x * 9000).sum(1),
    "a mask": lambda x: x.masked_fill(x > 0, torch.finfo(x.dtype).min) + -1000,
}


def test_each_result_is_rounded_where_pytorch_rounds_it(tmp_path):
    cases = [(function, (X,)) for function in ROUNDED.values()]
    captured = captured_narrow(*together(cases))
    found = Library(tmp_path, {"graph": captured}).run("graph")
    for name, output, reference in zip(ROUNDED, found, captured.references, strict=True):
        assert np.array_equal(output, reference, equal_nan=True), name


def test_what_is_rounded_like_its_operand_stays_in_one_function_with_a_product():
    ir = captured_narrow(nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)).half(), (X,)).ir
    (relu,) = (op for op in ir.ops if op.op_type is T.RELU)
    assert relu.inputs[0] in next(op for op in ir.ops if op.op_type is T.GEMM).outputs


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.qkv, self.out = nn.Linear(8, 24), nn.Linear(8, 10)

    def forward(self, x):
        x = F.relu(self.norm(self.conv(x)))
        x = F.max_pool2d(F.silu(self.depthwise(x)) + x, 2).flatten(2).transpose(1, 2)
        q, k, v = self.qkv(x).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        x = x + F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self.out(F.layer_norm(x, (8,)).mean(1))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The network's outputs, and the types of its products' operands and where they are, by machine."""
    torch.manual_seed(0)
    captured = captured_narrow(Net().eval().half(), (torch.randn(1, 3, 8, 8).half(),))
    return captured, {
        name: run_graph(
            tmp_path_factory.mktemp(name), captured.ir, captured.inputs, captured.references, machine=name
        )
        for name in ("cpu", "vector", "default")
    }


def test_a_network_is_as_close_to_pytorchs_as_its_type_and_has_the_same_bits_everywhere(runs):
    captured, by_machine = runs
    for outputs, report in by_machine.values():
        assert report.check.max_rel_error < 2e-3
        assert np.array_equal(outputs[0], by_machine["cpu"][0][0])
        assert np.array_equal(outputs[0], outputs[0].astype(np.float16).astype(np.float32))
    products = [op for op in captured.ir.ops if op.op_type in (T.CONV, T.GEMM, T.BMM)]
    assert {captured.ir.tensors[name].dtype for op in products for name in op.inputs[:2]} == {"float16"}
    assert {op.placed_on for op in by_machine["default"][1].ops} == {"compute"}


MODEL = """\
import torch
from torch import nn


def model():
    return nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 8)){half}


def inputs():
    return (torch.randn(16, 16){half},)
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return models_option(tmp_path_factory, wide=MODEL.format(half=""), half=MODEL.format(half=".half()"))


def test_products_of_float16_are_the_cpus_where_the_array_lacks_it(host_tree, models, tmp_path):
    text = (host_tree / "sim/machines/default.toml").read_text()
    (tmp_path / "plain.toml").write_text(text.replace("rows = 16", 'rows = 16\ntypes = "float32, bfloat16"'))
    host_tree.scons(models, f"MACHINE={tmp_path}/plain.toml", "sim-half", "verify-half")
    report = json.loads((host_tree / "build/plain/reports/half.json").read_text())
    reasons = {op["placed_on"]: op.get("reason") for op in report["ops"] if op["type"] == "GEMM"}
    assert reasons == {"cpu": "the array multiplies float32, bfloat16, not float16"}
    assert report["check"]["passed"] and report["half"] == "float16"


def test_a_float32_model_is_narrowed_to_float16_on_demand(host_tree, models):
    host_tree.scons(models, "PRECISION=float16", "sim-wide", "verify-wide")
    report = json.loads((host_tree / "build/default-float16/reports/wide.json").read_text())
    assert report["check"]["passed"] and 1e-6 < report["check"]["max_rel_error"] < 2e-3
    assert report["half"] == "float16" and {op["placed_on"] for op in report["ops"]} == {"compute"}


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_torch_compile_takes_and_gives_half_types(half):
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(8, 8), nn.Tanh()).to(half), torch.randn(2, 8).to(half)
    backend = ACALSimBackend(mode="simulate", machine="cpu")
    found = torch.compile(model, backend=backend)(x)
    assert found.dtype == half and backend.reports[-1]["check"]["passed"]
    assert torch.allclose(found, model(x), atol=0.01)


def test_a_model_of_both_half_types_keeps_each(tmp_path):
    captured = captured_function(lambda x, w: (x @ w, x.bfloat16() @ w.bfloat16()), (X, X.t().contiguous()))
    assert set(captured.ir.narrow.values()) == {"float16", "bfloat16"}
    captured = captured_narrow(lambda x, w: (x @ w, x.bfloat16() @ w.bfloat16()), (X, X.t().contiguous()))
    kinds = [captured.ir.tensors[op.inputs[0]].dtype for op in captured.ir.ops if op.op_type is T.MATMUL]
    assert sorted(kinds) == ["bfloat16", "float16"]
    found = Library(tmp_path, {"graph": captured}).run("graph")
    for output, reference in zip(found, captured.references, strict=True):
        assert np.abs(output - reference).max() < 0.02
