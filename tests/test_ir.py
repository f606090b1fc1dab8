# SPDX-License-Identifier: Apache-2.0
"""The graph's text form, line by line and back, and every sentence with which a bad graph is refused."""

import re
from dataclasses import replace

import pytest
from acalsim_backend.errors import IRError
from acalsim_backend.ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from acalsim_backend.ir.text import parse
from acalsim_backend.ir.verify import verify

pytestmark = pytest.mark.quick

T = ACALSimOpType

TUTORIAL = """\
=== ACALSim IR: graph_0 ===

Tensors:
  input_0: (8, 16) float32 [input]
  param_1: (16, 8) float32 [param]
  t_2: (8, 8) float32
  param_3: (8,) float32 [param]
  t_4: (8, 8) float32 [output]

Operations:
  0: t_2 = MATMUL(input_0, param_1)
  1: t_4 = ADD(t_2, param_3)

Inputs: ['input_0']
Outputs: ['t_4']
"""


def graph(tensors=(), ops=(), outputs=(), name="graph_0"):
    ir = ACALSimIR(name)
    for desc in tensors:
        ir.add_tensor(desc)
    for op in ops:
        ir.add_op(op)
    ir.outputs = list(outputs)
    return ir


def tutorial():
    return graph(
        [
            TensorDesc("input_0", (8, 16), is_input=True),
            TensorDesc("param_1", (16, 8), is_param=True),
            TensorDesc("t_2", (8, 8)),
            TensorDesc("param_3", (8,), is_param=True),
            TensorDesc("t_4", (8, 8), is_output=True),
        ],
        [
            ACALSimOp(
                T.MATMUL,
                "matmul_0",
                ("input_0", "param_1"),
                ("t_2",),
                {},
                1024,
                "models/matmul.py:17",
                ("aten.mm.default",),
            ),
            ACALSimOp(T.ADD, "add_1", ("t_2", "param_3"), ("t_4",), {}, 64),
        ],
        ["t_4"],
    )


def varied():
    """Attrs of every kind, 0-d and empty tensors, all dtypes, several outputs, one of them twice."""
    return graph(
        [
            TensorDesc("x", (), is_input=True),
            TensorDesc("y", (0, 3), "int64", is_input=True),
            TensorDesc("flags", (2, 3), "bool", is_param=True),
            TensorDesc("a", (), is_output=True),
            TensorDesc("b", (0, 3), "int64", is_output=True),
            TensorDesc("c", (3, 2), "bool", is_output=True),
            TensorDesc("d", (1,), is_output=True),
        ],
        [
            ACALSimOp(
                T.ADD,
                "add",
                ("x",),
                ("a",),
                {"other": 0.1, "alpha": 3},
                1,
                "a file.py (module 0.fc)",
                ("aten.add.Tensor", "aten.max.dim#0"),
            ),
            ACALSimOp(T.MUL, "mul", ("y",), ("b",), {"self": -2}, 0),
            ACALSimOp(T.PERMUTE, "permute", ("flags",), ("c",), {"dims": [1, 0]}, 6),
            ACALSimOp(T.VIEW, "view", ("a",), ("d",), {"shape": [1]}, 1),
        ],
        ["d", "a", "b", "c", "a"],
    )


def test_the_tutorials_graph_prints_as_in_the_tutorial():
    assert str(tutorial()).startswith(TUTORIAL)
    assert str(tutorial()).removeprefix(TUTORIAL) == (
        "\nSources:\n  0: matmul_0 models/matmul.py:17 [aten.mm.default]\n  1: add_1 ? []\n"
    )


@pytest.mark.parametrize("make", [tutorial, varied, lambda: graph()])
def test_a_graph_reads_back_from_its_text(make):
    ir, again = make(), parse(str(make()))
    assert (again.name, again.tensors, again.ops, again.outputs) == (ir.name, ir.tensors, ir.ops, ir.outputs)
    assert (again.inputs, again.params) == (ir.inputs, ir.params)
    assert str(again) == str(ir)


def test_a_graph_that_names_no_aten_ops_reads_back():
    text = str(tutorial()).replace(" [aten.mm.default]", "").replace("add_1 ? []", "add_1 ?")
    assert [(op.source, op.aten) for op in parse(text).ops] == [("models/matmul.py:17", ()), ("", ())]


def test_infinite_and_undefined_numbers_read_back():
    ir = varied()
    ir.ops[0] = replace(ir.ops[0], attrs={"other": float("-inf")})
    assert parse(str(ir)).ops[0].attrs == {"other": float("-inf")}
    ir.ops[0] = replace(ir.ops[0], attrs={"other": float("nan")})
    assert str(parse(str(ir))) == str(ir)


def test_sizes_count_the_dtypes_bytes():
    assert [
        TensorDesc("t", (3, 5), dtype).size_bytes for dtype in ("float32", "int64", "int32", "int8", "bool")
    ] == [60, 120, 60, 15, 15]
    assert (TensorDesc("t", ()).elements, TensorDesc("t", (4, 0)).size_bytes) == (1, 0)


def test_inputs_and_parameters_are_listed_in_order_of_declaration():
    assert (tutorial().inputs, tutorial().params) == (["input_0"], ["param_1", "param_3"])


def test_a_tensor_is_declared_once():
    with pytest.raises(IRError, match="^graph_0: tensor 'a' is declared twice$"):
        graph([TensorDesc("a", ()), TensorDesc("a", (1,))])


def changed(number, **fields):
    """The tutorial's graph with one op changed."""
    ir = tutorial()
    ir.ops[number] = replace(ir.ops[number], **fields)
    return ir


def described(name, **fields):
    """The tutorial's graph with one tensor changed."""
    ir = tutorial()
    ir.tensors[name] = replace(ir.tensors[name], **fields)
    return ir


def with_outputs(*names):
    ir = tutorial()
    ir.outputs = list(names)
    return ir


REFUSED = [
    (
        lambda: described("t_2", dtype="complex64"),
        "tensor 't_2' has dtype complex64; known are float32, float64, int64, int32, int16, int8, uint8, bool",
    ),
    (lambda: described("t_2", shape=(8, -1)), "tensor 't_2' has shape (8, -1); sizes are not negative"),
    (
        lambda: changed(0, inputs=("t_4", "param_1")),
        "op 'matmul_0' reads 't_4', which nothing has written before it",
    ),
    (lambda: changed(0, outputs=("t_9",)), "op 'matmul_0' writes 't_9', which is not declared"),
    (lambda: changed(1, outputs=("t_2",)), "op 'add_1' writes 't_2', which is written already"),
    (lambda: changed(1, outputs=("param_3",)), "op 'add_1' writes 'param_3', which is written already"),
    (lambda: described("t_2", shape=(8, 9)), "op 'matmul_0' writes 't_2' of (8, 9); its inputs make (8, 8)"),
    (
        lambda: described("param_1", shape=(17, 8)),
        "op 'matmul_0': MATMUL does not take (8, 16), (17, 8): inner or batch sizes differ",
    ),
    (
        lambda: described("param_3", shape=(3,)),
        "op 'add_1': ADD does not take (8, 8), (3,): sizes (8, 3) do not broadcast",
    ),
    (
        lambda: described("input_0", dtype="int64"),
        "op 'matmul_0' has tensor 'input_0' of int64; MATMUL takes float32",
    ),
    (lambda: described("t_4", dtype="int64"), "op 'add_1' writes 't_4' of int64; its inputs make float32"),
    (lambda: changed(0, inputs=("input_0",)), "op 'matmul_0': MATMUL takes self, mat2 and has one result"),
    (lambda: changed(1, inputs=("t_2",)), "op 'add_1': ADD takes self, other and has one result"),
    (lambda: changed(1, outputs=()), "op 'add_1': ADD takes self, other and has one result"),
    (
        lambda: changed(1, inputs=("t_2",), attrs={"other": "x"}),
        "op 'add_1': ADD takes a tensor as 'other', not 'x'",
    ),
    (lambda: changed(1, attrs={"beta": 2}), "op 'add_1': ADD has no attr 'beta'; it has alpha"),
    (lambda: changed(1, name="matmul_0"), "2 ops are named 'matmul_0'"),
    (lambda: changed(1, name="add-1"), "op name 'add-1' is not a C identifier"),
    (lambda: graph([TensorDesc("1a", ())]), "tensor name '1a' is not a C identifier"),
    (lambda: with_outputs("t_2"), "output 't_2' is not produced, or not marked [output]"),
    (lambda: with_outputs("t_7"), "output 't_7' is not produced, or not marked [output]"),
    (lambda: with_outputs(), "tensor 't_4' is marked [output], but the outputs are []"),
    (
        lambda: graph([TensorDesc("x", (), is_input=True, is_output=True)], outputs=["x"]),
        "output 'x' is an input or a parameter; outputs are copies of those",
    ),
    (lambda: one_op(T.SOFTMAX), "op 'op': SOFTMAX does not take (2, 3): attr 'dim' is missing"),
    (
        lambda: one_op(T.SOFTMAX, {"dim": 2}),
        "op 'op': SOFTMAX does not take (2, 3) {'dim': 2}: there is no dimension 2",
    ),
    (lambda: one_op(T.PERMUTE, {"dims": [0, 0]}), "dims name every dimension once"),
    (lambda: one_op(T.PERMUTE, {}), "attr 'dims' is missing"),
    (lambda: one_op(T.VIEW, {"shape": [7]}), "a view keeps the number of elements"),
    (lambda: one_op(T.EXPAND, {"shape": [3, 2]}), "do not broadcast"),
    (lambda: one_op(T.EXPAND, {"shape": [1]}), "the shape does not expand"),
]


def one_op(type, attrs=None):
    tensors = [TensorDesc("x", (2, 3), is_input=True), TensorDesc("y", (2, 3), is_output=True)]
    return graph(tensors, [ACALSimOp(type, "op", ("x",), ("y",), attrs or {})], ["y"])


@pytest.mark.parametrize("make, sentence", REFUSED, ids=[sentence[:50] for _, sentence in REFUSED])
def test_a_bad_graph_is_refused_by_name(make, sentence):
    with pytest.raises(IRError, match=re.escape(sentence)):
        verify(make())


def test_a_good_graph_is_returned():
    ir = tutorial()
    assert verify(ir) is ir and verify(varied())


@pytest.mark.parametrize(
    "old, new, sentence",
    [
        ("=== ACALSim IR: graph_0 ===", "hello", "line 1 is not '=== ACALSim IR: NAME ==='"),
        ("t_2: (8, 8) float32", "t_2: 8x8", "line 6 is not understood: 't_2: 8x8'"),
        ("MATMUL(input_0", "MAGIC(input_0", "line 11 is not understood: '0: t_2 = MAGIC(input_0, param_1)'"),
        ("1: add_1 ? []", "7: add_1 ? []", "line 19 is not understood: '7: add_1 ? []'"),
        ("Tensors:", "Cushions:", "line 3 is not understood: 'Cushions:'"),
        ("ADD(t_2, param_3)", "ADD(t_2, param_9)", "reads 'param_9', which nothing has written"),
    ],
)
def test_text_that_does_not_fit_is_refused_by_line(old, new, sentence):
    with pytest.raises(IRError, match=re.escape(sentence)):
        parse(str(tutorial()).replace(old, new))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "=== ACALSim IR: g ===\nOperations:\n  0: t = ADD(x) {broken}\n",
        "=== ACALSim IR: g ===\nTensors:\n  t: (1, x) float32\n",
        "=== ACALSim IR: g ===\nOutputs: [\n",
    ],
)
def test_broken_text_is_never_a_traceback(text):
    with pytest.raises(IRError):
        parse(text)
