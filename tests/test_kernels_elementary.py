# SPDX-License-Identifier: Apache-2.0
"""The functions of kernels/elementary.h against numpy and PyTorch, in units of the last place."""

import numpy as np
import pytest
import torch
from kernel_fixtures import FUNCTIONS, apply

pytestmark = pytest.mark.quick


def last_place(values):
    """The distance between float32 numbers at these values, subnormal ones included."""
    return 2.0 ** np.maximum(np.floor(np.log2(np.maximum(np.abs(values), 1e-300))) - 23, -149)


def all_exponents():
    """Numbers of every exponent and both signs, about a million, NaN left out."""
    numbers = np.arange(0, 2**32, 4099, dtype="u8").astype("u4").view("f4")
    return numbers[~np.isnan(numbers)]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_elementary_functions_are_right_in_the_last_places(library, name):
    reference, places, (low, high) = FUNCTIONS[name]
    samples = [np.linspace(low, high, 200001), np.linspace(-2, 2, 200001), all_exponents()]
    x = np.concatenate(samples).astype("f4")
    if name in ("sin", "cos"):
        x = x[np.abs(x) < 1e6]
    elif name == "sigmoid":
        x = x[x > -88]  # further down PyTorch, too, has 1 / inf
    want, found = reference(x.astype("f8")), apply(library, name, x)
    is_finite = np.abs(want) < 2.0**128 * (1 - 2.0**-25)
    rounded = want.astype("f4")
    assert (found[~is_finite] == rounded[~is_finite])[~np.isnan(rounded[~is_finite])].all()
    assert np.isnan(found[np.isnan(want)]).all()
    error = np.abs(found[is_finite].astype("f8") - want[is_finite]) / last_place(want[is_finite])
    worst = error.argmax()
    assert error[worst] <= places, f"{name}({x[is_finite][worst]!r})"


SPECIAL = np.array(
    [
        0.0,
        -0.0,
        np.inf,
        -np.inf,
        np.nan,
        1e-45,
        -1e-45,
        1e-30,
        -1e-30,
        3.4e38,
        -3.4e38,
        1,
        -1,
        88.8,
        -103.9,
        -200,
    ],
    "f4",
)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values_come_out_as_pytorch_has_them(library, name):
    x = SPECIAL[~(np.abs(SPECIAL) > 1e15) | np.isinf(SPECIAL)] if name in ("sin", "cos") else SPECIAL
    # In float64 and rounded: PyTorch's float32 kernels flush some subnormal results.
    want = getattr(torch, name)(torch.from_numpy(x).double()).numpy().astype("f4")
    if name == "sigmoid":
        want = torch.sigmoid(torch.from_numpy(x)).numpy()
    found = apply(library, name, x)
    np.testing.assert_allclose(found, want, rtol=3e-7, atol=0)
    zero = want == 0
    assert (np.signbit(found) == np.signbit(want))[zero].all()


@pytest.mark.parametrize(("name", "form"), [("gelu", "none"), ("gelu_tanh", "tanh")])
def test_gelus_are_pytorchs(library, name, form):
    x = np.linspace(-12, 12, 100001).astype("f4")
    want = torch.nn.functional.gelu(torch.from_numpy(x).double(), approximate=form).numpy()
    assert np.abs(apply(library, name, x) - want).max() < 1e-6
    assert np.isnan(apply(library, name, np.array([np.nan], "f4"))).all()
