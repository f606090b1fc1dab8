# SPDX-License-Identifier: Apache-2.0
"""The tutorial that this system follows, section by section: what it imports, types and shows is there."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from acalsim_backend import ACALSimBackend, ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from acalsim_backend.compiler import ACALSimCompiler, get_acalsim_op_type
from acalsim_backend.errors import IRError
from codegen.riscv_codegen import RISCVCodeGenerator
from conftest import ROOT
from qemu_fixtures import cross
from torch import fx, nn

FILES = ("graph_0.c", "graph_0.h", "graph_0_weights.c", "graph_0_weights.bin", "graph_0.ld", "Makefile")


class MatMulModel(nn.Module):
    """Section 3.1's model."""

    def __init__(self, M=8, K=16, N=8):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(K, N))
        self.bias = nn.Parameter(torch.randn(N))

    def forward(self, x):
        y = torch.matmul(x, self.weight)
        return y + self.bias


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return MatMulModel()


@pytest.fixture(scope="module")
def x():
    return torch.randn(8, 16)


@pytest.fixture(scope="module")
def traced(model, x):
    """Section 3.3, stage 3: the IR of a module of fx.symbolic_trace."""
    return ACALSimCompiler().compile(fx.symbolic_trace(model), [x], "graph_0")


@pytest.fixture(scope="module")
def demo(host_tree):
    """Section 7.1 and 7.2: the demo, run, and its program built by its Makefile."""
    (host_tree / "examples").mkdir(exist_ok=True)
    demo = host_tree / "examples/matmul_demo.py"
    demo.write_text((ROOT / "examples/matmul_demo.py").read_text())
    environment = {**os.environ, "PYTHONPATH": str(host_tree / "site_scons")}
    run = {"cwd": host_tree.folder, "env": environment, "check": True, "capture_output": True}
    subprocess.run([sys.executable, "examples/matmul_demo.py"], **run)
    folder = host_tree / "examples/output_matmul"
    subprocess.run(["make", "CROSS_COMPILE=riscv64-unknown-elf-"], **{**run, "cwd": folder})
    return folder


# --- 2 Software architecture -------------------------------------------------------------------


def test_the_class_itself_is_a_backend(model, x):
    with torch.no_grad():
        compiled = torch.compile(model, backend=ACALSimBackend)
        assert torch.allclose(compiled(x), model(x))


# --- 3 Step by step -------------------------------------------------------------------------------


def test_codegen_mode_gives_pytorchs_result_and_writes_the_program(model, x, tmp_path, capsys):
    backend = ACALSimBackend(mode="codegen", verbose=True, output_dir=tmp_path)
    with torch.no_grad():
        assert torch.allclose(torch.compile(model, backend=backend)(x), model(x))
    assert {path.name for path in tmp_path.iterdir()} >= set(FILES)
    assert "0: t_2 = MATMUL(input_0, param_1)" in capsys.readouterr().out


def test_a_symbolically_traced_module_becomes_the_tutorials_ir(traced, model):
    text = str(traced)
    for line in (
        "=== ACALSim IR: graph_0 ===",
        "  input_0: (8, 16) float32 [input]",
        "  param_1: (16, 8) float32 [param]",
        "  t_2: (8, 8) float32",
        "  param_3: (8,) float32 [param]",
        "  t_4: (8, 8) float32 [output]",
        "  0: t_2 = MATMUL(input_0, param_1)",
        "  1: t_4 = ADD(t_2, param_3)",
        "Inputs: ['input_0']",
        "Outputs: ['t_4']",
    ):
        assert line in text.splitlines(), text
    assert np.array_equal(traced.constants["param_1"], model.weight.detach().numpy())


# --- 4 Component deep dives -----------------------------------------------------------------------


def test_the_cache_has_the_graphs_by_name(model, x):
    backend = ACALSimBackend()
    assert backend.mode == "compile" and backend._compiled_cache == {}
    with torch.no_grad():
        torch.compile(model, backend=backend)(x)
    assert isinstance(backend.compiler, ACALSimCompiler)
    assert backend._compiled_cache == {"graph_0": backend.irs[0]}


@pytest.mark.parametrize(
    ("name", "type"),
    [
        ("matmul", "MATMUL"),
        ("add", "ADD"),
        ("mm", "MATMUL"),
        ("linear", "GEMM"),
        ("aten.relu.default", "RELU"),
    ],
)
def test_op_types_are_found_by_pytorchs_names(name, type):
    assert get_acalsim_op_type(name) is ACALSimOpType[type]


def test_an_unknown_op_is_refused_by_name():
    with pytest.raises(IRError, match="no op type for 'frobnicate'"):
        get_acalsim_op_type("frobnicate")


def test_ops_and_tensors_have_the_tutorials_fields(traced):
    for name in ("LOAD", "STORE", "ADD", "MUL", "MATMUL", "GEMM", "RELU", "SOFTMAX"):
        assert name in ACALSimOpType.__members__
    op = traced.ops[0]
    assert isinstance(op, ACALSimOp) and op.op_type is ACALSimOpType.MATMUL and op.name == "matmul_0"
    assert (list(op.inputs), list(op.outputs), op.compute_cycles) == (["input_0", "param_1"], ["t_2"], 1024)
    desc = TensorDesc(name="input_0", shape=(8, 16), is_input=True)
    ir = ACALSimIR(name="graph_0")
    assert ir.add_tensor(desc).dtype == "float32" and desc.memory_addr is None


def test_the_generator_of_the_tutorials_name_writes_the_files(traced, tmp_path):
    written = RISCVCodeGenerator(output_dir=str(tmp_path)).generate(traced, "graph_0")
    assert {path.name for path in written} >= set(FILES)


# --- 5 and 6 Communication and generated code -----------------------------------------------------


def test_the_generated_code_has_the_tutorials_parts(demo):
    program = (demo / "graph_0.c").read_text()
    for part in (
        "void graph_0_init(void)",
        "graph_0_forward(",
        "void graph_0_cleanup(void)",
        "int main(void)",
    ):
        assert part in program
    assert "0x10200000" in (demo / "machine.h").read_text()
    assert "#define END_OF_SIMULATION 0xdeadbeef" in (demo / "registers.h").read_text()
    script = (demo / "graph_0.ld").read_text()
    assert "ENTRY(_start)" in script and "0x80000000" in script and "__stack_top" in script


# --- 7 Running the complete pipeline --------------------------------------------------------------


def test_make_builds_what_the_tutorial_lists(demo):
    assert {path.name for path in demo.iterdir()} >= {"graph_0.elf", "graph_0.bin", "graph_0.dump", *FILES}
    assert "RISC-V" in cross("readelf", "-h", demo / "graph_0.elf")


def test_qemus_line_works_as_printed(demo, host_tree, tmp_path):
    socket = tmp_path / "sst.sock"
    environment = {**os.environ, "PYTHONPATH": str(host_tree / "site_scons"), "VERBOSE": "1"}
    by_hand = host_tree / "sim/qemu/bin"
    environment["PATH"] = os.pathsep.join([str(by_hand), environment["PATH"]])
    serve = [sys.executable, "-m", "acalsim_backend.serve", "--machine", "default", "--engine", "embedded"]
    pipes = {"cwd": host_tree.folder, "env": environment, "text": True, "stdout": subprocess.PIPE}
    before = set(Path("/dev/shm").glob("acalsim-ram-*"))
    with subprocess.Popen([*serve, "--socket", socket], **pipes) as simulator:
        while "listening on" not in (line := simulator.stdout.readline()):
            assert line
        timer = threading.Timer(90, simulator.kill)  # where QEMU does not come
        timer.start()
        line = ["qemu-system-riscv64", "-M", "virt", "-nographic", "-bios", "none"]
        line += ["-kernel", str(demo / "graph_0.elf"), "-device", f"sst-device,socket={socket}"]
        subprocess.run(line, stdin=subprocess.DEVNULL, timeout=60, check=True, **pipes)
        said = simulator.stdout.read()
        timer.cancel()
    assert simulator.returncode == 0
    for part in (
        "WRITE to REG_DATA_IN = 0xDEADBEEF",
        "Simulation complete",
        "Total cycles:",
        "Device transactions:",
    ):
        assert part in said, said
    subprocess.run(["sh", "-c", "sleep 1.5"], check=True)
    assert set(Path("/dev/shm").glob("acalsim-ram-*")) <= before, "its memory is taken away"


def test_any_other_call_goes_on_to_qemu():
    by_hand = ROOT / "sim/qemu/bin/qemu-system-riscv64"
    said = subprocess.run([by_hand, "--version"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("QEMU emulator version")
