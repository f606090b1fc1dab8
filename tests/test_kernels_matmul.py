# SPDX-License-Identifier: Apache-2.0
"""The products of kernels/matmul.h against numpy."""

import ctypes

import numpy as np
import pytest
from kernel_fixtures import MOST, PRODUCTS

pytestmark = pytest.mark.quick


def array_of(library, name):
    return np.ctypeslib.as_array((ctypes.c_float * MOST).in_dll(library, name))


def operands(product, random):
    shape_a, shape_b = (product.batches, product.m, product.k), (product.batches, product.k, product.n)
    if product.b_is_shared:
        shape_b = (1, *shape_b[1:])
    return random.standard_normal(shape_a).astype("f4"), random.standard_normal(shape_b).astype("f4")


def stored(array, is_transposed):
    return (array.swapaxes(1, 2) if is_transposed else array).ravel()


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)
def test_products_are_numpys(library, product):
    left, right = operands(product, np.random.default_rng(3))
    a, b, y = (array_of(library, name) for name in "aby")
    a[: left.size], b[: right.size] = (
        stored(left, product.a_is_transposed),
        stored(right, product.b_is_transposed),
    )
    y[:] = -1e30
    getattr(library, product.name)()
    want = 2 * (left.astype("f8") @ right.astype("f8")) + np.arange(product.n)
    np.testing.assert_allclose(y[: want.size], want.ravel(), rtol=1e-5, atol=1e-5)
    assert (y[want.size :] == -1e30).all()


def test_sums_are_fused_from_zero_in_ascending_k(library):
    product = next(p for p in PRODUCTS if (p.m, p.n, p.k) == (13, 17, 11))
    left, right = operands(product, np.random.default_rng(5))
    a, b, y = (array_of(library, name) for name in "aby")
    a[: left.size], b[: right.size] = left.ravel(), right.ravel()
    getattr(library, product.name)()
    sums = np.zeros((product.m, product.n), "f4")
    for k in range(product.k):  # exact in float64 but for the sum, whose second rounding hardly ever matters
        sums = (left[0][:, k : k + 1].astype("f8") * right[0][k : k + 1].astype("f8") + sums).astype("f4")
    want = (2 * sums.astype("f8") + np.arange(product.n)).astype("f4").ravel()
    assert (y[: want.size] != want).sum() <= 1
