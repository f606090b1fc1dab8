# SPDX-License-Identifier: Apache-2.0
"""Models in their own dtypes, held to what PyTorch computes in these."""

import pytest
import torch
from acalsim_backend import ACALSimBackend
from acalsim_backend.errors import CaptureError
from host_fixtures import captured_function
from op_cases.complex import cases as complex_cases
from op_cases.computed import assert_same, computed_together
from op_cases.dtypes import double_cases, integer_cases


def assert_all_same(cases, folder):
    names = [name for name, *_ in cases]
    _, results = computed_together([case for _, *case in cases], folder)
    for name, pairs in zip(names, results, strict=True):
        for output, reference in pairs:
            try:
                assert_same(output, reference)
            except AssertionError as error:
                raise AssertionError(f"{name}: {error}") from None


def test_narrow_integers_wrap_around_and_are_promoted_as_in_pytorch(tmp_path):
    assert_all_same(list(integer_cases()), tmp_path)


def test_float64_is_computed_in_double_precision(tmp_path):
    assert_all_same(list(double_cases()), tmp_path)


def test_complex_numbers_are_pairs_of_floats(tmp_path):
    assert_all_same(list(complex_cases()), tmp_path)


def test_what_is_not_computed_of_complex_numbers_is_refused_in_a_line():
    with pytest.raises(CaptureError, match=r"op aten\.acosh\.default of complex tensors is not supported"):
        captured_function(torch.acosh, (torch.ones(2, dtype=torch.complex64),))


def test_torch_compile_gives_back_each_tensor_in_its_own_dtype():
    def model(z, small, wide):
        return z * z, z.conj(), small * 2, small.sum(0, dtype=torch.int32), wide * 0.1, wide.to(torch.int16)

    inputs = (
        torch.tensor([1 + 2j, 3 - 1j]),
        torch.tensor([1, 200], dtype=torch.uint8),
        torch.tensor([1.5, -300.0], dtype=torch.float64),
    )
    compiled = torch.compile(model, backend=ACALSimBackend(mode="simulate", machine="cpu"))
    for found, expected in zip(compiled(*inputs), model(*inputs), strict=True):
        assert found.dtype == expected.dtype and torch.equal(found, expected)
