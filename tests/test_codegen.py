# SPDX-License-Identifier: Apache-2.0
"""The generated program: its text, its exact values, and that it builds anywhere to the same bytes."""

import os
import re
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from acalsim_backend.codegen.generator import RISCVCodeGenerator
from acalsim_backend.codegen.values import placed_inputs
from acalsim_backend.errors import ToolchainError
from acalsim_backend.host import toolchain
from acalsim_backend.ir.graph import ITEM_BYTES, ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from acalsim_backend.ir.literals import C_TYPES
from acalsim_backend.machine.file import load_machine
from acalsim_backend.schedule.passes import make_plan
from acalsim_backend.schedule.plan_rows import plan_file
from elftools.elf.elffile import ELFFile

T = ACALSimOpType
GOLDEN = Path(__file__).parent / "golden"
MODELS = ("bmm", "chained_matmul", "matmul", "mlp")


def matmul_graph():
    """The tutorial's model, with weights that need no PyTorch."""
    ir = ACALSimIR("graph_0")
    for desc in (
        TensorDesc("input_0", (8, 16), is_input=True),
        TensorDesc("param_1", (16, 8), is_param=True),
        TensorDesc("t_2", (8, 8)),
        TensorDesc("param_3", (8,), is_param=True),
        TensorDesc("t_4", (8, 8), is_output=True),
    ):
        ir.add_tensor(desc)
    ir.add_op(ACALSimOp(T.MATMUL, "matmul_0", ("input_0", "param_1"), ("t_2",), source="models/matmul.py:17"))
    ir.add_op(ACALSimOp(T.ADD, "add_1", ("t_2", "param_3"), ("t_4",), source="models/matmul.py:18"))
    ir.outputs = ["t_4"]
    ir.constants = {
        "param_1": np.arange(128, dtype="f4").reshape(16, 8) / 3,
        "param_3": np.full(8, -0.0, "f4"),
    }
    return ir


def copies(**arrays):
    """A graph whose outputs are copies of the given parameters."""
    ir = ACALSimIR("graph_0")
    for name, array in arrays.items():
        ir.add_tensor(TensorDesc(name, array.shape, str(array.dtype), is_param=True))
        ir.constants[name] = array
    for name, array in arrays.items():
        ir.add_tensor(TensorDesc(f"{name}_out", array.shape, str(array.dtype), is_output=True))
        ir.add_op(ACALSimOp(T.COPY, f"copy_{name}", (name,), (f"{name}_out",)))
        ir.outputs.append(f"{name}_out")
    return ir


def make(folder, *arguments, check=True):
    command = ["make", "-s", "-j2", "-C", str(folder), "CROSS_COMPILE=riscv64-unknown-elf-", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert not check or (done.returncode, done.stderr) == (0, ""), done.stderr
    return done


def built(ir, folder, machine="default"):
    RISCVCodeGenerator(folder, machine).generate(ir)
    make(folder)
    return folder / f"{ir.name}.elf"


def symbol_bytes(path, name):
    with open(path, "rb") as stream:
        elf = ELFFile(stream)
        (symbol,) = elf.get_section_by_name(".symtab").get_symbol_by_name(name)
        section = elf.get_section(symbol["st_shndx"])
        start = symbol["st_value"] - section["sh_addr"]
        return section.name, section.data()[start : start + symbol["st_size"]]


# --- text ---------------------------------------------------------------------------------------


@pytest.mark.quick
@pytest.mark.parametrize("name", ["graph_0.c", "graph_0.h", "graph_0.ld", "graph_0_weights.c"])
def test_the_tutorials_program_is_the_golden_one(tmp_path, name, update_golden):
    RISCVCodeGenerator(tmp_path).generate(matmul_graph())
    text, golden = (tmp_path / name).read_text(), GOLDEN / f"matmul.{name}"
    if update_golden:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text(), "if this is meant: ./run pytest tests/test_codegen.py --update-golden"


def test_all_files_of_the_tutorial_are_written(tmp_path):
    paths = RISCVCodeGenerator(tmp_path).generate(matmul_graph())
    assert sorted(path.name for path in paths) == sorted(path.name for path in tmp_path.iterdir())
    assert {f"graph_0{end}" for end in (".c", ".h", "_weights.c", "_weights.bin", ".ld", ".ir")} <= {
        path.name for path in paths
    }


def test_generating_twice_writes_the_same_bytes(tmp_path):
    one, two = (
        {path.name: path.read_bytes() for path in RISCVCodeGenerator(tmp_path).generate(matmul_graph())}
        for _ in "ab"
    )
    assert one == two


def test_other_weights_change_only_the_files_of_values(tmp_path):
    first, second = matmul_graph(), matmul_graph()
    second.constants["param_1"] = second.constants["param_1"] + 1
    one, two = (
        {path.name: path.read_bytes() for path in RISCVCodeGenerator(tmp_path).generate(ir)}
        for ir in (first, second)
    )
    assert {name for name in one if one[name] != two[name]} == {"graph_0_weights.bin", "graph_0_values.obj"}


def test_every_dtype_has_a_c_type():
    assert C_TYPES.keys() == ITEM_BYTES.keys()


def test_a_machines_further_devices_are_reset(tmp_path):
    machine = tmp_path / "twin.toml"
    machine.write_text(
        "[devices.echo]\nbase = 0x10200000\n[devices.compute]\nbase = 0x10300000\n"
        '[devices.second]\nmodel = "compute"\nbase = 0x10400000\n'
    )
    built(matmul_graph(), tmp_path / "out", str(machine))
    text = (tmp_path / "out/graph_0.c").read_text()
    assert re.findall(r"MMIO_WRITE32\((\w+) \+ REG_CONTROL, CONTROL_RESET\)", text) == [
        "COMPUTE_DEVICE_BASE",
        "SECOND_DEVICE_BASE",
    ]


# --- exact values -------------------------------------------------------------------------------

ODD = np.array([0.0, -0.0, 1e-45, -1e-40, 1.1754942e-38, 3.4028235e38, 0.1, -1 / 3], "f4")
QUIET = np.frombuffer(struct.pack("<4I", 0x7FC00000, 0xFFC01234, 0x7F800001, 0xFF800000), "f4")
VALUES = {
    "odd": ODD,
    "undefined": QUIET,
    "large": np.random.default_rng(0).integers(0, 2**32, 5000, "u4").view("f4"),
    "wide": np.array([-(2**63), 2**63 - 1, -1, 0], "i8"),
    "half": np.array([-(2**31), 2**31 - 1, -1], "i4"),
    "narrow": np.array([-128, 127, -1], "i1"),
    "truth": np.array([True, False, True]),
    "many_truths": np.random.default_rng(1).integers(0, 2, 9001).astype(bool),
    "single": np.array(2.5, "f4"),
    "nothing": np.zeros((0, 3), "f4"),
}


@pytest.fixture(scope="module")
def values_elf(tmp_path_factory):
    return built(copies(**VALUES), tmp_path_factory.mktemp("values"))


@pytest.mark.parametrize("name", [name for name in VALUES if VALUES[name].size])
def test_weights_reach_the_elf_bit_for_bit(values_elf, name):
    assert symbol_bytes(values_elf, name) == (".weights", VALUES[name].tobytes())


def test_the_c_of_weights_says_where_each_lies_in_their_file(values_elf):
    text = (values_elf.parent / "graph_0_weights.c").read_text()
    block = (values_elf.parent / "graph_0_weights.bin").read_bytes()
    found = re.findall(
        r"at byte (0x\w+) of graph_0_weights.bin \*/\n_Static_assert\(sizeof (\w+) == (\d+)", text
    )
    assert [name for _, name, _ in found] == [name for name in VALUES if VALUES[name].size]
    for start, name, size in found:
        assert block[int(start, 16) :][: int(size)] == VALUES[name].tobytes()


def test_no_compiler_and_no_assembler_sees_a_weight(values_elf):
    for path in values_elf.parent.glob("*.[ocSh]"):
        assert VALUES["wide"].tobytes() not in path.read_bytes(), path
    assert VALUES["wide"].tobytes() in values_elf.read_bytes()


def test_the_object_file_of_values_is_what_readelf_takes_for_one(values_elf):
    told = subprocess.run(
        [f"{toolchain.PREFIX}readelf", "-a", "-W", values_elf.parent / "graph_0_values.obj"],
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0 and not told.stderr
    symbols = re.findall(r"OBJECT +GLOBAL +DEFAULT +\d+ (\w+)", told.stdout)
    assert symbols == [name for name in VALUES if VALUES[name].size] + ["graph_0_inputs"]
    assert "REL (Relocatable file)" in told.stdout and "RVC, double-float ABI" in told.stdout


def test_the_weights_file_holds_every_parameter_at_a_multiple_of_64(values_elf):
    block = (values_elf.parent / "graph_0_weights.bin").read_bytes()
    offset = 0
    for array in VALUES.values():
        offset = -(-offset // 64) * 64
        assert block[offset : offset + array.nbytes] == array.tobytes()
        offset += array.nbytes
    assert len(block) == offset


def test_example_inputs_reach_the_elf(tmp_path):
    data = np.arange(128, dtype="f4").tobytes()
    RISCVCodeGenerator(tmp_path).generate(matmul_graph(), inputs=data)
    make(tmp_path)
    assert symbol_bytes(tmp_path / "graph_0.elf", "graph_0_inputs") == (".inputs", data)


def test_large_weights_are_built(tmp_path):
    array = np.random.default_rng(2).standard_normal(4 << 20, "f4")
    assert symbol_bytes(built(copies(w=array), tmp_path), "w")[1] == array.tobytes()


# --- programs that build ------------------------------------------------------------------------


def empty_graph():
    """Every kind of op on tensors without elements."""
    ir = ACALSimIR("graph_0")
    for desc in (
        TensorDesc("x", (0, 3), is_input=True),
        TensorDesc("w", (3, 0), is_param=True),
        TensorDesc("b", (0,), is_param=True),
        TensorDesc("p", (0, 0)),
        TensorDesc("g", (0, 0)),
        TensorDesc("s", (0, 0)),
        TensorDesc("t", (0, 0)),
        TensorDesc("y", (3, 3)),
        TensorDesc("z", (3, 3), is_output=True),
        TensorDesc("r", (0, 0), is_output=True),
    ):
        ir.add_tensor(desc)
    ir.constants = {"w": np.zeros((3, 0), "f4"), "b": np.zeros(0, "f4")}
    for number, (type, inputs, output, attrs) in enumerate(
        (
            (T.MATMUL, ("x", "w"), "p", {}),
            (T.GEMM, ("x", "w", "b"), "g", {}),
            (T.SOFTMAX, ("p",), "s", {"dim": 1}),
            (T.PERMUTE, ("s",), "t", {"dims": [1, 0]}),
            (T.MATMUL, ("w", "x"), "y", {}),
            (T.RELU, ("y",), "z", {}),
            (T.ADD, ("t", "g"), "r", {}),
        )
    ):
        ir.add_op(ACALSimOp(type, f"op_{number}", inputs, (output,), attrs))
    ir.outputs = ["z", "r"]
    return ir


def bare_graph():
    ir = ACALSimIR("graph_0")
    ir.add_tensor(TensorDesc("x", (), is_input=True))
    ir.add_tensor(TensorDesc("y", (), is_output=True))
    ir.add_op(ACALSimOp(T.NEG, "neg_0", ("x",), ("y",)))
    ir.outputs = ["y"]
    return ir


@pytest.mark.quick
@pytest.mark.parametrize(
    "graph",
    [empty_graph, bare_graph, lambda: copies(w=np.ones(3, "f4")), lambda: copies()],
    ids=["empty tensors", "no parameters", "no inputs", "no ops at all"],
)
@pytest.mark.parametrize("machine", ["default", "cpu"])
def test_it_builds_without_warning(tmp_path, graph, machine):
    assert "-Werror" in toolchain.CFLAGS
    assert built(graph(), tmp_path, machine).stat().st_size > 0


@pytest.mark.parametrize("name", MODELS)
def test_the_makefile_builds_the_elf_that_scons_builds(host_tree, tmp_path, name):
    folder = tmp_path / "moved"
    shutil.copytree(host_tree / f"build/{name}", folder, ignore=shutil.ignore_patterns("*.o", "run"))
    make(folder, f"KERNELS={host_tree / 'kernels'}")
    for end in ("elf", "bin"):
        assert (folder / f"graph_0.{end}").read_bytes() == (host_tree / f"build/{name}.{end}").read_bytes(), (
            end
        )
    listings = [
        path.read_text().split("file format")[1]
        for path in (folder / "graph_0.dump", host_tree / f"build/{name}.dump")
    ]
    assert listings[0] == listings[1]


def test_the_makefile_cleans_up_after_itself(tmp_path):
    RISCVCodeGenerator(tmp_path).generate(matmul_graph())
    before = sorted(tmp_path.iterdir())
    make(tmp_path)
    assert {"graph_0.elf", "graph_0.bin", "graph_0.dump"} <= {path.name for path in tmp_path.iterdir()}
    make(tmp_path, "clean")
    assert sorted(tmp_path.iterdir()) == before


def test_two_folders_make_the_same_elf_without_a_path_in_it(tmp_path):
    one, two = (
        built(matmul_graph(), tmp_path / name) for name in ("a", "b/of another/depth".replace(" ", "_"))
    )
    assert one.read_bytes() == two.read_bytes()
    for path in (
        p for folder in (one.parent, two.parent) for p in folder.iterdir() if p.suffix not in (".d", ".map")
    ):
        text = path.read_bytes()
        assert str(tmp_path).encode() not in text, path
        assert os.path.expanduser("~").encode() + b"/" not in text, path


def test_no_generated_source_holds_an_absolute_path(tmp_path):
    for path in RISCVCodeGenerator(tmp_path).generate(matmul_graph()):
        if path.suffix not in (".bin", ".obj"):
            assert not re.search(r'[\s"=](/(?:work|home|root|tmp|usr)/\S*)', path.read_text()), path


# --- the toolchain ------------------------------------------------------------------------------


def test_the_compiler_is_found_and_named():
    assert Path(toolchain.find_compiler()).is_file()
    assert re.match(r"riscv64-unknown-elf-gcc .*\d+\.\d+", toolchain.compiler_version())


def test_a_missing_compiler_is_one_line_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError) as caught:
        toolchain.find_compiler()
    assert str(caught.value) == (
        "no cross compiler 'riscv64-unknown-elf-gcc'; install it (Debian: apt install "
        "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf) or set CROSS_COMPILE"
    )


def test_inputs_are_placed_where_the_plan_has_them():
    ir = bare_graph()
    machine = load_machine("cpu")
    plan = plan_file(ir, make_plan(ir, machine), machine)
    assert placed_inputs(plan, [b"abcd"]) == b"abcd" + bytes(60)
