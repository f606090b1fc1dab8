# SPDX-License-Identifier: Apache-2.0
"""Models of real size: nothing is held more often than it must be, and tied weights lie in memory once."""

import json
import re
import struct
import tracemalloc
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from acalsim_backend import doors
from acalsim_backend.capture.capture_file import CaptureFile
from acalsim_backend.capture.model import Captured
from acalsim_backend.capture.store import write_capture
from acalsim_backend.codegen.values import captured_data
from acalsim_backend.errors import SimulateError
from acalsim_backend.files import sha256, write_files
from acalsim_backend.ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from acalsim_backend.machine.file import load_machine
from acalsim_backend.schedule.passes import make_plan
from acalsim_backend.schedule.plan_rows import plan_file
from acalsim_backend.simulate.firmware import Firmware
from host_fixtures import captured_function, run_on_host
from pipeline_fixtures import refused
from placement_oracle import readelf
from test_int8 import captured_int8
from torch import nn

T = ACALSimOpType
WIDTH, LAYERS = 1024, 12


def chain():
    """A chain of linear layers whose weights, 50 MB, lie transposed in memory, as nn.Linear has them."""
    ir, random = ACALSimIR("graph_0"), np.random.default_rng(0)
    names = ["x", *(f"t_{layer}" for layer in range(LAYERS))]
    for name in names:
        ir.add_tensor(TensorDesc(name, (8, WIDTH), is_input=name == "x", is_output=name == names[-1]))
    for layer in range(LAYERS):
        weight = ir.add_tensor(TensorDesc(f"w_{layer}", (WIDTH, WIDTH), is_param=True)).name
        ir.constants[weight] = random.standard_normal((WIDTH, WIDTH), "f4").T
        ir.add_op(ACALSimOp(T.MATMUL, f"matmul_{layer}", (names[layer], weight), (names[layer + 1],)))
    ir.outputs = [names[-1]]
    return ir


@contextmanager
def peak_of():
    """The bytes that were allocated at the same time inside the block."""
    found = SimpleNamespace(bytes=0)
    tracemalloc.start()
    try:
        yield found
        found.bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_values_are_written_one_parameter_at_a_time(tmp_path):
    ir, machine = chain(), load_machine("cpu")
    whole = sum(array.nbytes for array in ir.constants.values())
    x, file = np.zeros((8, WIDTH), "f4"), SimpleNamespace(source=b"", tolerance=1e-4)
    with peak_of() as capture:
        write_capture(Captured(ir, [x], [x], {}), file, tmp_path / "capture")
    plan = plan_file(ir, make_plan(ir, machine), machine)
    with peak_of() as values:
        write_files(captured_data(plan, tmp_path / "capture"), tmp_path / "code")
    assert max(capture.bytes, values.bytes) < 0.2 * whole
    index = doors.read(tmp_path / "capture/capture.json", CaptureFile)
    assert index.origin.weights_sha256 == sha256(tmp_path / "capture/graph_0_weights.bin")
    block = (tmp_path / "code/graph_0_weights.bin").read_bytes()
    assert block == b"".join(array.tobytes() for array in ir.constants.values())


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.head = nn.Embedding(30, 12), nn.Linear(12, 30, bias=False)
        self.head.weight = self.words.weight

    def forward(self, tokens):
        return self.head(self.words(tokens))


def test_a_head_and_an_embedding_that_are_tied_lie_in_memory_once(tmp_path):
    captured = captured_function(Tied(), (torch.tensor([3, 0, 29]),))
    assert [captured.ir.tensors[name].shape for name in captured.ir.params] == [(30, 12)]
    (found,) = run_on_host(captured, tmp_path)
    assert np.allclose(found, captured.references[0], atol=1e-5)


def test_a_tied_head_is_quantised_all_the_same():
    captured, said = captured_int8(Tied(), torch.tensor([3, 0, 29]))
    assert len(said.ops) == 1
    dtypes = sorted(captured.ir.tensors[name].dtype for name in captured.ir.params)
    assert dtypes == ["float32", "float32", "int8"]


@pytest.mark.parametrize("turn", [lambda w: w.t(), lambda w: w.mT.contiguous().mT.t()])
def test_what_lies_otherwise_in_memory_is_not_mistaken(tmp_path, turn):
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(6, 6))

        def forward(self, x):
            return x @ self.weight + x @ turn(self.weight)

    captured = captured_function(Both(), (torch.randn(2, 6),))
    (found,) = run_on_host(captured, tmp_path)
    assert np.allclose(found, captured.references[0], atol=1e-5)


def elf_with_segment(path, address, size):
    """An ELF file of nothing but one segment."""
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01" + bytes(9),
        2,
        243,
        1,
        address,
        64,
        0,
        0,
        64,
        56,
        1,
        64,
        0,
        0,
    )
    path.write_bytes(header + struct.pack("<IIQQQQQQ", 1, 4, 0, address, address, 0, size, 64))
    return Firmware(path)


def test_a_program_that_reaches_the_boards_device_tree_is_refused_before_qemu_starts(tmp_path):
    roomy = load_machine("roomy")
    elf_with_segment(tmp_path / "below.elf", 0x80000000, 0x3FE00000).refuse_collision(roomy)
    over = elf_with_segment(tmp_path / "over.elf", 0x80000000, 0x3FE00001)
    over.refuse_collision(load_machine("default"))
    with pytest.raises(
        SimulateError, match="0x3fe00001 bytes at 0x80000000.*0xbfe00000..0xc0000000.*0x3fe00000"
    ):
        over.refuse_collision(roomy)


def filled(text, stack):
    """A machine file whose stack takes so much of RAM."""
    return text.replace("stack_bytes = 0x4000 ", f"stack_bytes = {stack:#x} ")


def test_parameters_of_a_program_that_reaches_the_boards_device_tree_lie_behind_it(tree):
    machine = tree / "filled.toml"
    machine.write_text(filled((tree / "sim/machines/roomy.toml").read_text(), 0x3D00_0000))
    tree.scons(f"MACHINE={machine}", "sim-mlp")
    report = json.loads((tree / "build/filled/reports/mlp.json").read_text())
    usual = json.loads((tree / "build/reports/mlp.json").read_text())
    assert report["check"] == usual["check"] and report["check"]["passed"]
    assert report["total_cycles"] == usual["total_cycles"]
    sections = readelf(tree / "build/filled/mlp.elf")
    assert re.search(r"\.weights +PROGBITS +00000000c0000000 ", sections), sections
    assert re.search(r"\.rodata +PROGBITS +000000008000", sections), sections


def test_parameters_for_which_there_is_no_room_behind_the_boards_device_tree_are_refused(tree):
    text = filled((tree / "sim/machines/roomy.toml").read_text(), 0x3D00_0000)
    machine = tree / "short.toml"
    machine.write_text(text.replace("size_bytes = 0x8000_0000 ", "size_bytes = 0x4000_1000 "))
    refused(
        tree.scons(f"MACHINE={machine}", "sim-mlp", check=False),
        r"plan: graph_0 needs 0x3d\w+ bytes of RAM, more than there are below the device tree of QEMU's board, which "
        r"ends at 0xc0000000; its 0x\w+ bytes of parameters would lie behind that, with ram.size_bytes = 0x400\w+ on "
        r"machine 'short'",
    )
