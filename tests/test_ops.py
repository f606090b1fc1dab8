# SPDX-License-Identifier: Apache-2.0
"""Every row of ops.ROWS against PyTorch: captured, printed as C, compiled for this machine, run, compared.

The cases of a row are one graph, so one capture and one compilation serve them all.
"""

import functools
import pickle
from math import nan

import pytest
import torch
import torch.nn.functional as F
from acalsim_backend.capture.model import Captured
from acalsim_backend.capture.rules import WITHOUT_EFFECT
from acalsim_backend.ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from acalsim_backend.ir.ops import ATEN, ROWS
from acalsim_backend.ir.verify import verify
from host_fixtures import Library, captured_function
from op_cases.__init__ import CASES, DECOMPOSED, OF_INT8
from op_cases.computed import assert_same, computed_together
from op_cases.values import T, Values

values = Values(10)
b, f, n = values.b, values.f, values.n


QUICK = {T.MATMUL, T.ADD, T.EXP, T.WHERE, T.SUM, T.SOFTMAX, T.LAYER_NORM, T.PERMUTE, T.CAT, T.INDEX, T.SORT}
"""One or two ops of each kind."""


@pytest.fixture(scope="module")
def computed(made_once):
    """computed(type): of an op's cases the types of the graph's ops, and each case's results.

    All cases of an op are computed at once, by the worker that comes to the first of them.
    """

    def compute_cases(type, folder):
        captured, results = computed_together(list(CASES[type].values()), folder)
        found = [op.op_type for op in captured.ir.ops], dict(zip(CASES[type], results, strict=True))
        (folder / "found").write_bytes(pickle.dumps(found))

    @functools.cache
    def attempt(type):
        try:
            folder = made_once(f"op-{type.name}", functools.partial(compute_cases, type))
        except Exception as error:
            return error
        return pickle.loads((folder / "found").read_bytes())

    def compute(type):
        found = attempt(type)
        if isinstance(found, Exception):
            raise found
        return found

    return compute


@pytest.mark.parametrize(
    "type, name",
    [
        pytest.param(type, name, marks=[pytest.mark.quick] * (type in QUICK))
        for type, cases in CASES.items()
        for name in cases
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_an_op_computes_what_pytorch_computes(computed, type, name):
    results = computed(type)[1][name]
    assert results
    for output, reference in results:
        assert_same(output, reference, *CASES[type][name][2:])


@pytest.mark.parametrize(
    "type", [type for type in CASES if type not in DECOMPOSED], ids=lambda type: type.name
)
def test_the_cases_of_an_op_are_about_it(computed, type):
    """A case whose op is decomposed, or computed before the program runs, would test another one."""
    found = computed(type)[0].count(type)
    assert found >= 0.6 * len(CASES[type])


HAND_WRITTEN = [
    (T.ALL, {"dim": [1]}, lambda x: x.all(1), (b(3, 4) | b(3, 4),)),
    (T.ALL, {"keepdim": True}, lambda x: x.all().view(1, 1), (n(3, 4),)),
    (T.ALL, {"dim": [0]}, lambda x: x.all(0), (torch.tensor([[0.5, nan, -0.0], [1, 2, 3]]),)),
    (
        T.SELECT_SCATTER,
        {"dim": 1, "index": -1},
        lambda x, v: torch.select_scatter(x, v, 1, -1),
        (f(3, 4), f(3)),
    ),
    (T.SELECT_SCATTER, {"dim": 0, "index": 2}, lambda x, v: torch.select_scatter(x, v, 0, 2), (n(5), n())),
]


@pytest.mark.parametrize(
    "type, attrs, function, inputs", HAND_WRITTEN, ids=lambda value: getattr(value, "name", None)
)
def test_an_op_that_pytorch_would_decompose_computes_the_same(type, attrs, function, inputs, tmp_path):
    ir, reference = ACALSimIR("graph_0"), function(*inputs)
    names = [
        ir.add_tensor(TensorDesc(f"x_{at}", tuple(x.shape), str(x.dtype)[6:], is_input=True)).name
        for at, x in enumerate(inputs)
    ]
    ir.add_tensor(TensorDesc("y", tuple(reference.shape), str(reference.dtype)[6:], is_output=True))
    ir.add_op(ACALSimOp(type, "op", tuple(names), ("y",), attrs))
    ir.outputs = ["y"]
    captured = Captured(verify(ir), [x.numpy() for x in inputs], [reference.numpy()], {})
    assert_same(Library(tmp_path, {"graph": captured}).run("graph")[0], captured.references[0])


def test_every_row_has_cases():
    assert set(CASES) | OF_INT8 == set(ROWS) == set(ACALSimOpType) - {T.LOAD, T.STORE}


def test_an_aten_overload_belongs_to_one_row():
    assert len(ATEN) == sum(len(row.aten) for row in ROWS.values())


def schema(name):
    library, packet, overload = name.split("#")[0].split(".")
    return getattr(getattr(getattr(torch.ops, library), packet), overload)._schema


OWN_NAMES = {
    "shape": "what the result's shape says",
    "dims": "where the index tensors stand",
    "safe": "which softmax",
    "causal": "that no key behind a query counts",
    "indices": "a list of tensors",
}
"""Names that are the IR's and not ATen's."""


@pytest.mark.parametrize("name", ATEN)
def test_the_names_of_a_row_are_those_of_its_schemas(name):
    row, known = ATEN[name], set()
    for each in ATEN[name].aten:
        known |= (
            {argument.name for argument in schema(each)._schema.arguments}
            if hasattr(schema(each), "_schema")
            else {argument.name for argument in schema(each).arguments}
        )
    assert {*row.operand_names, *row.attrs} <= known | OWN_NAMES.keys()


@pytest.mark.parametrize("name", ATEN)
def test_a_row_knows_every_argument_that_matters(name):
    """An argument that is neither operand nor attr is refused where it is given, unless it has no effect."""
    row = ATEN[name]
    unknown = (
        {argument.name for argument in schema(name).arguments}
        - {*row.operand_names, *row.attrs}
        - WITHOUT_EFFECT
        - OWN_NAMES.keys()
    )
    assert unknown <= {"size", "dim", "out_dtype", "a", "sparse_grad", "include_self"}


def test_products_count_their_multiply_accumulates():
    cases = {
        7 * 5 * 9: (torch.mm, (f(7, 5), f(5, 9))),
        3 * 5 * 7 * 2: (torch.bmm, (f(3, 5, 7), f(3, 7, 2))),
        7 * 5 * 8: (torch.addmm, (f(8), f(7, 5), f(5, 8))),
        0: (torch.mm, (f(3, 0), f(0, 4))),
        2 * 5 * 6 * 6 * 3 * 3 * 3: (lambda x, w: F.conv2d(x, w, padding=1), (f(2, 3, 6, 6), f(5, 3, 3, 3))),
        2 * 4 * 4 * 4 * 3 * 3: (lambda x, w: F.conv2d(x, w, groups=4), (f(2, 4, 6, 6), f(4, 1, 3, 3))),
        2 * 3 * 6 * 5 * 4 * 2: (
            lambda x, w: F.conv_transpose2d(x, w, stride=2),
            (f(2, 3, 6, 5), f(3, 4, 1, 2)),
        ),
    }
    for macs, (function, inputs) in cases.items():
        ir = captured_function(function, inputs).ir
        assert sum(ROWS[op.op_type].count_macs(ir, op) for op in ir.ops) == macs
