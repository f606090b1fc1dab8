# SPDX-License-Identifier: Apache-2.0
"""Programs that torch.export.save wrote, as model files."""

import re
import zipfile

import numpy as np
import pytest
import torch
from acalsim_backend.capture.exported import ExportedFile
from acalsim_backend.capture.model import capture_model
from acalsim_backend.errors import CaptureError
from acalsim_build.models import ModelsError, find_models
from pipeline_fixtures import model_file, refused, report_of, stages_run
from torch import nn

pytestmark = pytest.mark.usefixtures("fresh_dynamo")


class Mixed(nn.Module):
    """Takes tensors and a number by position and by name, and writes to a buffer of its own."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.register_buffer("calls", torch.zeros(2))

    def forward(self, x, times, *, shift, more):
        self.calls.add_(1)
        return {"a": self.linear(x) * times + shift, "b": [more["scale"] * 2, self.calls]}


def saved(path, module, *inputs, **options):
    torch.manual_seed(0)
    program = torch.export.export(module.eval(), inputs, options)
    torch.export.save(program, path)
    return path, program


def captured(path):
    file = ExportedFile(path)
    file.load()
    return capture_model(file)


def test_a_saved_program_is_captured_with_its_example_inputs(tmp_path):
    x = torch.randn(2, 8)
    path, program = saved(
        tmp_path / "it.pt2", nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU()), x
    )
    found = captured(path)
    assert [op.op_type.name for op in found.ir.ops] == ["GEMM", "RELU"]
    np.testing.assert_array_equal(found.inputs[0], x.numpy())
    np.testing.assert_array_equal(found.references[0], program.module()(x).detach().numpy())


def test_inputs_that_are_given_by_name_or_in_containers_are_inputs(tmp_path):
    x, shift, more = torch.randn(2, 4), torch.randn(4), {"scale": torch.randn(3)}
    path, program = saved(tmp_path / "it.pt2", Mixed(), x, 3, shift=shift, more=more)
    found = captured(path)
    for array, tensor in zip(found.inputs, [x, shift, more["scale"], torch.zeros(2)], strict=True):
        np.testing.assert_array_equal(array, tensor.numpy())
    expected = program.module()(x, 3, shift=shift, more=more)
    for array, tensor in zip(found.references, [expected["a"], *expected["b"]], strict=True):
        np.testing.assert_array_equal(array, tensor.detach().numpy())


def without_inputs(path):
    program = saved(path, nn.Linear(3, 2), torch.randn(1, 3))[1]
    program.example_inputs = None
    torch.export.save(program, path)


def cut_off(path):
    saved(path, nn.Linear(3, 2), torch.randn(1, 3))
    path.write_bytes(path.read_bytes()[:-100])


def another_archive(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/greeting", "hello")


def of_another_pytorch(path):
    saved(path, nn.Linear(3, 2), torch.randn(1, 3))
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    (name,) = (name for name in contents if name.endswith("models/model.json"))
    contents[name] = re.sub(rb'"major": ?\d+', b'"major": 99', contents[name])
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    "write, line",
    [
        (lambda path: None, r"^no model file at '.*it\.pt2'$"),
        (lambda path: path.write_text("def model(): ..."), r"it\.pt2: PyTorch 2\S+ finds no program of torch\.export\.save in it: "),
        (cut_off, r"finds no program of torch\.export\.save in it: .*(central directory|corrupted)"),
        (another_archive, r"finds no program of torch\.export\.save in it: "),
        (of_another_pytorch, r"finds no program of torch\.export\.save in it: .*99"),
        (without_inputs, r"it\.pt2: the program has no example inputs; torch\.export\.save keeps those"),
    ],
    ids=["missing", "text", "cut off", "another archive", "another PyTorch", "no inputs"],
)  # fmt: skip
def test_what_holds_no_program_is_refused_in_a_line(tmp_path, capfd, write, line):
    write(tmp_path / "it.pt2")
    with pytest.raises(CaptureError, match=line) as caught:
        ExportedFile(tmp_path / "it.pt2").load()
    assert "\n" not in str(caught.value)
    assert "Traceback" not in capfd.readouterr().err


def test_an_op_that_is_not_supported_is_told_with_the_line_of_the_module(tmp_path):
    class Refused(nn.Module):
        def forward(self, x):
            return torch.linalg.svdvals(x)

    path, _ = saved(tmp_path / "it.pt2", Refused(), torch.randn(2, 3))
    line = Refused.forward.__code__.co_firstlineno + 1
    with pytest.raises(CaptureError, match=rf"_linalg_svd\.default .*test_capture_exported\.py:{line}\)"):
        captured(path)


@pytest.mark.quick
def test_two_files_that_would_be_one_model_are_refused(tmp_path):
    for name in ("a.py", "b.py", "b.pt2"):
        (tmp_path / name).touch()
    with pytest.raises(ModelsError, match=r"b\.pt2' and '.*b\.py' would both be the model 'b'"):
        find_models(str(tmp_path), "here", "build", "build/capture")


def test_a_saved_program_is_built_and_simulated_and_another_in_its_place_redone(host_tree, tmp_path):
    folder = tmp_path / "nets"
    model_file(folder, "written")
    saved(folder / "kept.pt2", nn.Linear(3, 2), torch.randn(1, 3))
    asked = (f"MODELS={folder}", "sim-kept")
    host_tree.scons(*asked)
    assert report_of(host_tree, "kept")["check"]["passed"]
    assert "up to date" in host_tree.scons(*asked).stdout
    saved(folder / "kept.pt2", nn.Linear(3, 2), torch.randn(4, 3))
    assert ("capture", "kept") in stages_run(host_tree.scons(*asked))
    assert report_of(host_tree, "kept")["ops"][0]["macs"] == 4 * 3 * 2
    (folder / "kept.pt2").write_bytes(b"")
    assert refused(
        host_tree.scons(*asked, check=False), r"^capture: .*kept\.pt2: PyTorch .* finds no program"
    )
