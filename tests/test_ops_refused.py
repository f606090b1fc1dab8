# SPDX-License-Identifier: Apache-2.0
"""What no row takes is refused by name; an index that is out of range ends the program."""

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from acalsim_backend.capture.model import capture_model
from acalsim_backend.capture.model_file import ModelFile
from acalsim_backend.errors import CaptureError
from host_fixtures import Case, Library, captured_function
from op_cases.computed import assert_same
from op_cases.values import INT32, Values, aten

pytestmark = pytest.mark.quick

values = Values(12)
b, f, n = values.b, values.f, values.n


def refused(function, *inputs):
    case = Case(function, inputs)
    case.guard_dynamo, case.told = ModelFile(case.path).guard_dynamo, ModelFile(case.path).told
    with pytest.raises(CaptureError) as caught:
        capture_model(case)
    return str(caught.value)


@pytest.mark.parametrize(
    "function, inputs, sentence",
    [
        (torch.mm, (n(2, 3), n(3, 2)), "has tensor 'input_0' of int64; MATMUL takes float32"),
        (torch.bmm, (n(2, 3, 3, dtype=INT32), n(2, 3, 3, dtype=INT32)), "of int32; BMM takes float32"),
        (
            lambda x: x.to(torch.complex128) + 1,
            (f(3),),
            "dtype complex128 of the result of aten._to_copy.default is not supported",
        ),
        (
            lambda x: x.to(torch.float8_e5m2),
            (f(3),),
            "dtype float8_e5m2 of the result of aten._to_copy.default is not supported",
        ),
        (lambda x: x[x > 0], (f(3),), "depends on values"),
        (lambda x: torch.nonzero(x), (f(3),), "op aten.nonzero.default on (3,) is not supported"),
        (
            lambda x, m, i: aten.index_put(x, (i, m), torch.ones(())),
            (f(2, 3), b(3), n(3, low=0, high=2)),
            "op aten.index_put.default with a mask beside other indices is not supported",
        ),
        (lambda x: torch.bincount(x), (n(3, low=0),), "op aten.bincount.default on (3,) is not supported"),
        (lambda x: torch.unique(x), (f(3),), "op aten._unique2.default on (3,) is not supported"),
        (
            lambda x: x.as_strided((3, 2), (1, 1)),
            (f(3, 4)[:, :2],),
            "as_strided of memory that (3, 2) with strides (4, 1) does not cover is not supported",
        ),
    ],
)
def test_what_no_row_takes_is_refused_by_name(function, inputs, sentence):
    assert sentence in refused(function, *inputs)


def test_indexing_by_a_mask_is_refused_and_says_why():
    said = refused(lambda x, m: x[m], f(3, 4), b(3, 4))
    assert "aten.index.Tensor" in said and "depends on values" in said and len(said.splitlines()) <= 2


def test_all_that_is_not_supported_is_told_at_once_with_its_lines():
    def function(x):
        y = torch.linalg.svdvals(x)
        z = torch.linalg.qr(x).R
        return torch.linalg.eigvalsh(x) + y, z

    first = function.__code__.co_firstlineno
    said = re.findall(
        r"op aten\.(\w+)\.default on \(4, 4\) is not supported \(at tests/test_ops_refused\.py:(\d+)\)",
        refused(function, f(4, 4)),
    )
    assert [(name, int(line) - first) for name, line in said] == [
        ("_linalg_svd", 1),
        ("linalg_qr", 2),
        ("_linalg_eigh", 3),
    ]


@pytest.mark.parametrize(
    "function, inputs",
    [
        (lambda w, i: F.embedding(i, w), (f(7, 4), torch.tensor([0, 6]))),
        (lambda x, i: x[i], (f(7, 4), torch.tensor([0, -7]))),
        (lambda x, i: x.gather(0, i), (f(7), torch.tensor([0, 6]))),
        (lambda x, i: aten.index_put(x, (i,), torch.tensor(1.0)), (f(7), torch.tensor([0, 6]))),
        (lambda x, i: x.scatter(0, i, 2.0), (f(7), torch.tensor([0, 6]))),
        (lambda x, i: x.index_select(0, i), (f(7), torch.tensor([0, 6]))),
    ],
    ids=["embedding", "index", "gather", "index_put", "scatter", "index_select"],
)
def test_a_place_that_is_not_there_ends_the_program(function, inputs, tmp_path):
    captured = captured_function(function, inputs)
    library = Library(tmp_path, {"graph": captured})
    assert_same(library.run("graph")[0], captured.references[0])
    beyond = [array + 7 if array.dtype == np.int64 else array for array in captured.inputs]
    with pytest.raises(IndexError, match="index (7|13) is out of bounds with size 7"):
        library.run("graph", beyond)
