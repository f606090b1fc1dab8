# SPDX-License-Identifier: Apache-2.0
"""bfloat16: graphs made so held to PyTorch's own, and models that run so on the CPU and on devices to the same bits."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from acalsim_backend.cost.kernels import kernel_cycles
from acalsim_backend.halves import HALF
from acalsim_backend.ir.graph import ACALSimOpType
from acalsim_backend.ir.text import parse
from acalsim_backend.machine.file import load_machine
from acalsim_backend.pipeline import run_graph
from host_fixtures import Library, captured_function, captured_narrow
from pipeline_fixtures import models_option
from torch import nn

T = ACALSimOpType


def relative_error(found, expected):
    return float(np.abs(np.asarray(found) - np.asarray(expected)).max() / np.abs(np.asarray(expected)).max())


@pytest.mark.quick
@pytest.mark.parametrize("half", HALF)
def test_numbers_are_rounded_as_pytorch_rounds_them(half):
    special = [
        0.0,
        -0.0,
        1 + 2**-8,
        1 + 3 * 2**-8,
        1 + 2**-11,
        1 + 3 * 2**-11,
        3.4e38,
        1e-40,
        np.inf,
        -np.inf,
    ]
    special += [65519.996, 65520.0, -65520.0, 2**-14, 2**-24, 2**-25, 3 * 2**-25, 1.0001 * 2**-25, -6e-8]
    values = np.concatenate([np.array(special, np.float32), np.random.default_rng(0).normal(size=999) * 9])
    values = values.astype(np.float32)
    expected = torch.from_numpy(values).to(getattr(torch, half))
    bits = HALF[half].bits_of(values)
    assert np.array_equal(bits, expected.view(torch.uint16).numpy())
    assert np.array_equal(HALF[half].values_of(bits), expected.float().numpy())
    assert np.isnan(HALF[half].values_of(HALF[half].bits_of(np.array([np.nan], np.float32))))


torch.manual_seed(0)
PRODUCTS = {
    "linear": (nn.Linear(37, 11), (5, 37)),
    "conv": (nn.Conv2d(5, 7, 3, padding=1), (2, 5, 9, 11)),
    "strided conv": (nn.Conv2d(4, 6, (3, 2), stride=(2, 1), dilation=(1, 2), bias=False), (1, 4, 9, 11)),
    "depthwise conv": (nn.Conv2d(6, 6, 3, padding=1, groups=6), (1, 6, 8, 8)),
}


@pytest.mark.quick
@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_is_that_of_rounded_operands_summed_in_float32(name, tmp_path):
    module, shape = PRODUCTS[name]
    x = torch.randn(shape)
    captured = captured_narrow(module, (x,))
    found = Library(tmp_path, {"graph": captured}).run("graph")[0]
    exact = module(x).detach()
    float_weight = module.weight.data
    module.weight.data = float_weight.bfloat16().float()
    try:
        expected = module(x.bfloat16().float()).detach()
    finally:
        module.weight.data = float_weight
    assert relative_error(found, expected) < 3e-6
    assert 1e-4 < relative_error(found, exact) < 0.02


class Block(nn.Module):
    """A layer of a transformer: views, a residual, a norm, a softmax, and what is read twice."""

    def __init__(self, width=16):
        super().__init__()
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 40), nn.Linear(40, width)
        self.tokens = nn.Embedding(9, width)

    def forward(self, indices):
        x = self.tokens(indices)
        q, k, v = (part.unflatten(-1, (2, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm(x))))


def test_a_transformers_layer_is_close_to_pytorchs_in_bfloat16(tmp_path):
    module, indices = Block().eval(), torch.randint(0, 9, (2, 6))
    captured = captured_narrow(module, (indices,))
    found = Library(tmp_path, {"graph": captured}).run("graph")[0]
    exact = module(indices).detach()
    theirs = Block().eval()
    theirs.load_state_dict(module.state_dict())
    own, pytorchs = (
        relative_error(found, exact),
        relative_error(theirs.bfloat16()(indices).detach().float(), exact),
    )
    assert 1e-4 < own < 0.02 and own < 2 * pytorchs


def test_memory_and_factors_are_bfloat16_and_what_follows_a_product_is_not_rounded_before():
    captured = captured_narrow(Block().eval(), (torch.randint(0, 9, (2, 6)),))
    ir = captured.ir
    kinds = {op.op_type: {ir.tensors[name].dtype for name in op.inputs[:2]} for op in ir.ops}
    assert kinds[T.GEMM] == kinds[T.BMM] == {"bfloat16"} and kinds[T.EMBEDDING] == {"bfloat16", "int64"}
    makers = ir.producers()
    (gelu,) = (op for op in ir.ops if op.op_type is T.GELU)
    source = makers[gelu.inputs[0]]
    while source.op_type is T.VIEW:
        source = makers[source.inputs[0]]
    assert source.op_type is T.GEMM
    assert str(parse(str(ir))) == str(ir)


def test_numbers_before_a_product_multiply_its_result_instead():
    q, k = torch.randn(2, 5, 4), torch.randn(2, 6, 4)
    for inputs in (q, k), (q.bfloat16(), k.bfloat16()):
        ir = captured_narrow(lambda q, k: (q * 0.3) @ (k / 2).transpose(1, 2), inputs).ir
        (product,) = (op for op in ir.ops if op.op_type is T.BMM)
        assert [ir.tensors[name].dtype for name in product.inputs] == ["bfloat16"] * 2
        (scale,) = (op for op in ir.ops if op.op_type in (T.MUL, T.DIV))
        assert scale.inputs == product.outputs and scale.attrs["other"] == pytest.approx(0.15)


def test_a_product_of_what_is_widened_first_multiplies_bfloat16_and_stays_float32():
    q, k = torch.randn(2, 5, 4).bfloat16(), torch.randn(2, 6, 4).bfloat16()
    ir = captured_narrow(lambda q, k: (q.float() @ k.float().transpose(1, 2)).exp(), (q, k)).ir
    (product,) = (op for op in ir.ops if op.op_type is T.BMM)
    assert [ir.tensors[name].dtype for name in product.inputs] == ["bfloat16"] * 2
    assert not any(op.inputs == product.outputs for op in ir.ops if op.op_type is T.CAST)


def test_what_an_op_reads_twice_is_widened_or_moved_once(tmp_path):
    def squares(x):
        part, view = x[:, 0], (x * 0.5).view(2, 6, 8)
        return part * part, view @ view.mT, view.view(6, 4, 4) @ view.view(6, 4, 4)

    x = torch.randn(4, 3, 8)
    captured = captured_narrow(squares, (x,))
    for found, exact in zip(
        Library(tmp_path, {"graph": captured}).run("graph"), captured.references, strict=True
    ):
        assert relative_error(found, exact) < 0.01


def test_an_output_is_not_rounded_on_its_way():
    x, w = torch.randn(5, 4), torch.randn(4, 6)
    ir = captured_narrow(lambda x, w: (x @ w).T.unsqueeze(0), (x, w)).ir
    assert all(ir.tensors[op.inputs[0]].is_input for op in ir.ops if op.op_type is T.CAST)


def test_a_depthwise_convolution_is_no_slower_than_in_float32_and_has_the_bits_of_the_cpus(tmp_path):
    conv, inputs = nn.Conv2d(40, 40, 3, padding=1, groups=40), (torch.randn(1, 40, 14, 14),)
    (outputs, report), (on_cpu, _), (_, plain) = (
        run_graph(tmp_path / name, made.ir, made.inputs, made.references, machine)
        for name, made, machine in (
            ("narrow", captured_narrow(conv, inputs), "default"),
            ("cpu", captured_narrow(conv, inputs), "cpu"),
            ("plain", captured_function(conv, inputs), "default"),
        )
    )
    cycles, in_float32 = (next(op.cycles for op in each.ops if op.type == "CONV") for each in (report, plain))
    assert np.array_equal(outputs[0], on_cpu[0])
    assert cycles <= in_float32


@pytest.mark.parametrize("machine", ["cpu", "vector"])
@pytest.mark.parametrize(
    ("half", "shape"),
    [
        ("bfloat16", (8, 16, 8)),
        ("bfloat16", (1, 84, 10)),
        ("bfloat16", (5, 33, 7)),
        ("float16", (5, 33, 7)),
    ],
)
def test_what_a_product_takes_on_the_cpu_is_known(half, shape, machine, tmp_path):
    m, k, n = shape
    captured = captured_narrow(nn.Linear(k, n), (torch.randn(m, k),), half)
    _, report = run_graph(tmp_path, captured.ir, captured.inputs, captured.references, machine)
    (found,) = (op for op in report.ops if op.type == "GEMM")
    (product,) = (op for op in captured.ir.ops if op.op_type is T.GEMM)
    assert kernel_cycles(load_machine(machine), captured.ir, product) == pytest.approx(found.cycles, rel=0.35)


MODEL = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.c = nn.Linear(8 * 64, 10)

    def forward(self, x):
        h = torch.relu(self.a(x))
        return self.c(torch.max_pool2d(torch.relu(self.b(h) + h), 2).flatten(1))


def model():
    return Net(){to}


def inputs():
    return (torch.randn(1, 3, 16, 16){to},)
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return models_option(
        tmp_path_factory, net=MODEL.format(to=""), half=MODEL.format(to=".to(torch.bfloat16)")
    )


def simulated(tree, models, machine, *options):
    """The report, and the bytes of the outputs, of the model that is bfloat16 itself."""
    folder = "-".join([machine, *(option.partition("=")[2] for option in options)])
    tree.scons(models, f"MACHINE={machine}", *options, "sim-half", "verify-half")
    build = tree / ("build" if folder == "default" else f"build/{folder}")
    report = json.loads((build / "reports/half.json").read_text())
    return report, (build / "half/run/outputs.bin").read_bytes()


def test_a_model_of_bfloat16_has_the_same_bits_on_the_cpu_and_on_a_device(host_tree, models):
    (here, on_cpu), (there, on_device) = (simulated(host_tree, models, each) for each in ("cpu", "default"))
    assert on_cpu == on_device
    assert {op["placed_on"] for op in here["ops"]} == {"cpu"}
    assert {op["placed_on"] for op in there["ops"]} == {"compute"}
    for report in here, there:
        assert report["check"]["passed"] and 1e-5 < report["check"]["max_rel_error"] < 0.01
        assert report["narrowed"] is True and "quantised" not in report


def test_a_float32_model_in_bfloat16_reads_less_of_ram(host_tree, models):
    host_tree.scons(models, "sim-net")
    host_tree.scons(models, "PRECISION=bfloat16", "sim-net", "verify-net")
    plain, narrow = (
        json.loads((host_tree / f"build{each}/reports/net.json").read_text())
        for each in ("", "/default-bfloat16")
    )
    assert narrow["check"]["passed"] and 1e-5 < narrow["check"]["max_rel_error"] < 0.02
    there, here = (report["devices"]["compute"]["dma_bytes_read"] for report in (plain, narrow))
    assert here < 0.8 * there
    assert "narrowed" not in plain


def test_products_of_a_type_that_the_array_lacks_are_the_cpus(host_tree, models, tmp_path):
    text = (host_tree / "sim/machines/default.toml").read_text()
    (tmp_path / "plain.toml").write_text(text.replace("rows = 16", 'rows = 16\ntypes = "float32"'))
    host_tree.scons(models, f"MACHINE={tmp_path}/plain.toml", "PRECISION=bfloat16", "sim-net")
    report = json.loads((host_tree / "build/plain-bfloat16/reports/net.json").read_text())
    reasons = {op["placed_on"]: op.get("reason") for op in report["ops"] if op["type"] in ("CONV", "GEMM")}
    assert reasons == {"cpu": "the array multiplies float32, not bfloat16"} and report["check"]["passed"]
