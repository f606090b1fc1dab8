# SPDX-License-Identifier: Apache-2.0
"""Bad model files are told in lines that name them; and capture as a command."""

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from acalsim_backend.capture.model_file import ModelFile
from acalsim_backend.errors import AcalsimError
from acalsim_backend.paths import PYTHONPATH
from capture_fixtures import ROOT, captured

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
        dict(
            text="class Stop(BaseException): pass\ndef inputs(): return ()\ndef model():\n    raise Stop('no')\n"
        ),
        r"model\(\) raised Stop: no \(at models/it\.py:4\)",
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
        dict(body="return x + 1 if x.sum().item() > 0 else x"),
        r"the model is not one graph: how it goes on here depends on a value that is known only when the model "
        r"runs \(at models/it\.py:12\)",
    ),
    (
        dict(body="return x + 1 if x.sum() > 0 else x"),
        r"the model is not one graph: Data-dependent branching.* \(at models/it\.py:12\)",
    ),
    (
        dict(body="return x + 1", inputs="(torch.ones(2, dtype=torch.complex128),)"),
        r"dtype complex128 of input 0 is not supported; known are float32, float64, int64, int32, int16, int8",
    ),
    (
        dict(body="return x.float() + 1", inputs="(torch.ones(2).to(torch.float8_e4m3fn),)"),
        r"dtype float8_e4m3fn of input 0 is not supported",
    ),
    (
        dict(body="return x.to(torch.float8_e5m2)"),
        r"dtype float8_e5m2 of the result of aten\._to_copy\.default is not supported; "
        r".* \(at models/it\.py:12\)",
    ),
    (
        dict(body="return x + self.w.to(torch.complex128)"),
        r"dtype complex128 of .* is not supported.*\(at models/it\.py:12\)",
    ),
    (
        dict(body="return torch.mm(x, x)", inputs="(torch.ones(4, 4, dtype=torch.int64),)"),
        r"MATMUL takes float32, float64, bfloat16, float16 \(at models/it\.py:12\)",
    ),
    (
        dict(body="return torch.linalg.qr(x).R"),
        r"op aten\.linalg_qr\.default on \(4, 4\) is not supported \(at models/it\.py:12\)",
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


@pytest.mark.quick
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
            "a = torch.linalg.qr(x).R\n        b, i = torch.linalg.eigh(x @ self.w)\n"
            "        return torch.linalg.svdvals(i), a, b"
        )
    assert str(caught.value).splitlines() == [
        "models/it.py: op aten.linalg_qr.default on (4, 4) is not supported (at models/it.py:12)",
        "models/it.py: op aten._linalg_eigh.default on (4, 4) is not supported (at models/it.py:13)",
        "models/it.py: op aten._linalg_svd.default on (4, 4) is not supported (at models/it.py:14)",
    ]


def test_torchs_warnings_are_not_the_users():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        captured(ROOT / "models/mlp.py")
    assert not [warning for warning in caught if "acalsim_backend" in warning.filename]


def run_capture(*arguments, **more):
    environment = {**os.environ, "PYTHONPATH": str(PYTHONPATH), **more}
    command = [sys.executable, "-m", "acalsim_backend.capture", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_the_command_line_writes_the_files_and_says_nothing(tmp_path):
    done = run_capture(ROOT / "models/matmul.py", tmp_path / "out")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(list((tmp_path / "out").iterdir())) == 7


@pytest.mark.skipif("avx2" not in Path("/proc/cpuinfo").read_text(), reason="this CPU has no AVX2")
def test_random_weights_are_the_same_whatever_instructions_the_cpu_has(tmp_path, write):
    path = write("return x.exp() @ self.w", inputs="(torch.randn(64, 4),)")
    for name in ("default", "avx2"):
        assert not run_capture(path, tmp_path / name, ATEN_CPU_CAPABILITY=name).returncode
    for name in ("graph_0_weights.bin", "inputs.bin", "outputs.bin"):
        assert (tmp_path / "default" / name).read_bytes() == (tmp_path / "avx2" / name).read_bytes()


def test_the_command_line_fails_with_lines_and_writes_nothing(tmp_path, write):
    done = run_capture(write("return torch.linalg.qr(x).R, torch.linalg.svdvals(x)"), tmp_path / "out")
    assert done.returncode == 1 and done.stdout == "" and not (tmp_path / "out").exists()
    assert [line.split(": ")[0] for line in done.stderr.splitlines()] == ["capture", "capture"]


def test_a_model_that_ends_the_process_is_one_line(tmp_path, write):
    done = run_capture(write(text="import os\nos._exit(0)\n"), tmp_path / "out")
    assert done.returncode == 1 and done.stdout == "" and not (tmp_path / "out").exists()
    assert re.fullmatch(r"capture: \S*it\.py: the process ended with status 0 while .*\n", done.stderr)


def test_a_model_that_changes_the_working_folder_writes_nothing_there(tmp_path, write):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = write("return x + 1")
    path.write_text(f"import os\nos.chdir({str(elsewhere)!r})\n{path.read_text()}")
    done = run_capture(path, os.path.relpath(tmp_path / "out"))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list((tmp_path / "out").iterdir())) == 7 and not list(elsewhere.iterdir())


@pytest.mark.parametrize(
    "text", ["os.remove(__file__)", "__import__('shutil').rmtree(os.path.dirname(__file__))"]
)
def test_a_model_that_removes_itself_is_refused(write, text):
    path = write("return x + 1")
    path.write_text(f"{path.read_text()}\nimport os\n{text}\n")
    file = ModelFile(path)
    file.load()
    with pytest.raises(AcalsimError, match="the file was changed or removed while it was captured"):
        file.check_in_place()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(AcalsimError, match="^no model file at '.*nothing.py'$"):
        ModelFile(tmp_path / "nothing.py").load()
