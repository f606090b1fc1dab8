# SPDX-License-Identifier: Apache-2.0
"""Model files at the first door: what they may say, what becomes of it, and how bad ones are told."""

import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from acalsim_backend import capture
from acalsim_backend.capture.model_file import ModelFile
from acalsim_backend.errors import AcalsimError
from acalsim_backend.ir.text import parse
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
    return capture.capture_model(file)


@pytest.fixture
def capturing(write):
    return lambda *arguments, **options: captured(write(*arguments, **options))


def ops(result):
    return [str(op) for op in result.ir.ops]


# --- the contract -------------------------------------------------------------------------------


def test_the_tutorials_model_becomes_the_tutorials_graph():
    text = str(captured(ROOT / "models/matmul.py").ir)
    assert "  0: t_2 = MATMUL(input_0, param_1)\n  1: t_4 = ADD(t_2, param_3)\n" in text
    assert text.endswith(
        "  0: matmul_0 models/matmul.py:17 [aten.mm.default]\n  1: add_1 models/matmul.py:18 [aten.add.Tensor]\n"
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
    result = capturing("return x + 2, x + 1", inputs="(torch.randn(0, 4),)")
    assert [op.attrs["other"] for op in result.ir.ops] == [2, 1] and result.ir.outputs == ["t_1", "t_2"]


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


# --- the user's lines ---------------------------------------------------------------------------


def test_an_op_names_the_line_that_made_it(capturing):
    result = capturing("y = x + 1\n        return torch.relu(y)")
    assert [op.source for op in result.ir.ops] == [
        f"models/it.py:{BODY_LINE}",
        f"models/it.py:{BODY_LINE + 1}",
    ]


def test_an_op_without_a_line_names_file_and_module(capturing):
    text = (
        "from torch import nn\nimport torch\ndef model():\n"
        "    return nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.ReLU()))\ndef inputs(): return (torch.ones(2, 4),)\n"
    )
    assert [op.source for op in capturing(text=text).ir.ops] == [
        "models/it.py (module 0)",
        "models/it.py (module 1.0)",
    ]


def test_a_helpers_line_is_the_helpers(capturing, models):
    (models / "_lines_helper.py").write_text("import torch\n\n\ndef twice(x):\n    return x * 2\n")
    result = capturing("return twice(x)", head="from _lines_helper import twice")
    assert result.ir.ops[0].source == "models/_lines_helper.py:5"


# --- the files ----------------------------------------------------------------------------------


def files_of(path, folder):
    file = ModelFile(path)
    file.load()
    capture.write_capture(capture.capture_model(file), file, folder)
    return {item.name: item.read_bytes() for item in folder.iterdir()}


def test_capturing_twice_gives_the_same_bytes(write, tmp_path):
    path = write("return torch.softmax(x @ self.w + self.n, 1), x")
    assert files_of(path, tmp_path / "a") == files_of(path, tmp_path / "b")


def test_the_files_say_what_they_hold(write, tmp_path):
    files = files_of(write("return x @ self.w, x[None] + 1"), tmp_path / "out")
    assert sorted(files) == [
        "capture.json",
        "graph_0.ir",
        "graph_0_weights.bin",
        "inputs.bin",
        "outputs.bin",
        "read.txt",
    ]
    index, ir = json.loads(files["capture.json"]), parse(files["graph_0.ir"].decode())
    for kind, names in (("weights", ir.params), ("inputs", ir.inputs), ("outputs", ir.outputs)):
        assert [row["name"] for row in index[kind]] == names
        for row in index[kind]:
            desc = ir.tensors[row["name"]]
            assert (tuple(row["shape"]), row["dtype"], row["size_bytes"]) == (
                desc.shape,
                desc.dtype,
                desc.size_bytes,
            )
            assert row["offset"] % 64 == 0
    assert index["tolerance"] == 1e-4


def test_a_tolerance_of_the_model_is_kept(write, tmp_path):
    path = write("return x + 1")
    path.write_text(path.read_text() + "\nTOLERANCE = 0.5\n")
    assert json.loads(files_of(path, tmp_path / "out")["capture.json"])["tolerance"] == 0.5


def test_other_weights_leave_the_graph_as_it_is(write, tmp_path):
    path = write("return x @ self.w + self.n")
    before = files_of(path, tmp_path / "a")
    path.write_text(path.read_text().replace("torch.randn(4, 4))", "2 * torch.randn(4, 4))"))
    after = files_of(path, tmp_path / "b")
    assert before["graph_0.ir"] == after["graph_0.ir"]
    assert before["graph_0_weights.bin"] != after["graph_0_weights.bin"]


def test_what_the_model_read_is_listed_and_nothing_else(write, models, tmp_path):
    (models / "_reading_helper.py").write_text("VALUE = 2\n")
    np.save(models / "table.npy", np.ones(4, "f4"))
    (models / "words.txt").write_text("a b")
    path = write(
        "return x + self.table",
        head=(
            "import json, fractions, tempfile, os\nfrom pathlib import Path\nimport numpy as np\nimport _reading_helper\n"
            "here = Path(__file__).parent\n(here / 'words.txt').read_text()\n"
            "with tempfile.NamedTemporaryFile('w+') as gone:\n    open(gone.name).read()\n"
            "with open(here / 'log.txt', 'w') as log:\n    log.write('x')\n"
        ),
    )
    path.write_text(
        path.read_text().replace(
            "        self.w =",
            "        self.table = torch.tensor(np.load(here / 'table.npy'))\n        self.w =",
        )
    )
    listed = files_of(path, tmp_path / "out")["read.txt"].decode()
    assert [Path(line.split("  ")[1]).name for line in listed.splitlines()] == [
        "_reading_helper.py",
        "table.npy",
        "words.txt",
    ]


def test_a_helper_that_is_loaded_from_its_cache_is_listed(write, models, tmp_path):
    (models / "_cached_helper.py").write_text("VALUE = 2\n")
    path = write("return x + 1", head="import _cached_helper")
    first = files_of(path, tmp_path / "a")["read.txt"]
    del sys.modules["_cached_helper"]
    assert files_of(path, tmp_path / "b")["read.txt"] == first and b"_cached_helper.py" in first


# --- bad input ----------------------------------------------------------------------------------

BAD = [
    (dict(text="def model(:\n"), r"models/it\.py: line 1: "),
    (
        dict(text="import torch\n1 / 0\n"),
        r"models/it\.py: the file raised ZeroDivisionError: division by zero \(at models/it\.py:2\)",
    ),
    (
        dict(text="import no_such_thing\n"),
        r"the file raised ModuleNotFoundError: No module named 'no_such_thing' \(at models/it\.py:1\)",
    ),
    (dict(text="import sys\nsys.exit(0)\n"), r"the file raised SystemExit: 0 \(at models/it\.py:2\)"),
    (
        dict(text="def inputs(): return ()\n"),
        r"there is no function model\(\); a model file defines model\(\) and inputs\(\)",
    ),
    (dict(text="def model(): pass\ninputs = 3\n"), r"there is no function inputs\(\)"),
    (
        dict(text="def inputs(): return ()\ndef model(): return 3\n"),
        r"model\(\) returned int; it returns a torch\.nn\.Module",
    ),
    (
        dict(text="def inputs(): return ()\ndef model():\n    raise ValueError('two\\nlines')\n"),
        r"model\(\) raised ValueError: two lines \(at models/it\.py:3\)",
    ),
    (
        dict(body="return x", inputs="1 / 0"),
        r"inputs\(\) raised ZeroDivisionError: division by zero \(at models/it\.py:20\)",
    ),
    (
        dict(body="return x", inputs="torch.ones(2)"),
        r"inputs\(\) returned Tensor; it returns a tuple of tensors",
    ),
    (
        dict(body="return x", inputs="(torch.ones(2), 3)"),
        r"inputs\(\) returned \(Tensor, int\); it returns a tuple of tensors",
    ),
    (
        dict(body="return x @ self.w", inputs="(torch.ones(3, 3),)"),
        r"forward\(\) raised RuntimeError: .*\(at models/it\.py:12\)",
    ),
    (
        dict(body="return x", inputs="(torch.ones(3), torch.ones(3))"),
        r"forward\(\) raised TypeError: .*takes 2 positional arguments but 3 were given",
    ),
    (dict(body="return None"), r"forward\(\) returns no tensor"),
    (dict(body="return 'x', 3"), r"forward\(\) returns no tensor"),
    (
        dict(body="torch._dynamo.graph_break(); return x + 1"),
        r"the model is not one graph: .*graph_break.* \(at models/it\.py:12\)",
    ),
    (
        dict(body="return x + 1 if x.sum() > 0 else x"),
        r"the model is not one graph: Data-dependent branching.* \(at models/it\.py:12\)",
    ),
    (
        dict(body="return x + 1", inputs="(torch.ones(2, dtype=torch.float64),)"),
        r"dtype float64 of input 0 is not supported; known are float32, int64, int32, int8, bool",
    ),
    (
        dict(body="return x + 1", inputs="(torch.ones(2, dtype=torch.complex64),)"),
        r"dtype complex64 of input 0 is not supported",
    ),
    (
        dict(body="return x.to(torch.bfloat16)"),
        r"dtype bfloat16 of the result of aten\._to_copy\.default is not supported; .* \(at models/it\.py:12\)",
    ),
    (
        dict(body="return x + self.w.double()"),
        r"dtype float64 of .* is not supported.*\(at models/it\.py:12\)",
    ),
    (
        dict(body="return torch.mm(x, x)", inputs="(torch.ones(4, 4, dtype=torch.int64),)"),
        r"MATMUL takes float32 \(at models/it\.py:12\)",
    ),
    (
        dict(body="return torch.linalg.det(x)"),
        r"op aten\._linalg_det\.default on \(4, 4\) is not supported \(at models/it\.py:12\)",
    ),
    (
        dict(body="return x + torch.rand(4)"),
        r"op aten\.rand\.default on no tensors is not supported \(at models/it\.py:12\)",
    ),
    (
        dict(body="y = x[x > 0]; return torch.relu(y) + y.sum()"),
        r"the shape \('\?',\) of the result of aten.index.Tensor depends on values",
    ),
    (
        dict(body="return x[x > 0]"),
        r"the shape \('\?',\) of the result of aten\.index\.Tensor depends on values \(at models/it\.py:12\)",
    ),
]


@pytest.mark.parametrize("file, sentence", BAD, ids=[sentence[:60] for _, sentence in BAD])
def test_a_bad_model_file_is_told_in_lines_that_name_it(capturing, file, sentence):
    with pytest.raises(AcalsimError) as caught:
        capturing(**file)
    lines = str(caught.value).splitlines()
    assert all(re.match(r"(\S*/)?models/it\.py: ", line) for line in lines)
    assert re.search(sentence, str(caught.value) if sentence.startswith("(?s)") else lines[0])


@pytest.mark.parametrize("tolerance", ["'much'", "-1", "float('nan')", "True", "None"])
def test_a_tolerance_that_is_no_number_is_refused(write, tolerance):
    path = write("return x + 1")
    path.write_text(path.read_text() + f"TOLERANCE = {tolerance}\n")
    with pytest.raises(AcalsimError, match="it is a number, 0 or larger"):
        captured(path)


def test_all_ops_that_are_not_supported_are_named_at_once(capturing):
    with pytest.raises(AcalsimError) as caught:
        capturing(
            "a = torch.nonzero_static(x, size=4)\n        b, i = torch.linalg.eigh(x @ self.w)\n        return torch.linalg.svdvals(i), a, b"
        )
    assert str(caught.value).splitlines() == [
        "models/it.py: op aten.nonzero_static.default on (4, 4) is not supported (at models/it.py:12)",
        "models/it.py: op aten._linalg_eigh.default on (4, 4) is not supported (at models/it.py:13)",
        "models/it.py: op aten._linalg_svd.default on (4, 4) is not supported (at models/it.py:14)",
    ]


def test_torchs_warnings_are_not_the_users():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        captured(ROOT / "models/mlp.py")
    assert not [warning for warning in caught if "acalsim_backend" in warning.filename]


def run_capture(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(PYTHONPATH)}
    command = [sys.executable, "-m", "acalsim_backend.capture", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_the_command_line_writes_the_files_and_says_nothing(tmp_path):
    done = run_capture(ROOT / "models/matmul.py", tmp_path / "out")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(list((tmp_path / "out").iterdir())) == 6


def test_the_command_line_fails_with_lines_and_writes_nothing(tmp_path, write):
    done = run_capture(write("return torch.linalg.det(x), torch.linalg.svdvals(x)"), tmp_path / "out")
    assert done.returncode == 1 and done.stdout == "" and not (tmp_path / "out").exists()
    assert [line.split(": ")[0] for line in done.stderr.splitlines()] == ["capture", "capture"]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(AcalsimError, match="^no model file at '.*nothing.py'$"):
        ModelFile(tmp_path / "nothing.py").load()
