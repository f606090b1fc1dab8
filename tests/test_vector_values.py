# SPDX-License-Identifier: Apache-2.0
"""What the vector unit computes, against numpy, and the order of its sums."""

import math

import numpy as np
import pytest
import torch
from vector_fixtures import LANES, NUMBERS

pytestmark = pytest.mark.quick


def floats(shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32) * 3


def erf(x):
    return np.vectorize(math.erf)(x)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


X = np.array([0.0, -0.0, 1.5, 2.5, -2.5, 0.25, -7.75, 3e9, np.inf, -np.inf, np.nan], np.float32)
WIDE = np.float64

EXACT = {
    "COPY": lambda x: x,
    "NEGATE": lambda x: -x,
    "ABSOLUTE": np.abs,
    "SIGN": lambda x: np.nan_to_num(np.sign(x)),
    "NOT": lambda x: x == 0,
    "RELU": lambda x: np.where(x < 0, 0, x),
    "FLOOR": np.floor,
    "CEIL": np.ceil,
    "ROUND": np.rint,
    "TRUNCATE": np.trunc,
    "RECIPROCAL": lambda x: np.float32(1) / x,
    "SQUARE_ROOT": np.sqrt,
    "RECIPROCAL_SQUARE_ROOT": lambda x: np.float32(1) / np.sqrt(x),
}


@pytest.mark.parametrize("function", EXACT)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_function_of_one_element_has_numpys_bits(unit, function):
    x = np.concatenate([X, floats(50)])
    expected = EXACT[function](x).astype(np.float32)
    assert np.array_equal(unit.elements(function, x), expected, equal_nan=True)


CLOSE = {
    "EXP": np.exp,
    "EXPM1": np.expm1,
    "LOG": lambda x: np.log(np.abs(x)),
    "LOG1P": lambda x: np.log1p(np.abs(x)),
    "ERF": erf,
    "TANH": np.tanh,
    "SIGMOID": sigmoid,
    "SILU": lambda x: x * sigmoid(x),
    "GELU": lambda x: x / 2 * (1 + erf(x / math.sqrt(2))),
    "GELU_TANH": lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "SIN": np.sin,
    "COS": np.cos,
}


@pytest.mark.parametrize("function", CLOSE)
def test_a_special_function_is_close_to_numpys(unit, function):
    x = floats(1000)
    given = np.abs(x) if function.startswith("LOG") else x
    np.testing.assert_allclose(
        unit.elements(function, given), CLOSE[function](given.astype(WIDE)), rtol=3e-6, atol=3e-6
    )


BINARY = {
    "ADD": np.add,
    "SUBTRACT": np.subtract,
    "SUBTRACT_FROM": lambda a, b: b - a,
    "MULTIPLY": np.multiply,
    "MAXIMUM": np.maximum,
    "MINIMUM": np.minimum,
    "EQUAL": np.equal,
    "NOT_EQUAL": np.not_equal,
    "LESS": np.less,
    "LESS_EQUAL": np.less_equal,
    "GREATER": np.greater,
    "GREATER_EQUAL": np.greater_equal,
    "SQUARED_DIFFERENCE": lambda a, b: (a - b) * (a - b),
    "SECOND": lambda a, b: b,
    "FLOOR_DIVIDE": np.floor_divide,
    "REMAINDER": np.remainder,
}
FLOATS_ONLY = {
    "DIVIDE": np.divide,
    "DIVIDE_INTO": lambda a, b: b / a,
    "POWER": lambda a, b: np.power(a.astype(WIDE), b.astype(WIDE)),
    "AND": np.logical_and,
    "OR": np.logical_or,
    "XOR": np.logical_xor,
}
BITS = {"AND": np.bitwise_and, "OR": np.bitwise_or, "XOR": np.bitwise_xor}


@pytest.mark.parametrize("function", BINARY | FLOATS_ONLY)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_function_of_two_elements_has_numpys_bits(unit, function):
    a, b = floats((2, 3, 4, 5)), floats((2, 3, 4, 5), seed=2)
    a[0, 0, 0, :3], b[0, 0, 0, :4] = (1, np.nan, 0), (1, 0, np.nan, 0)
    expected = (BINARY | FLOATS_ONLY)[function](a, b).astype(np.float32)
    if function in ("FLOOR_DIVIDE", "REMAINDER"):
        a, b, expected = a[1], b[1], expected[1]
    assert np.array_equal(unit.elements(function, a, b=b), expected, equal_nan=True)


@pytest.mark.parametrize("function", BINARY | BITS)
@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64])
def test_integers_are_computed_in_int64_and_wrap_when_written(unit, function, dtype):
    random = np.random.default_rng(3)
    low, high = (-100, 100) if dtype == np.int8 else (-(2**31), 2**31)
    a, b = (random.integers(low, high, 40).astype(dtype) for _ in "ab")
    b[b == 0] = 7
    expected = (BINARY | BITS)[function](a.astype(np.int64), b.astype(np.int64)).astype(dtype)
    assert np.array_equal(unit.elements(function, a, "INTEGER", b=b, dtype=dtype), expected)


def test_integer_division_by_0_and_of_the_least_by_minus_1_is_as_on_risc_v(unit):
    a, b = np.array([5, -5, -(2**63)]), np.array([0, 0, -1])
    quotients = unit.elements("FLOOR_DIVIDE", a, "INTEGER", b=b, dtype=np.int64)
    assert quotients.tolist() == [-1, -1, -(2**63)]
    assert unit.elements("REMAINDER", a, "INTEGER", b=b, dtype=np.int64).tolist() == [5, -5, 0]


def test_operands_are_broadcast_by_strides_of_0(unit):
    a, b = floats((2, 3, 4, 5)), floats((3, 1, 5), seed=2)
    assert np.array_equal(unit.elements("ADD", a, b=b), a + b)
    column = floats((4, 1), seed=3)
    assert np.array_equal(unit.elements("MULTIPLY", a, b=column), a * column)


def test_a_number_takes_the_place_of_b(unit):
    a = floats((3, 7))
    assert np.array_equal(unit.elements("MULTIPLY", a, "NUMBER", scale=0.3), a * np.float32(0.3))
    whole = np.arange(5)
    result = unit.elements(
        "SUBTRACT_FROM", whole, "NUMBER", "INTEGER", b=None, dtype=np.int64, places=(0, 2**32 - 3, 0x20000)
    )
    assert result.tolist() == [-3, -4, -5, -6, -7]


def test_select_keeps_c_where_b_is_0(unit):
    a, b = floats((4, 6)), np.random.default_rng(1).integers(0, 2, (4, 6)).astype(bool)
    before = unit.elements("COPY", floats((4, 6), seed=9))
    assert np.array_equal(unit.elements("SELECT", a, b=b), np.where(b, a, before))


# --- Types -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [np.float32, np.int8, np.int32, np.int64, np.bool_])
@pytest.mark.parametrize("target", [np.float32, np.int8, np.int32, np.int64, np.bool_])
def test_copy_converts_types(unit, source, target):
    x = np.array([0, 1, -3, 100, -128, 2**31 - 1 if source in (np.int32, np.int64) else 5]).astype(source)
    flags = () if np.float32 in (source, target) else ("INTEGER",)
    expected = x.astype(target)
    assert np.array_equal(unit.elements("COPY", x, *flags, dtype=target), expected)


def test_floats_become_integers_towards_0_and_the_lowest_where_they_do_not_fit(unit):
    x = np.array([2.9, -2.9, 3e9, -3e9, 1e30, np.nan, 300], np.float32)
    low = -(2**63)
    assert unit.elements("COPY", x, dtype=np.int64).tolist() == [2, -2, 3 * 10**9, -3 * 10**9, low, low, 300]
    low = -(2**31)
    assert unit.elements("COPY", x, dtype=np.int32).tolist() == [2, -2, low, low, low, low, 300]
    assert unit.elements("COPY", x, dtype=np.int8).tolist() == [2, -2, 0, 0, 0, 0, 44]
    assert unit.elements("COPY", x, dtype=np.bool_).all()


def test_quantisation_rounds_halves_to_even_and_saturates(unit):
    x = np.array([0.5, 1.5, -2.5, 200, -200, np.nan, np.inf, -np.inf], np.float32)
    result = unit.elements("MULTIPLY", x, "NUMBER", "ROUND", dtype=np.int8, scale=1.0)
    assert result.tolist() == [0, 2, -2, 127, -128, -128, 127, -128]


# --- Reductions -------------------------------------------------------------------------------------


def in_order(row, lanes=LANES, square=False):
    """A sum as the lanes make it, in float32."""
    lane = []
    for start in range(min(lanes, len(row))):
        total = None
        for x in row[start::lanes]:
            term = WIDE(x) * WIDE(x) if square else WIDE(x)
            total = np.float32(term if total is None else WIDE(total) + term)
        lane.append(total)
    while len(lane) > 1:
        half = (len(lane) + 1) // 2
        lane = [lane[i] + lane[i + half] if i + half < len(lane) else lane[i] for i in range(half)]
    return lane[0]


@pytest.mark.parametrize("n", [1, 3, 8, 9, 61])
def test_a_sum_is_in_the_order_of_the_lanes(unit, n):
    x = floats((3, 4, n))
    sums = np.array([[in_order(row) for row in plane] for plane in x])
    assert np.array_equal(unit.elements("SUM", x, code="REDUCE", shape=(3, 4)), sums)
    mean = unit.elements("SUM", x, "SCALE", code="REDUCE", shape=(3, 4), scale=1 / n)
    assert np.array_equal(mean, sums * np.float32(1 / n))


def test_squares_are_added_with_one_rounding(unit):
    x = floats((6, 29))
    expected = np.array([in_order(row, square=True) for row in x])
    assert np.array_equal(unit.elements("SUM_SQUARES", x, code="REDUCE", shape=(6,)), expected)


def test_a_variance_is_the_sum_of_squared_differences(unit):
    x, mean = floats((6, 29)), floats((6, 1), seed=4)
    expected = np.array([in_order(row, square=True) for row in x - mean])
    result = unit.elements("SUM_SQUARES", x, "DIFFERENCE", b=mean, code="REDUCE", shape=(6,))
    assert np.array_equal(result, expected)


@pytest.mark.parametrize(("function", "reference"), [("MAX", np.max), ("MIN", np.min)])
def test_extremes_are_nan_where_one_element_is(unit, function, reference):
    x = floats((5, 20))
    x[2, 7] = np.nan
    result = unit.elements(function, x, code="REDUCE", shape=(5,))
    assert np.array_equal(result, reference(x, axis=1), equal_nan=True)


def test_the_place_of_the_best_is_the_first(unit):
    x = np.array([[1, 5, 5, 2], [7, 7, 1, 0], [1, np.nan, 9, np.nan]], np.float32)
    for function, places in (("ARGMAX", [1, 0, 1]), ("ARGMIN", [0, 3, 1])):
        result = unit.elements(function, x, code="REDUCE", shape=(3,), dtype=np.int64)
        assert result.tolist() == places


def test_integers_are_summed_in_int64(unit):
    x = np.full((2, 100), 2**31 - 1, np.int32)
    result = unit.elements("SUM", x, "INTEGER", code="REDUCE", shape=(2,), dtype=np.int64)
    assert result.tolist() == [100 * (2**31 - 1)] * 2


def test_a_reduction_goes_on_from_what_c_holds(unit):
    x = floats((4, 30))
    before = unit.elements("SUM", floats((4, 30), seed=5), code="REDUCE", shape=(4,))
    result = unit.elements("SUM", x, "ACCUMULATE", code="REDUCE", shape=(4,))
    assert np.array_equal(result, np.array([in_order(row) for row in x]) + before)


# --- Rows -------------------------------------------------------------------------------------------


def softmax(x):
    power = np.exp(x - x.max(-1, keepdims=True))
    return power / power.sum(-1, keepdims=True)


def test_softmax_scales_and_adds_a_mask_first(unit):
    x, mask = floats((2, 3, 21)), np.where(np.tri(3, 21, 9), 0, -np.inf).astype(np.float32)
    expected = softmax(x.astype(WIDE) * 0.125 + mask)
    result = unit.elements("SOFTMAX", x, "SCALE", "ADD", b=mask, code="ROWS", scale=0.125)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-7)


def test_a_row_of_minus_infinity_is_nan_or_where_asked_for_0(unit):
    x = np.full((2, 9), -np.inf, np.float32)
    assert np.isnan(unit.elements("SOFTMAX", x, code="ROWS")).all()
    assert not unit.elements("SAFE_SOFTMAX", x, code="ROWS").any()


def test_log_softmax_is_its_logarithm(unit):
    x = floats((4, 33))
    np.testing.assert_allclose(
        unit.elements("LOG_SOFTMAX", x, code="ROWS"), np.log(softmax(x.astype(WIDE))), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("flags", [(), ("GAMMA",), ("BETA",), ("GAMMA", "BETA")])
@pytest.mark.parametrize("function", ["LAYER_NORM", "RMS_NORM"])
def test_a_norm_takes_gamma_and_beta_where_asked(unit, function, flags):
    x, affine = floats((3, 5, 40)), floats((2, 40), seed=6)
    wide = x.astype(WIDE)
    centred = wide - wide.mean(-1, keepdims=True) if function == "LAYER_NORM" else wide
    expected = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-3)
    given = [affine[0]] if flags == ("GAMMA",) else [affine[1]] if flags == ("BETA",) else list(affine)
    expected = expected * affine[0] if "GAMMA" in flags else expected
    expected = expected + affine[1] if "BETA" in flags else expected
    b = np.concatenate(given) if flags else None
    result = unit.elements(function, x, *flags, b=b, code="ROWS", shape=x.shape, low=1e-3)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


def test_every_function_is_tested_here():
    tested = {*EXACT, *CLOSE, *BINARY, *FLOATS_ONLY}
    rows = {"SOFTMAX", "SAFE_SOFTMAX", "LOG_SOFTMAX", "LAYER_NORM", "RMS_NORM"}
    reductions = {"SUM", "SUM_SQUARES", "MAX", "MIN", "ARGMAX", "ARGMIN"}
    assert set(NUMBERS) - tested - rows - reductions == {"SELECT", "EXP_DIFFERENCE", "AVERAGE", "WEIGHTED"}


def test_powers_of_differences_are_those_of_exp(unit):
    a, b = floats((3, 7)), floats((3, 1), seed=2)
    assert np.array_equal(unit.elements("EXP_DIFFERENCE", a, b=b), unit.elements("EXP", a - b))


def bfloat16(array):
    return torch.from_numpy(array).to(torch.bfloat16)


def test_bfloat16_is_read_and_written_as_pytorch_converts_it(unit):
    a, b = bfloat16(floats(300)), bfloat16(floats(300, 2))
    narrow = [each.view(torch.uint16).numpy() for each in (a, b)]
    found = unit.elements("ADD", narrow[0], b=narrow[1], dtype=np.uint16)
    assert np.array_equal(found, (a + b).view(torch.uint16).numpy())
    assert np.array_equal(unit.elements("COPY", narrow[0]), a.float().numpy())
    wide = np.concatenate([X[:-1], floats(50)])
    assert np.array_equal(
        unit.elements("COPY", wide, dtype=np.uint16), bfloat16(wide).view(torch.uint16).numpy()
    )


@pytest.mark.parametrize("code", ["VECTOR", "REDUCE", "ROWS"])
def test_a_result_is_scaled_before_it_is_rounded_to_int8(unit, code):
    x, scale = floats((4, 16)), np.float32(9.5)
    function = {"VECTOR": "SIGMOID", "REDUCE": "MAX", "ROWS": "SOFTMAX"}[code]
    shape = (4,) if code == "REDUCE" else (4, 16)
    plain = unit.elements(function, x, code=code, shape=shape)
    found = unit.elements(
        function, x, "SCALE_RESULT", "ROUND", code=code, shape=shape, dtype=np.int8, high=float(scale)
    )
    assert np.array_equal(found, np.clip(np.rint(plain * scale), -128, 127).astype(np.int8))
