# SPDX-License-Identifier: Apache-2.0
"""Every row of ops.ROWS against PyTorch: captured, printed as C, compiled for this machine, run, compared.

The kernels are portable C, so one shared library holds the programs of all cases; the very same sources
run on the emulated CPU in test_pipeline.py.
"""

import ctypes
import subprocess
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest
import torch
from acalsim_backend import capture, toolchain
from acalsim_backend.codegen import code_files, placed_inputs, write_files
from acalsim_backend.emit import C_TYPES, Site, collapse, loops
from acalsim_backend.errors import CaptureError
from acalsim_backend.ir import ACALSimOpType
from acalsim_backend.machine import load_machine
from acalsim_backend.modelfile import ModelFile
from acalsim_backend.ops import ATEN, ROWS, broadcast
from acalsim_backend.paths import KERNELS
from acalsim_backend.plan import make_plan
from hypothesis import given, settings
from hypothesis import strategies as st

T = ACALSimOpType
ODD = torch.tensor([0.0, -0.0, 1.5, -2.5, inf, -inf, nan, 1e-40, 3e38, -1e-45])


def f(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape) + 7 * len(shape)))


def n(*shape, dtype=torch.int64):
    return torch.randint(-50, 50, shape, generator=torch.Generator().manual_seed(len(shape)), dtype=dtype)


def dimension(dim):
    return lambda x: torch.softmax(x, dim)


CASES = {
    # name: (the op that it is about, function, inputs)
    "mm": (T.MATMUL, torch.mm, (f(7, 5), f(5, 9))),
    "mm of tiles": (T.MATMUL, torch.mm, (f(8, 16), f(16, 12))),
    "mm of one row": (T.MATMUL, torch.mm, (f(1, 33), f(33, 37))),
    "mm of one column": (T.MATMUL, torch.mm, (f(9, 4), f(4, 1))),
    "mm over nothing": (T.MATMUL, torch.mm, (f(3, 0), f(0, 4))),
    "mm of no rows": (T.MATMUL, torch.mm, (f(0, 3), f(3, 4))),
    "mm of ones": (T.MATMUL, torch.mm, (f(1, 1), f(1, 1))),
    "bmm": (T.BMM, torch.bmm, (f(3, 5, 7), f(3, 7, 2))),
    "bmm of none": (T.BMM, torch.bmm, (f(0, 5, 7), f(0, 7, 2))),
    "matmul broadcast": (T.BMM, torch.matmul, (f(2, 1, 3, 4), f(5, 4, 6))),
    "addmm": (T.GEMM, torch.addmm, (f(9), f(7, 5), f(5, 9))),
    "addmm with a row": (T.GEMM, torch.addmm, (f(1, 9), f(7, 5), f(5, 9))),
    "addmm with a column": (T.GEMM, torch.addmm, (f(7, 1), f(7, 5), f(5, 9))),
    "addmm with a matrix": (T.GEMM, torch.addmm, (f(7, 9), f(7, 5), f(5, 9))),
    "addmm with one number": (T.GEMM, torch.addmm, (f(1), f(7, 5), f(5, 9))),
    "addmm with a 0-d tensor": (T.GEMM, torch.addmm, (f(), f(7, 5), f(5, 9))),
    "addmm scaled": (T.GEMM, lambda c, a, b: torch.addmm(c, a, b, beta=-0.5, alpha=3), (f(9), f(7, 5), f(5, 9))),
    "addmm without bias": (T.GEMM, lambda c, a, b: torch.addmm(c, a, b, beta=0, alpha=2), (ODD, f(2, 5), f(5, 10))),
    "addmm over nothing": (T.GEMM, torch.addmm, (f(4), f(3, 0), f(0, 4))),
    "linear of one row": (T.GEMM, torch.nn.functional.linear, (f(1, 64), f(40, 64), f(40))),
    "add": (T.ADD, torch.add, (f(3, 4), f(3, 4))),
    "add broadcast": (T.ADD, torch.add, (f(2, 1, 4, 1), f(3, 1, 5))),
    "add 0-d": (T.ADD, torch.add, (f(), f())),
    "add 0-d to matrix": (T.ADD, torch.add, (f(), f(3, 2))),
    "add nothing": (T.ADD, torch.add, (f(3, 0, 2), f(2))),
    "add number": (T.ADD, lambda x: x + 2, (f(3, 4),)),
    "add fraction": (T.ADD, lambda x: 0.1 + x, (f(3, 4),)),
    "add huge": (T.ADD, lambda x: x + 3e38, (ODD,)),
    "add tiny": (T.ADD, lambda x: x + 1e-50, (ODD,)),
    "add infinity": (T.ADD, lambda x: x + inf, (ODD,)),
    "add undefined": (T.ADD, lambda x: x + nan, (ODD,)),
    "add scaled": (T.ADD, lambda x, y: torch.add(x, y, alpha=-2.5), (f(3, 4), f(4))),
    "add scaled number": (T.ADD, lambda x: torch.add(x, 2, alpha=3), (f(3, 4),)),
    "add int64": (T.ADD, torch.add, (n(3, 4), n(4))),
    "add int64 scaled": (T.ADD, lambda x, y: torch.add(x, y, alpha=-3), (n(3, 4), n(4))),
    "add int32": (T.ADD, torch.add, (n(3, dtype=torch.int32), n(3, dtype=torch.int32))),
    "add int64 and int32": (T.ADD, torch.add, (n(3), n(3, dtype=torch.int32))),
    "add float and int64": (T.ADD, torch.add, (f(3), n(3))),
    "add fraction to int64": (T.ADD, lambda x: x + 0.5, (n(3),)),
    "add overflows": (T.ADD, lambda x: x + (2**63 - 1), (n(9),)),
    "add least": (T.ADD, lambda x: x + -(2**63), (n(9),)),
    "add to itself": (T.ADD, lambda x: x + x, (f(5),)),
    "sub": (T.SUB, torch.sub, (f(3, 4), f(3, 1))),
    "sub scaled": (T.SUB, lambda x, y: torch.sub(x, y, alpha=2), (f(3, 4), f(3, 1))),
    "sub number": (T.SUB, lambda x: x - 2, (f(3),)),
    "sub negative number": (T.SUB, lambda x: x - -2.5, (f(3),)),
    "sub from number": (T.SUB, lambda x: 2 - x, (f(3),)),
    "sub int64": (T.SUB, lambda x, y: 7 - (x - y), (n(3, 4), n(4))),
    "mul": (T.MUL, torch.mul, (f(3, 4), f(3, 4))),
    "mul odd": (T.MUL, torch.mul, (ODD, ODD.flip(0))),
    "mul number": (T.MUL, lambda x: 3 * x, (f(3),)),
    "mul large number": (T.MUL, lambda x: x * 16777217, (f(3),)),
    "mul int64": (T.MUL, lambda x, y: x * y * -3, (n(3, 4), n(4))),
    "mul int64 overflows": (T.MUL, lambda x: x * (2**62 + 1), (n(9),)),
    "mul 0-d": (T.MUL, lambda x: x * 2, (f(),)),
    "div": (T.DIV, torch.div, (f(3, 4), f(4))),
    "div odd": (T.DIV, torch.div, (ODD, ODD.flip(0))),
    "div number": (T.DIV, lambda x: x / 3, (f(3, 4),)),
    "maximum": (T.MAXIMUM, torch.maximum, (ODD[:, None], ODD)),
    "maximum with itself": (T.MAXIMUM, lambda x: torch.maximum(x, x), (ODD,)),
    "maximum int64": (T.MAXIMUM, torch.maximum, (n(4, 3), n(3))),
    "maximum int64 with itself": (T.MAXIMUM, lambda x: torch.maximum(x, x), (n(4, 3),)),
    "minimum": (T.MINIMUM, torch.minimum, (ODD[:, None], ODD)),
    "minimum int32": (T.MINIMUM, torch.minimum, (n(4, 3, dtype=torch.int32), n(3, dtype=torch.int32))),
    "neg": (T.NEG, torch.neg, (ODD,)),
    "neg int64": (T.NEG, torch.neg, (n(5),)),
    "abs": (T.ABS, torch.abs, (ODD,)),
    "relu": (T.RELU, torch.relu, (ODD,)),
    "relu int64": (T.RELU, torch.relu, (n(5),)),
    "relu of a view": (T.RELU, lambda x: torch.relu(x.view(6, 2).t()).t(), (f(3, 4),)),
    "exp": (T.EXP, torch.exp, (torch.cat([ODD, f(20)]),)),
    "log": (T.LOG, torch.log, (torch.cat([ODD, f(20).abs()]),)),
    "sqrt": (T.SQRT, torch.sqrt, (torch.cat([ODD, f(20).abs()]),)),
    "rsqrt": (T.RSQRT, torch.rsqrt, (torch.cat([ODD, f(20).abs()]),)),
    "tanh": (T.TANH, torch.tanh, (torch.cat([ODD, f(20)]),)),
    "sigmoid": (T.SIGMOID, torch.sigmoid, (torch.cat([ODD, 50 * f(20)]),)),
    "softmax last": (T.SOFTMAX, dimension(-1), (f(3, 4, 5),)),
    "softmax first": (T.SOFTMAX, dimension(0), (f(3, 4, 5),)),
    "softmax middle": (T.SOFTMAX, dimension(1), (f(3, 4, 5) * 50,)),
    "softmax 0-d": (T.SOFTMAX, dimension(0), (f(),)),
    "softmax of nothing": (T.SOFTMAX, dimension(1), (f(3, 0),)),
    "softmax of no rows": (T.SOFTMAX, dimension(1), (f(0, 3),)),
    "softmax odd": (T.SOFTMAX, dimension(1), (torch.tensor(
        [[1, nan, 2], [nan, 1, 2], [inf, 1, 2], [-inf, 1, 2], [-inf, -inf, -inf], [3e38, -3e38, 0], [1, 1, 1]]),)),
    "view": (T.VIEW, lambda x: x.view(2, 6) + 1, (f(3, 4),)),
    "view of input": (T.VIEW, lambda x: x.view(2, 6), (f(3, 4),)),
    "view of view of input": (T.VIEW, lambda x: x.view(2, 6).reshape(12), (n(3, 4),)),
    "unsqueeze": (T.VIEW, lambda x: (x + 1).unsqueeze(1), (f(3, 4),)),
    "squeeze": (T.VIEW, lambda x: (x.squeeze() + 1).squeeze(0), (f(1, 3, 1),)),
    "view of nothing": (T.VIEW, lambda x: x.view(3, 0), (f(0, 4),)),
    "view as 0-d": (T.VIEW, lambda x: x.view(()) * 2, (f(1),)),
    "permute": (T.PERMUTE, lambda x: x.permute(2, 0, 1).contiguous(), (f(2, 3, 4),)),
    "permute bool": (T.PERMUTE, lambda x: x.t(), (f(2, 3) > 0,)),
    "permute from the end": (T.PERMUTE, lambda x: x.permute(-1, 0, -2), (n(2, 3, 4),)),
    "permute int8": (T.PERMUTE, lambda x: x.transpose(0, 2), (n(2, 3, 4, dtype=torch.int8),)),
    "permute nothing": (T.PERMUTE, lambda x: x.t(), (f(2, 0),)),
    "expand": (T.EXPAND, lambda x: x.expand(2, 3, 4).contiguous(), (f(3, 1),)),
    "expand keeping sizes": (T.EXPAND, lambda x: x.expand(5, -1, 4) + 1, (f(3, 1),)),
    "expand 0-d": (T.EXPAND, lambda x: x.expand(2, 3), (n(),)),
    "expand to nothing": (T.EXPAND, lambda x: x.expand(0, 3), (f(3),)),
    "clone": (T.COPY, torch.clone, (f(3, 4),)),
    "clone of 0-d": (T.COPY, torch.clone, (n(),)),
    "clone of bool": (T.COPY, torch.clone, (ODD > 0,)),
    "clone in the middle": (T.ADD, lambda x: (x + 1).clone().detach() + 1, (f(3, 4),)),
}


class Function(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *values):
        return self.function(*values)


class Case:
    """Stands for a model file: a function and its inputs."""

    path = Path(__file__)

    def __init__(self, function, inputs):
        self.build = lambda: (Function(function), inputs)

    def guard(self, _what, call):
        return call()

    def guard_dynamo(self, call):
        return call()


class Library:
    """The programs of captured graphs, compiled for this machine and callable."""

    def __init__(self, folder, graphs):
        machine = load_machine("cpu")
        self.plans = {name: make_plan(captured.ir, machine) for name, captured in graphs.items()}
        sources = []
        for index, (name, captured) in enumerate(graphs.items()):
            place = folder / f"case_{index}"
            write_files(code_files(captured.ir, self.plans[name], machine, place), place)
            inputs = max(self.plans[name].blocks[".inputs"], 1)
            (place / "host.c").write_text(
                f'#define main main_{index}\n#define graph_symbols symbols_{index}\n#define graph_symbol_count count_{index}\n'
                + "".join(f"#define {symbol} {symbol}_{index}\n" for symbol in hidden(captured.ir))
                + f'#include "graph_0.c"\nchar graph_0_inputs[{inputs}];\n{parameters(captured.ir)}'
            )
            sources.append(place)
        self.index = {name: index for index, name in enumerate(graphs)}
        self.library = self._compile(folder, sources)

    def _compile(self, folder, sources):
        warnings = [flag for flag in toolchain.CFLAGS if flag.startswith(("-W", "-f", "-std"))]
        flags = [*warnings, "-O1", "-fPIC", "-ffp-contract=fast", f"-I{KERNELS}"]
        commands = [["gcc", *flags, f"-I{place}", "-c", place / "host.c", "-o", place / "host.o"] for place in sources]
        running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
        failures = [text for process in running for text in [process.communicate()[1]] if process.returncode]
        assert not failures, failures[0]
        library = folder / "cases.so"
        subprocess.run(["gcc", "-shared", "-o", library, *(place / "host.o" for place in sources), "-lm"], check=True)
        return ctypes.CDLL(library)

    def run(self, name, captured):
        """The outputs that the program computes from the captured inputs."""
        plan, index = self.plans[name], self.index[name]
        inputs = placed_inputs(captured.ir, plan, [array.tobytes() for array in captured.inputs])
        outputs = ctypes.create_string_buffer(max(plan.blocks[".outputs"], 1))
        getattr(self.library, f"graph_0_forward_{index}")(inputs, outputs)
        return [self._tensor(captured.ir.tensors[out], plan.place(out), outputs.raw) for out in captured.ir.outputs]

    @staticmethod
    def _tensor(desc, place, block):
        return np.frombuffer(block, desc.dtype, desc.elements, place.offset).reshape(desc.shape)


def hidden(ir):
    return [f"{ir.name}_{what}" for what in ("init", "forward", "cleanup", "inputs", "buffers", "outputs")] + ir.params


def parameters(ir):
    lines = []
    for name in ir.params:
        if ir.tensors[name].elements:
            values = ", ".join(Site.literal(value) for value in ir.constants[name].ravel().tolist())
            lines.append(f"const {C_TYPES[ir.tensors[name].dtype]} {name}[] = {{{values}}};\n")
    return "".join(lines)


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """For every case: its graph and what its program computes."""
    graphs = {name: capture.capture_model(Case(function, inputs)) for name, (_, function, inputs) in CASES.items()}
    library = Library(tmp_path_factory.mktemp("ops"), graphs)
    return {name: (captured, library.run(name, captured)) for name, captured in graphs.items()}


@pytest.mark.parametrize("name", CASES)
def test_an_op_computes_what_pytorch_computes(computed, name):
    captured, outputs = computed[name]
    assert len(outputs) == len(captured.references) >= 1
    for output, reference in zip(outputs, captured.references, strict=True):
        assert (output.dtype, output.shape) == (reference.dtype, reference.shape)
        if output.dtype == np.float32:
            np.testing.assert_allclose(output, reference, rtol=2e-6, atol=2e-6, equal_nan=True)
        else:
            np.testing.assert_array_equal(output, reference)


@pytest.mark.parametrize("name", CASES)
def test_a_case_is_about_the_op_that_it_names(computed, name):
    assert CASES[name][0] in {op.op_type for op in computed[name][0].ir.ops}


def test_every_row_has_a_case():
    assert {case[0] for case in CASES.values()} == set(ROWS) == set(ACALSimOpType)


def test_an_aten_overload_belongs_to_one_row():
    assert len(ATEN) == sum(len(row.aten) for row in ROWS.values())


def test_the_names_of_a_row_are_those_of_its_schemas():
    for name, row in ATEN.items():
        packet, overload = name.removeprefix("aten.").split(".")
        schema = {argument.name for argument in getattr(getattr(torch.ops.aten, packet), overload)._schema.arguments}
        assert set(row.operands) <= schema and set(row.attrs) - {"shape"} <= schema | {"alpha"}, name


def test_matrix_products_count_their_multiply_accumulates(computed):
    counted = {name: [ROWS[op.op_type].count_macs(captured.ir, op) for op in captured.ir.ops]
               for name, (captured, _) in computed.items() if name in ("mm", "bmm", "addmm", "mm over nothing", "add")}
    assert counted == {"mm": [7 * 5 * 9], "bmm": [3 * 5 * 7 * 2], "addmm": [7 * 5 * 9], "mm over nothing": [0], "add": [0]}


@pytest.mark.parametrize(
    "function, inputs, sentence",
    [
        (torch.mm, (n(2, 3), n(3, 2)), "has tensor 'input_0' of int64; MATMUL takes float32"),
        (torch.div, (n(2), n(2)), "has tensor 'input_0' of int64; DIV takes float32"),
        (torch.mul, (f(2), f(2) > 0), "of bool; MUL takes float32, int64, int32"),
        (torch.abs, (n(2),), "ABS takes float32"),
    ],
)
def test_a_dtype_that_a_row_does_not_take_is_refused(function, inputs, sentence):
    case = Case(function, inputs)
    case.guard_dynamo = ModelFile(case.path).guard_dynamo
    with pytest.raises(CaptureError, match=sentence):
        capture.capture_model(case)


# --- loops and shapes ---------------------------------------------------------------------------

SIZES = st.lists(st.integers(0, 4), max_size=4)


@settings(max_examples=200, deadline=None)
@given(SIZES, st.data())
def test_shapes_broadcast_as_in_pytorch(shape, data):
    shapes = [[data.draw(st.sampled_from([1, size])) for size in shape[data.draw(st.integers(0, len(shape))):]] for _ in range(2)]
    assert broadcast([tuple(one) for one in shapes], {}) == tuple(torch.broadcast_shapes(*shapes))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=3), st.lists(st.integers(0, 3), min_size=1, max_size=3))
def test_shapes_that_pytorch_does_not_broadcast_are_refused(one, other):
    try:
        expected = tuple(torch.broadcast_shapes(one, other))
    except RuntimeError:
        with pytest.raises(ValueError, match="do not broadcast"):
            broadcast([tuple(one), tuple(other)], {})
    else:
        assert broadcast([tuple(one), tuple(other)], {}) == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 4), max_size=4), st.data())
def test_collapsed_loops_walk_the_same_addresses(shape, data):
    walk = [data.draw(st.sampled_from([0, 1, 2, 12])) for _ in shape]
    sizes, (steps, again) = collapse(tuple(shape), [Site.strides(tuple(shape)), walk])

    def addresses(sizes, steps):
        return [sum(i * step for i, step in zip(index, steps, strict=True)) for index in np.ndindex(*sizes)]

    assert addresses(sizes, steps) == list(range(int(np.prod(shape))))
    assert addresses(sizes, again) == addresses(shape, walk)


def test_a_0_d_tensor_needs_no_loop():
    assert loops([], "y[0] = x[0];") == ["y[0] = x[0];"]


@pytest.mark.parametrize("value", [0.1, -0.0, 1e-45, 3.4e38, 1.0, 1e300, -1e300, 1e-300])
def test_the_literal_of_a_float_is_its_nearest_float32(value):
    with np.errstate(over="ignore"):
        expected = np.float32(value)
    text = Site.literal(value).removesuffix("f")
    assert np.float32(float.fromhex(text.replace("INFINITY", "inf"))).tobytes() == expected.tobytes()
