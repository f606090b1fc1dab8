# SPDX-License-Identifier: Apache-2.0
"""Models that were quantised before they came here, by PT2E or torchao, are int8 products with their own scales."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from acalsim_backend.capture import worker
from acalsim_backend.capture.exported import ExportedFile
from acalsim_backend.capture.model import capture_model
from acalsim_backend.errors import CaptureError
from acalsim_backend.ir.graph import ACALSimOpType
from acalsim_backend.pipeline import run_graph
from acalsim_backend.schedule.forms import forms
from conftest import ROOT
from host_fixtures import captured_function, run_on_host
from pipeline_fixtures import models_option, report_of
from torch import nn
from torch.ao.quantization.fx import _decomposed  # noqa: F401 - whose ops are called below

T = ACALSimOpType
Q = torch.ops.quantized_decomposed
INT8 = T.CONV_INT8, T.GEMM_INT8
PRODUCTS = T.CONV, T.GEMM, T.MATMUL


class Net(nn.Module):
    """Convolutions with padding, strides and groups, a residual, bounds, pooling and a layer."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8)
        self.one, self.other = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3)
        self.each = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.last = nn.Linear(8 * 3 * 3, 10)

    def forward(self, x):
        x = torch.relu(self.norm(self.stem(x)))
        x = torch.relu(x + self.one(x))
        x = nn.functional.hardtanh(self.each(self.other(x)))
        return self.last(nn.functional.max_pool2d(x, 2).flatten(1))


def torchao():
    pytest.importorskip("torchao", reason="torchao is not installed; .ci/run says how it is")


def image(batch=1):
    return (torch.randn(batch, 3, 16, 16),)


def x86(is_dynamic=False):
    torchao()
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    return x86.X86InductorQuantizer().set_global(
        x86.get_default_x86_inductor_quantization_config(is_dynamic=is_dynamic)
    )


def xnnpack(is_dynamic=False):
    torchao()
    from torchao.testing.pt2e import _xnnpack_quantizer as xnnpack

    options = xnnpack.get_symmetric_quantization_config(is_per_channel=True, is_dynamic=is_dynamic)
    return xnnpack.XNNPACKQuantizer().set_global(options)


def x86_dynamic():
    return x86(is_dynamic=True)


def xnnpack_dynamic():
    return xnnpack(is_dynamic=True)


def converted(quantizer, module=None, inputs=None):
    """A module as PT2E quantises it, calibrated on its inputs."""
    torchao()
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    torch.manual_seed(0)
    module, inputs = module or Net(), inputs or image()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        prepared = prepare_pt2e(torch.export.export(module.eval(), inputs).module(), quantizer())
        for _ in range(3):
            prepared(*inputs)
        return convert_pt2e(prepared), inputs


def on_host(captured, folder):
    """The outputs of the form with all in int8 that is."""
    return run_on_host(replace(captured, ir=next(forms(captured.ir))), folder)


def kinds(captured):
    return [op.op_type for op in captured.ir.ops]


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("quantizer", [x86, xnnpack])
def test_a_model_of_pt2e_computes_the_same_in_int8_products(quantizer, batch, tmp_path):
    module, inputs = converted(quantizer, inputs=image(batch))
    captured = captured_function(module, inputs)
    assert [kind for kind in kinds(captured) if kind in INT8] == [T.CONV_INT8] * 4 + [T.GEMM_INT8]
    assert not set(kinds(captured)) & set(PRODUCTS)
    weights = [captured.ir.tensors[op.inputs[1]] for op in captured.ir.ops if op.op_type in INT8]
    assert {desc.dtype for desc in weights} == {"int8"} and all(desc.is_param for desc in weights)
    (found,) = on_host(captured, tmp_path)
    assert np.abs(found - captured.references[0]).max() <= 1e-5 * np.abs(captured.references[0]).max()


def test_a_result_is_at_most_one_step_of_its_last_scale_away(tmp_path):
    for seed in range(8):
        torch.manual_seed(seed)
        module, _ = converted(xnnpack)
        captured = captured_function(module, (torch.randn(1, 3, 16, 16),))
        (found,) = on_host(captured, tmp_path / str(seed))
        steps = np.unique(np.diff(np.unique(captured.references[0])).round(7))
        assert np.abs(found - captured.references[0]).max() <= steps[0] + 1e-6


def test_on_the_accelerator_its_products_take_fewer_cycles_and_bytes_than_in_float32(tmp_path):
    layers, inputs = (
        nn.Sequential(nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 256)),
        (torch.randn(32, 256),),
    )
    ran = {}
    for name, each in (("int8", converted(xnnpack, layers, inputs)[0]), ("float32", layers)):
        captured = captured_function(each, inputs)
        _, ran[name] = run_graph(tmp_path / name, captured.ir, captured.inputs, captured.references)
        assert ran[name].check.passed
    assert [op.placed_on for op in ran["int8"].ops if op.type == "GEMM_INT8"] == ["compute"] * 2
    assert ran["int8"].total_cycles < ran["float32"].total_cycles
    read = {name: report.devices["compute"]["dma_bytes_read"] for name, report in ran.items()}
    assert read["int8"] < 0.4 * read["float32"]


def test_an_array_without_int8_computes_the_same(tmp_path):
    module, inputs = converted(x86)
    (tmp_path / "floats.toml").write_text(
        (ROOT / "sim/machines/default.toml").read_text() + '\ntypes = "float32"\n'
    )
    captured = captured_function(module, inputs)
    _, report = run_graph(
        tmp_path / "run", captured.ir, captured.inputs, captured.references, str(tmp_path / "floats.toml")
    )
    assert report.check.max_rel_error < 1e-5


def pairs(function, scale=0.05, zero=3, dtype=torch.int8):
    """A function whose operand and result are each rounded by a pair."""
    limits = torch.iinfo(dtype).min, torch.iinfo(dtype).max

    def rounded(x):
        q = Q.quantize_per_tensor.default(x, scale, zero, *limits, dtype)
        return Q.dequantize_per_tensor.default(q, scale, zero, *limits, dtype)

    return lambda *x: rounded(function(*map(rounded, x)))


@pytest.mark.parametrize(
    "dtype, zero", [(torch.int8, 3), (torch.int8, 0), (torch.uint8, 120), (torch.int16, 7)]
)
@pytest.mark.parametrize("function", [torch.tanh, lambda x: x.flip(0), lambda x: torch.softmax(x, -1)])
def test_what_lies_between_pairs_and_is_no_product_is_rounded_as_pytorch_rounds(
    function, dtype, zero, tmp_path
):
    torch.manual_seed(1)
    captured = captured_function(pairs(function, zero=zero, dtype=dtype), (torch.randn(5, 7) * 3,))
    (found,) = on_host(captured, tmp_path)
    assert np.abs(found - captured.references[0]).max() < 1e-6


@pytest.mark.parametrize("kind", ["x86", "xnnpack"])
def test_scales_that_are_chosen_when_the_model_runs_are_no_obstacle(kind, tmp_path):
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 16, bias=False))
    module, _ = converted(x86_dynamic if kind == "x86" else xnnpack_dynamic, layers, (torch.randn(4, 32),))
    captured = captured_function(module, (torch.randn(4, 32) * 3 + 1,))
    assert kinds(captured).count(T.GEMM_INT8) == 2 and not set(kinds(captured)) & set(PRODUCTS)
    (found,) = on_host(captured, tmp_path)
    assert np.abs(found - captured.references[0]).max() <= 1e-5 * np.abs(captured.references[0]).max()


def test_chosen_scales_that_others_read_are_pytorchs(tmp_path):
    def chosen(x):
        scale, zero = Q.choose_qparams.tensor(x, -128, 127, 1e-4, torch.int8)
        same, _ = Q.choose_qparams_symmetric.tensor(x, -127, 127, 1e-4, torch.int8)
        return scale, zero, same

    captured = captured_function(chosen, (torch.randn(6, 9) - 0.5,))
    for one, other in zip(run_on_host(captured, tmp_path), captured.references, strict=True):
        assert one.dtype == other.dtype and np.allclose(one, other, rtol=1e-6)


def test_a_model_that_rounds_here_and_there_is_quantised_where_it_does_not(tmp_path):
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.other = nn.Linear(8, 16), nn.Linear(16, 4)
            self.rounded = pairs(torch.tanh)

        def forward(self, x):
            y = self.one(x)
            return self.other((y + self.rounded(y)).reshape(5, 16))

    torch.manual_seed(0)
    captured = captured_function(Mixed(), (torch.randn(5, 8),), keep_all=True)
    assert captured.given_int8 is None and kinds(captured).count(T.GEMM) == 2
    worker.quantised(captured)
    assert kinds(captured).count(T.GEMM_INT8) == 2
    (found,) = on_host(captured, tmp_path)
    largest = np.abs(captured.references[0]).max()
    assert 1e-4 < np.abs(found - captured.references[0]).max() / largest < 0.1


def test_what_is_on_its_steps_already_is_not_rounded_again():
    module, inputs = converted(xnnpack)
    captured = captured_function(module, inputs)
    flat = next(op for op in captured.ir.ops if op.op_type is T.VIEW)
    assert captured.ir.tensors[flat.outputs[0]].dtype == "int8"
    assert kinds(captured).count(T.MAX_POOL) == 1 and len(captured.ir.ops) < len(captured.ir.unquantised.ops)


def test_rounded_values_that_leave_the_graph_are_pytorchs(tmp_path):
    def both(x):
        q = Q.quantize_per_tensor.default(x, 0.1, 100, 0, 255, torch.uint8)
        p = Q.quantize_per_tensor.default(x, 0.1, -5, -100, 100, torch.int8)
        return q, p, Q.dequantize_per_tensor.default(q, 0.1, 100, 0, 255, torch.uint8)

    captured = captured_function(both, (torch.randn(6, 9) * 20,))
    found = on_host(captured, tmp_path)
    for one, other in zip(found, captured.references, strict=True):
        assert one.dtype == other.dtype and np.array_equal(one, other)


def test_integer_products_of_what_is_no_constant_are_refused_in_a_line():
    with pytest.raises(CaptureError, match=r"op aten\._int_mm\.default on \(32, 32\).* is not supported"):
        captured_function(lambda x: torch._int_mm(x, x), (torch.ones(32, 32, dtype=torch.int8),))


def test_a_scale_that_is_computed_when_the_model_runs_is_refused_in_a_line():
    def dynamic(x):
        scale = x.abs().max() / 127
        return Q.quantize_per_tensor.tensor(x, scale, torch.tensor(0), -128, 127, torch.int8)

    with pytest.raises(CaptureError, match="is supported with one scale and one zero point, both constant"):
        captured_function(dynamic, (torch.randn(4, 4),))


# --- torchao ----------------------------------------------------------------------------------------


def of_torchao(config):
    torchao()
    from torchao.quantization import quantize_

    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 32)).eval()
    quantize_(module, config)
    return module


def test_layers_of_torchao_that_round_as_they_run_are_int8_products(tmp_path):
    torchao()
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig as Config

    captured = captured_function(of_torchao(Config()), (torch.randn(4, 64),))
    assert kinds(captured).count(T.GEMM_INT8) == 2 and len(captured.ir.arguments) == 1
    weights = {op.inputs[1] for op in captured.ir.ops if op.op_type is T.GEMM_INT8}
    assert {captured.ir.tensors[name].dtype for name in weights} == {"int8"}
    (found,) = on_host(captured, tmp_path)
    assert np.abs(found - captured.references[0]).max() < 1e-5


@pytest.mark.parametrize("bits", [4, 8])
def test_weights_of_torchao_are_constants(bits, tmp_path):
    torchao()
    from torchao.quantization import Int8WeightOnlyConfig, IntxWeightOnlyConfig, PerGroup

    config = (
        Int8WeightOnlyConfig()
        if bits == 8
        else IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=PerGroup(32))
    )
    captured = captured_function(of_torchao(config), (torch.randn(4, 64),))
    assert len(captured.ir.arguments) == 1
    (found,) = on_host(captured, tmp_path)
    assert np.abs(found - captured.references[0]).max() < 1e-5


# --- files ------------------------------------------------------------------------------------------


def test_a_saved_program_that_was_quantised_is_a_model_file(tmp_path):
    module, inputs = converted(xnnpack)
    torch.export.save(torch.export.export(module, inputs), tmp_path / "net.pt2")
    file = ExportedFile(tmp_path / "net.pt2")
    file.load()
    captured = capture_model(file)
    assert captured.given_int8 is not None and len(captured.given_int8.ops) == 5


FILE = """\
import torch
from torch import nn
from torch.ao.quantization.fx import _decomposed

Q = torch.ops.quantized_decomposed


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("w", torch.randint(-128, 128, (4, 8), dtype=torch.int8))
        self.register_buffer("s", torch.rand(4) * 0.01 + 0.001)
        self.register_buffer("z", torch.zeros(4, dtype=torch.int64))

    def forward(self, x):
        x = Q.quantize_per_tensor.default(x, 0.02, 5, -128, 127, torch.int8)
        x = Q.dequantize_per_tensor.default(x, 0.02, 5, -128, 127, torch.int8)
        w = Q.dequantize_per_channel.default(self.w, self.s, self.z, 0, -128, 127, torch.int8)
        return nn.functional.linear(x, w)


def model():
    return Layer()


def inputs():
    return (torch.randn(64, 8),)
"""


def test_its_report_has_a_row_for_each_int8_product(tree, tmp_path_factory):
    folder = models_option(tmp_path_factory, layer=FILE)
    tree.scons(folder, "verify-layer", "sim-layer")
    report = report_of(tree, "layer")
    (row,) = report["quantised"]
    assert row["input_scale"] == 0.02 and report["check"]["max_rel_error"] < 1e-6
    assert [op["type"] for op in report["ops"] if op["macs"]] == ["GEMM_INT8"]
