# SPDX-License-Identifier: Apache-2.0
"""PRECISION=int8: what is quantised and how, held to PyTorch's own."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from acalsim_backend.capture.capture_file import Quantised
from acalsim_backend.capture.quantise import quantise
from acalsim_backend.codegen.generator import timer_for
from acalsim_backend.ir.graph import ACALSimOpType
from acalsim_backend.machine.file import load_machine
from acalsim_backend.schedule.foretold import foretold
from acalsim_backend.schedule.forms import forms
from acalsim_backend.schedule.passes import make_plan
from conftest import compiled_examples
from host_fixtures import Library, captured_function
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

T = ACALSimOpType


def captured_int8(module, *inputs):
    """The captured graph after quantisation, with all in int8 that is, and what quantise() says of it."""
    captured, said = captured_both(module, *inputs)
    return replace(captured, ir=next(forms(captured.ir))), said


def captured_both(module, *inputs):
    """The same where products may also be float32."""
    captured = captured_function(module, inputs, keep_all=True)
    values = {**dict(zip(captured.ir.inputs, captured.inputs, strict=True)), **captured.intermediates}
    return captured, quantise(captured.ir, values)


def computed(module, *inputs, folder):
    captured, said = captured_int8(module, *inputs)
    return Library(folder, {"graph": captured}).run("graph")[0], captured, said


def scale_of(x):
    return float(x.abs().max()) / 127


def rounded(x):
    """Symmetric, one scale a tensor."""
    return torch.fake_quantize_per_tensor_affine(x, scale_of(x), 0, -127, 127)


def rounded_weight(weight, axis):
    scales = weight.detach().abs().amax([dim for dim in range(weight.dim()) if dim != axis]) / 127
    return torch.fake_quantize_per_channel_affine(
        weight.detach(), scales, torch.zeros_like(scales, dtype=torch.int32), axis, -127, 127
    )


def relative_error(found, expected):
    return float(np.abs(np.asarray(found) - np.asarray(expected)).max() / np.abs(np.asarray(expected)).max())


torch.manual_seed(0)
PRODUCTS = {
    "conv": (nn.Conv2d(5, 7, 3, padding=1), (2, 5, 9, 11), 0),
    "strided conv": (nn.Conv2d(4, 6, (3, 2), stride=(2, 1), dilation=(1, 2), bias=False), (1, 4, 9, 11), 0),
    "depthwise conv": (nn.Conv2d(6, 6, 3, padding=1, groups=6), (1, 6, 8, 8), 0),
    "conv of 1x1": (nn.Conv2d(9, 17, 1), (1, 9, 6, 6), 0),
    "conv 1-d": (nn.Conv1d(3, 8, 5, padding=2), (2, 3, 20), 0),
    "linear": (nn.Linear(37, 11), (5, 37), 0),
    "linear without bias": (nn.Linear(8, 3, bias=False), (1, 8), 0),
}


@pytest.mark.quick
@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_is_pytorchs_of_rounded_operands(name, tmp_path):
    torch.manual_seed(0)
    module, shape, axis = PRODUCTS[name]
    x = torch.randn(shape)
    found, captured, said = computed(module, x, folder=tmp_path)
    exact = module(x).detach()
    float_weight = module.weight.data
    module.weight.data = rounded_weight(float_weight, axis)
    try:
        expected = module(rounded(x)).detach()
    finally:
        module.weight.data = float_weight
    assert relative_error(found, expected) < 1e-6
    assert 1e-4 < relative_error(found, exact) < 0.05
    assert {op.op_type for op in captured.ir.ops} & {T.CONV_INT8, T.GEMM_INT8}
    assert said.ops[0].input_scale == pytest.approx(scale_of(x))
    assert said.ops[0].max_rel_error == pytest.approx(relative_error(expected, exact), rel=0.5)


@st.composite
def products(draw):
    """(module, input's shape, axis of the output channels), of any size that a tile could get wrong."""
    torch.manual_seed(0)
    few = st.integers(1, 9)
    if draw(st.booleans()):
        rows, depth, columns = (draw(st.integers(1, 40)) for _ in range(3))
        return nn.Linear(depth, columns, bias=draw(st.booleans())), (rows, depth), 0
    groups = draw(st.integers(1, 3))
    inputs, outputs, kernel, pad = (
        groups * draw(few),
        groups * draw(few),
        (draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        draw(st.integers(0, 2)),
    )
    stride, dilation = (draw(st.tuples(st.integers(1, 3), st.integers(1, 2))) for _ in range(2))
    size = [dilation[dim] * (kernel[dim] - 1) + 1 + draw(few) for dim in range(2)]
    module = nn.Conv2d(inputs, outputs, kernel, stride, pad, dilation, groups, bias=draw(st.booleans()))
    return module, (draw(st.integers(1, 2)), inputs, *size), 0


def test_products_of_any_shape_are_pytorchs_of_rounded_operands(tmp_path_factory):
    @settings(compiled_examples, max_examples=3)
    @given(st.lists(products(), min_size=12, max_size=12))
    def check(drawn):
        torch.manual_seed(0)
        inputs = [torch.randn(shape) for _, shape, _ in drawn]
        graphs = {
            f"case_{index}": captured_int8(module, x)[0]
            for index, ((module, _, _), x) in enumerate(zip(drawn, inputs, strict=True))
        }
        library = Library(tmp_path_factory.mktemp("drawn"), graphs)
        for index, ((module, shape, axis), x) in enumerate(zip(drawn, inputs, strict=True)):
            module.weight.data = rounded_weight(module.weight, axis)
            assert relative_error(library.run(f"case_{index}")[0], module(rounded(x)).detach()) < 2e-6, (
                module,
                shape,
            )

    check()


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.c = nn.Linear(8, 5)

    def forward(self, x):
        h = F.relu(self.a(x))
        y = F.max_pool2d(F.relu(self.b(h) + h), 2)
        return self.c(y.mean((2, 3)))


def test_a_chain_of_layers_is_rounded_where_a_product_reads_it(tmp_path):
    torch.manual_seed(1)
    module, x = Residual().eval(), torch.randn(1, 3, 12, 12)
    found, captured, _ = computed(module, x, folder=tmp_path)
    exact = {}
    exact["h"] = F.relu(module.a(x))
    exact["m"] = F.max_pool2d(F.relu(module.b(exact["h"]) + exact["h"]), 2).mean((2, 3))
    exact = {name: value.detach() for name, value in exact.items()}

    def quantum(value, like):
        return torch.fake_quantize_per_tensor_affine(value, scale_of(like), 0, -128, 127)

    h = quantum(
        F.relu(F.conv2d(rounded(x), rounded_weight(module.a.weight, 0), module.a.bias, padding=1)), exact["h"]
    )
    y = F.relu(F.conv2d(h, rounded_weight(module.b.weight, 0), module.b.bias, padding=1) + h)
    m = quantum(F.max_pool2d(y, 2).mean((2, 3)), exact["m"])
    expected = F.linear(m, rounded_weight(module.c.weight, 0), module.c.bias).detach()
    assert relative_error(found, expected) < 0.01
    assert [op.op_type for op in captured.ir.ops].count(T.QUANTIZE) == 3


def test_what_only_an_addition_and_a_product_read_is_held_as_int8_alone():
    """No float32 form of the first layer's result takes memory."""
    captured, _ = captured_int8(Residual().eval(), torch.randn(1, 3, 12, 12))
    (relu,) = [
        op for op in captured.ir.ops if op.op_type is T.RELU and op.outputs[0] + "_i8" in captured.ir.tensors
    ]
    readers = [op.op_type for op in captured.ir.ops if relu.outputs[0] in op.inputs]
    assert readers == [T.QUANTIZE]
    (addition,) = [op for op in captured.ir.ops if op.op_type is T.ADD]
    assert T.DEQUANTIZE in {op.op_type for op in captured.ir.ops if op.outputs[0] in addition.inputs}


class Joined(nn.Module):
    """Two branches whose results, in another order, are put together for a layer."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(8, 6), nn.Linear(8, 4), nn.Linear(10, 3)

    def forward(self, x):
        parts = [F.gelu(self.a(x)).transpose(0, 1), torch.tanh(self.b(x)).transpose(0, 1)]
        return self.c(torch.cat(parts).transpose(0, 1))


def test_what_is_moved_and_put_together_is_rounded_before_and_moved_as_int8(tmp_path):
    torch.manual_seed(2)
    module, x = Joined(), torch.randn(5, 8)
    found, captured, _ = computed(module, x, folder=tmp_path)
    assert 1e-4 < relative_error(found, module(x).detach()) < 0.05
    tensors = captured.ir.tensors
    moved = [op for op in captured.ir.ops if op.op_type in (T.PERMUTE, T.CAT)]
    assert {tensors[op.outputs[0]].dtype for op in moved} == {"int8"}
    rounding = [op for op in captured.ir.ops if op.op_type is T.QUANTIZE]
    makers = captured.ir.producers()
    kinds = [makers[op.inputs[0]].op_type for op in rounding if op.inputs[0] in makers]
    assert sorted(kind.name for kind in kinds) == ["GELU", "TANH"]


class Twice(nn.Module):
    """What a layer reads is put together of the same tensor more than once."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 4)

    def forward(self, x):
        y = torch.tanh(x)
        return self.layer(torch.cat([y, x, y.flip(0), y]))


def test_what_is_put_together_of_one_tensor_twice_is_rounded_once(tmp_path):
    torch.manual_seed(2)
    module, x = Twice(), torch.randn(5, 8)
    found, captured, _ = computed(module, x, folder=tmp_path)
    assert relative_error(found, module(x).detach()) < 0.05
    assert len([op for op in captured.ir.ops if op.op_type is T.QUANTIZE]) <= 3


class AddedThenSeen(nn.Module):
    """An addition reads a tensor before the view is made of it that a layer reads."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(24, 5)

    def forward(self, x):
        y = torch.tanh(x)
        return y + x, self.layer(y.view(1, 24))


def test_an_addition_reads_no_int8_form_that_is_made_later(tmp_path):
    torch.manual_seed(0)
    module, x = AddedThenSeen(), torch.randn(4, 6)
    captured, _ = captured_int8(module, x)
    for found, exact in zip(Library(tmp_path, {"graph": captured}).run("graph"), module(x), strict=True):
        assert relative_error(found, exact.detach()) < 0.03


def test_products_of_two_activations_stay_float32():
    class Attention(nn.Module):
        def forward(self, q, k):
            return q @ k.transpose(1, 2)

    captured, said = captured_int8(Attention(), torch.randn(2, 4, 8), torch.randn(2, 4, 8))
    assert said == Quantised((), ())
    assert all(desc.dtype == "float32" for desc in captured.ir.tensors.values())


def test_a_layer_of_zeros_is_quantised_to_zeros(tmp_path):
    module = nn.Linear(4, 3)
    module.weight.data.zero_()
    found, _, _ = computed(module, torch.zeros(2, 4), folder=tmp_path)
    assert np.array_equal(found, module(torch.zeros(2, 4)).detach().numpy())


class Steps(nn.Module):
    """One layer at each of several steps, as a recurrent network has it."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(16, 16)

    def forward(self, x):
        for _ in range(5):
            x = torch.tanh(self.layer(x))
        return x


def test_the_steps_of_a_loop_share_the_int8_form_of_their_weight(tmp_path):
    torch.manual_seed(0)
    captured, said = captured_int8(Steps().eval(), torch.randn(3, 16))
    products = [op for op in captured.ir.ops if op.op_type is T.GEMM_INT8]
    assert len(said.ops) == len(products) == 5 and len({op.inputs[1] for op in products}) == 1
    (found,) = Library(tmp_path, {"graph": captured}).run("graph")[:1]
    assert relative_error(found, captured.references[0]) < 0.03


def steps():
    lstm, last = nn.LSTM(16, 32, batch_first=True), nn.Linear(32, 10)

    class Steps(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.last = lstm, last

        def forward(self, x):
            return self.last(self.lstm(x)[0][:, -1])

    return Steps()


NOT_SLOWER = {
    "a small product": (lambda: nn.Linear(16, 8), (8, 16)),
    "a perceptron": (lambda: nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)), (1, 64)),
    "an image": (lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3)), (1, 3, 16, 16)),
    "steps": (steps, (1, 4, 16)),
}


@pytest.mark.parametrize("machine", ["default", "edge", "large", "quad"])
@pytest.mark.parametrize("name", NOT_SLOWER)
def test_int8_is_not_slower_than_float32(name, machine):
    make, shape = NOT_SLOWER[name]
    torch.manual_seed(0)
    module, x = make().eval(), torch.randn(shape)
    machine = load_machine(machine)
    plain, quantised = captured_function(module, (x,)).ir, captured_both(module, x)[0].ir
    plans = (make_plan(ir, machine, timer=timer_for(machine)) for ir in (plain, quantised))
    float32, int8 = map(foretold, plans)
    assert int8 <= 1.01 * float32  # where parameters lie decides which rows of DRAM are open


def test_a_product_in_float32_reads_what_was_rounded_and_its_own_weight_alone():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(16, 8), nn.GELU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))
    captured = captured_both(module, torch.randn(3, 16))[0]
    whole, given, most, unquantised = forms(captured.ir)
    kinds = [[op.op_type.name for op in ir.ops if "GEMM" in op.op_type.name] for ir in (whole, given, most)]
    int8, float32 = "GEMM_INT8", "GEMM"
    assert kinds == [[int8, int8, int8], [float32, int8, int8], [float32, float32, int8]]
    for ir in (whole, given, most):
        assert set(ir.params) == {name for op in ir.ops for name in op.inputs} & set(ir.params)
        assert len([name for name in ir.params if len(ir.tensors[name].shape) == 2]) == 3


def test_weights_take_a_quarter_of_the_memory():
    module, x = nn.Linear(512, 256), torch.randn(1, 512)
    from acalsim_backend.machine.file import load_machine

    sizes = [
        make_plan(captured.ir, load_machine("cpu")).blocks[".weights"]
        for captured in (captured_function(module, (x,)), captured_int8(module, x)[0])
    ]
    assert sizes[0] == 4 * (512 * 256 + 256) and sizes[1] == 512 * 256 + 2 * 4 * 256
