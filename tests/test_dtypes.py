# SPDX-License-Identifier: Apache-2.0
"""Models in their own dtypes, held to what PyTorch computes in these."""

from op_cases.computed import assert_same, computed_together
from op_cases.dtypes import integer_cases


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
