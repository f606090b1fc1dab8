# SPDX-License-Identifier: Apache-2.0
"""Capture: PyTorch in, graph out; the contract of a model file, and the user's lines."""

import numpy as np
import pytest
import torch
from capture_fixtures import BODY_LINE, ROOT, TEMPLATE, X, captured, ops

pytestmark = pytest.mark.quick

# --- the contract ---------------------------------------------------------------------------------


def test_the_tutorials_model_becomes_the_tutorials_graph():
    text = str(captured(ROOT / "models/matmul.py").ir)
    assert "  0: t_2 = MATMUL(input_0, param_1)\n  1: t_4 = ADD(t_2, param_3)\n" in text
    assert text.endswith(
        "  0: matmul_0 models/matmul.py:17 [aten.mm.default]\n"
        "  1: add_1 models/matmul.py:18 [aten.add.Tensor]\n"
    )


def test_model_and_then_inputs_are_built_under_seed_0(capturing):
    result = capturing("return x @ self.w")
    torch.manual_seed(0)
    weight, x = torch.randn(4, 4), torch.randn(4, 4)
    np.testing.assert_array_equal(result.ir.constants["param_1"], weight)
    np.testing.assert_array_equal(result.inputs[0], x)
    np.testing.assert_array_equal(result.references[0], x @ weight)


def test_the_module_runs_in_eval_mode(capturing):
    result = capturing("assert not self.training; return nn.functional.dropout(x, 0.9, self.training) + 1")
    assert ops(result) == ['t_1 = ADD(input_0) {"other": 1}']
    np.testing.assert_array_equal(result.references[0], result.inputs[0] + 1)


@pytest.mark.parametrize(
    "body, head, expected",
    [
        ("return x + 1", "", [1]),
        ("return x + 1, x + 2", "", [1, 2]),
        ("return [x + 1, (x + 2, [x + 3])]", "", [1, 2, 3]),
        ("return {'b': x + 1, 'a': (x + 2, None, 7), 'c': x.shape}", "", [1, 2]),
        (
            "return Pair(x + 2, {'k': x + 1})",
            "from collections import namedtuple\nPair = namedtuple('Pair', 'z a')",
            [2, 1],
        ),
        (
            "return Out(x + 2, [x + 1, x + 3])",
            "from dataclasses import dataclass\n@dataclass\nclass Out:\n    z: object\n    a: object = None",
            [2, 1, 3],
        ),
        (
            "return Out(z=x + 2, a=(x + 1, x + 3))",
            "from collections import OrderedDict\nclass Out(OrderedDict): pass",
            [2, 1, 3],
        ),
        ("y = x + 1; return y, x + 2, y", "", [1, 2, 1]),
        ("return x, x + 1, x", "", [0, 1, 0]),
        ("y = x + 1; return y.clone(), y.detach(), y", "", [1, 1, 1]),
    ],
)
def test_whatever_is_returned_is_flattened_in_order(capturing, body, head, expected):
    result = capturing(body, head=head)
    assert len(result.references) == len(result.ir.outputs) == len(expected)
    for reference, number in zip(result.references, expected, strict=True):
        np.testing.assert_array_equal(reference, result.inputs[0] + number)
    written = {op.outputs[0]: op for op in result.ir.ops}
    kinds = [written[name].attrs.get("other", 0) for name in result.ir.outputs]
    assert kinds == expected


def test_a_hugging_face_model_output_is_flattened(capturing):
    result = capturing(
        "return BaseModelOutput(last_hidden_state=x + 1, hidden_states=(x + 2,))",
        head="from transformers.modeling_outputs import BaseModelOutput",
    )
    assert len(result.references) == 2


def test_outputs_that_are_inputs_or_parameters_are_copies(capturing):
    result = capturing("return x, self.w, x + 1, torch.ones(3), x.view(16)")
    assert [desc.is_output for desc in result.ir.tensors.values() if desc.is_input or desc.is_param] == [
        False
    ] * 3
    assert [op.op_type.name for op in result.ir.ops] == ["ADD", "VIEW", "COPY", "COPY", "COPY"]
    assert [list(array.shape) for array in result.references] == [[4, 4], [4, 4], [4, 4], [3], [16]]


def test_outputs_that_are_views_of_outputs_are_kept_apart(capturing):
    result = capturing("y = x + 1; return y, y.view(16), y.t(), y[None]")
    assert [result.ir.tensors[name].shape for name in result.ir.outputs] == [(4, 4), (16,), (4, 4), (1, 4, 4)]
    np.testing.assert_array_equal(result.references[2], result.references[0].T)


def test_empty_outputs_are_not_mixed_up(capturing):
    result = capturing("return x + 2, x[:, :3] + 1", inputs="(torch.randn(0, 4),)")
    assert [result.ir.tensors[name].shape for name in result.ir.outputs] == [(0, 4), (0, 3)]


def test_a_model_without_inputs_is_constant(capturing):
    result = capturing("return self.w * 2", arguments="", inputs="()")
    assert ops(result) == ["t_1 = COPY(param_0)"] and result.inputs == []
    np.testing.assert_array_equal(result.ir.constants["param_0"], result.references[0])


def test_an_input_that_is_not_used_is_left_out(capturing):
    result = capturing("return y + 1", arguments="x, y", inputs="(torch.randn(4, 4), torch.randn(3))")
    assert [array.shape for array in result.inputs] == [(3,)]


def test_inputs_go_with_their_tensors_whatever_their_order_in_the_graph(capturing):
    result = capturing("return y - x", arguments="x, y", inputs="(torch.zeros(4, 4), torch.ones(4))")
    shapes = [result.ir.tensors[name].shape for name in result.ir.inputs]
    assert shapes == [array.shape for array in result.inputs]
    assert [float(array.ravel()[0]) for array in result.inputs] == [float(shape == (4,)) for shape in shapes]


@pytest.mark.parametrize(
    "inputs", ["(lambda t: (t, t))(torch.randn(4, 4))", "(lambda t: (t, t[0]))(torch.randn(4, 4))"]
)
def test_inputs_may_share_memory(capturing, inputs):
    result = capturing("return y * 2 - x", arguments="x, y", inputs=inputs)
    assert len(result.inputs) == len(result.ir.inputs) and result.references[0].shape == (4, 4)


def test_a_strided_input_is_written_densely(capturing):
    result = capturing("return x * 1.5", inputs="(torch.arange(6.0).view(2, 3).t(),)")
    assert result.ir.tensors["input_0"].shape == (3, 2)
    np.testing.assert_array_equal(np.frombuffer(result.inputs[0].tobytes(), "f4"), [0, 3, 1, 4, 2, 5])


def test_every_known_dtype_passes(capturing):
    result = capturing(
        "return a.t(), b + 1, c + 1, d.t(), e.t()",
        arguments="a, b, c, d, e",
        inputs=(
            "(torch.ones(2, 3), torch.ones(2, dtype=torch.int64), torch.ones(2, dtype=torch.int32),"
            " torch.ones(2, 3, dtype=torch.int8), torch.ones(2, 3, dtype=torch.bool))"
        ),
    )
    assert [str(array.dtype) for array in result.references] == ["float32", "int64", "int32", "int8", "bool"]


def test_a_weight_used_twice_is_one_parameter(capturing):
    text = TEMPLATE.replace("(4, 4))\n", "(4, 4)); self.v = self.w\n", 1)
    text = text.format(body="return (x @ self.w + self.w) @ self.v", arguments="x", inputs=X, head="")
    assert len(capturing(text=text).ir.params) == 1


def test_a_border_of_no_width_is_no_op(capturing):
    result = capturing("return nn.functional.pad(torch.relu(x), (0, 0, 0, 0))")
    assert [op.op_type.name for op in result.ir.ops] == ["RELU"]


def test_expressions_of_constants_are_computed_now(capturing):
    result = capturing("a, b = self.w.t().split(2); return x + torch.arange(4) * 2.0 + (a - b).exp().sum()")
    assert [op.op_type.name for op in result.ir.ops] == ["ADD", "ADD"]


@pytest.mark.parametrize(
    "body, expected",
    [
        ("self.n.add_(1); return x + self.n", 1),
        ("y = x + self.n; self.n.add_(1); return y", 0),
        ("self.n += 1; return self.n * 1.5 + x", 1.5),
    ],
)
def test_a_model_that_writes_to_its_buffers_is_run_from_their_first_state(capturing, body, expected):
    result = capturing(body)
    arrays = {
        result.ir.tensors[name].shape: array
        for name, array in zip(result.ir.inputs, result.inputs, strict=True)
    }
    np.testing.assert_array_equal(arrays[4,], np.zeros(4))
    np.testing.assert_array_equal(result.references, [arrays[4, 4] + np.float32(expected)])
    assert len(result.ir.outputs) == 1


def test_a_model_that_writes_to_its_input_is_given_the_input_as_it_was(capturing):
    result = capturing("x.add_(1); return x * 2", inputs="(torch.ones(2),)")
    np.testing.assert_array_equal(result.inputs[0], [1, 1])
    np.testing.assert_array_equal(result.references[0], [4, 4])


# --- the user's lines -----------------------------------------------------------------------------


def test_an_op_names_the_line_that_made_it(capturing):
    result = capturing("y = x + 1\n        return torch.relu(y)")
    assert [op.source for op in result.ir.ops] == [
        f"models/it.py:{BODY_LINE}",
        f"models/it.py:{BODY_LINE + 1}",
    ]


def test_an_op_without_a_line_names_file_and_module(capturing):
    text = (
        "from torch import nn\nimport torch\ndef model():\n"
        "    return nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.ReLU()))\n"
        "def inputs(): return (torch.ones(2, 4),)\n"
    )
    assert [op.source for op in capturing(text=text).ir.ops] == [
        "models/it.py (module 0)",
        "models/it.py (module 1.0)",
    ]


def test_a_helpers_line_is_the_helpers(capturing, models):
    (models / "_lines_helper.py").write_text("import torch\n\n\ndef twice(x):\n    return x * 2\n")
    result = capturing("return twice(x)", head="from _lines_helper import twice")
    assert result.ir.ops[0].source == "models/_lines_helper.py:5"
