# SPDX-License-Identifier: Apache-2.0
"""The files that capture leaves."""

import json

import pytest
from acalsim_backend.capture.model import capture_model
from acalsim_backend.capture.model_file import ModelFile
from acalsim_backend.capture.store import write_capture
from acalsim_backend.ir.text import parse

pytestmark = pytest.mark.quick


def files_of(path, folder):
    file = ModelFile(path)
    file.load()
    write_capture(capture_model(file), file, folder)
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
