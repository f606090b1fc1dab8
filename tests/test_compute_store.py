# SPDX-License-Identifier: Apache-2.0
"""What the compute device does to sums while it stores them, against numpy and PyTorch."""

import numpy as np
import pytest
from compute_fixtures import A, B, C, D, Reference, load, matmul, small, store
from simulator_fixtures import RAM

pytestmark = pytest.mark.quick


def test_int8_products_are_requantised(matrices):
    rng = np.random.default_rng(3)
    a, b = rng.integers(-128, 128, (20, 37), np.int8), rng.integers(-128, 128, (37, 30), np.int8)
    vectors = np.float32([rng.uniform(1e-4, 2e-3, 30), rng.uniform(-40, 40, 30)])
    for address, values in ((A, a), (B, b), (D, vectors)):
        matrices.put(address, values)
    commands = [load(0, A, (20, 37), 1), load(0x1001, B, (37, 30), 1), load(0x2000, D, (1, 60))]
    commands += [matmul(20, 30, 37, b=0x1001, type="INT8"), store(20, 30, C, "INT32_SUMS")]
    commands += [
        store(20, 30, C + 0x8000, "INT32_SUMS", "SCALE_COLUMNS", "BIAS_COLUMNS", type="INT8", b=0x2000)
    ]
    assert matrices.run(*commands)[0] == 0
    sums = (a.astype(np.int64) @ b.astype(np.int64)).astype(np.float32)
    assert np.array_equal(matrices.get(C, (20, 30)), sums)
    expected = np.clip(np.rint(sums * vectors[0] + vectors[1]), -128, 127)
    assert np.array_equal(matrices.get(C + 0x8000, (20, 30), np.int8), expected)
    assert len(np.unique(expected)) > 100


def test_int8_results_round_halves_to_even_and_saturate(matrices):
    values = np.float32(
        [
            [-2.5],
            [-1.5],
            [-0.5],
            [0.5],
            [1.5],
            [2.5],
            [126.5],
            [127.6],
            [np.inf],
            [-np.inf],
            [-128.5],
            [np.nan],
        ]
    )
    matrices.put(A, values)
    matrices.put(B, np.ones((1, 1), np.float32))
    count = len(values)
    commands = [
        load(0, A, values.shape),
        load(64, B, (1, 1)),
        matmul(count, 1, 1, b=64),
        store(count, 1, C, type="INT8"),
    ]
    assert matrices.run(*commands)[0] == 0
    assert matrices.get(C, count, np.int8).tolist() == [-2, -2, 0, 0, 2, 2, 126, 127, 127, -128, -128, -128]


EPILOGUES = [
    ("SCALE",), ("BIAS_COLUMNS",), ("BIAS_ROWS",), ("RESIDUAL",), ("RELU",), ("CLAMP",), ("SCALE_ROWS",),
    ("SCALE_COLUMNS",),
    ("SCALE", "BIAS_COLUMNS", "RESIDUAL", "RELU"), ("BIAS_ROWS", "RESIDUAL", "CLAMP", "RELU"),
    ("SCALE_ROWS", "BIAS_COLUMNS", "RELU"), ("SCALE_COLUMNS", "BIAS_ROWS", "RESIDUAL"),
    ("RESIDUAL", "INT8_RESIDUAL"), ("SCALE_ROWS", "BIAS_ROWS", "RESIDUAL", "INT8_RESIDUAL", "RELU"),
]  # fmt: skip


@pytest.mark.parametrize("flags", EPILOGUES, ids="+".join)
@pytest.mark.parametrize("result", [np.float32, np.int8])
@pytest.mark.parametrize("operand", [np.float32, np.int8])
def test_a_store_does_what_its_flags_say(matrices, flags, result, operand):
    of_residual = np.int8 if "INT8_RESIDUAL" in flags else np.float32
    for address, values in ((A, small((6, 5), 0, operand)), (B, small((5, 9), 1, operand)),
                            (D, small(18, 2, np.float32)),
                            (D + 96, small((6, 9), 3, of_residual))):  # fmt: skip
        matrices.put(address, values)
    size, element, wide = (
        np.dtype(result).itemsize,
        np.dtype(operand).itemsize,
        np.dtype(of_residual).itemsize,
    )
    commands = [load(0, A, (6, 5), element), load(0x400, B, (5, 9), element)]
    commands += [load(0x800, D, (1, 18)), load(0xC00, D + 96, (6, 9), wide)]
    commands += [matmul(6, 9, 5, b=0x400, type="FLOAT32" if operand is np.float32 else "INT8")]
    numbers = {
        "scale": -0.625,
        "low": -20.0,
        "high": 6.0,
        "residual_scale": 0.75,
        "a": 0xC00,
        "b": 0x800,
        "a_inner_stride": 9 * wide,
        "a_outer_stride": 54 * wide,
    }
    sums = ["INT32_SUMS"] if operand is np.int8 else []
    commands += [store(6, 9, C, *flags, *sums, type="FLOAT32" if result is np.float32 else "INT8", **numbers)]
    expected = Reference(matrices.bytes).run(*commands).ram
    assert matrices.run(*commands)[0] == 0
    assert np.array_equal(
        matrices.get(C, (6, 9), result), expected[C - RAM :][: 54 * size].view(result).reshape(6, 9)
    )


@pytest.mark.parametrize(("rows", "columns", "window", "stride", "padding"), [
    (6, 8, (2, 2), 2, (0, 0)), (7, 9, (3, 3), 2, (1, 1)), (5, 4, (3, 2), 1, (1, 0)),
    (4, 4, (2, 3), 3, (0, 1)), (1, 7, (1, 3), 2, (0, 1)),
])  # fmt: skip
@pytest.mark.parametrize("result", [np.float32, np.int8])
def test_pooling_gives_what_pytorch_gives(matrices, rows, columns, window, stride, padding, result):
    import torch

    n = rows * columns
    values = np.random.default_rng(n).integers(-90, 30, (3, n)).astype(np.float32)
    if result is np.float32:
        values[1, n // 2] = np.nan
    matrices.put(A, values)
    matrices.put(B, np.eye(3, dtype=np.float32))
    expected = torch.nn.functional.max_pool2d(
        torch.from_numpy(values).view(1, 3, rows, columns), window, stride, padding
    )[0].numpy()
    _, out_rows, out_columns = expected.shape
    size = np.dtype(result).itemsize
    fields = {
        "n_inner": columns,
        "k_middle": window[0],
        "k_inner": window[1],
        "pool_stride": stride,
        "pad_top": padding[0],
        "pad_bottom": padding[0],
        "pad_left": padding[1],
        "pad_right": padding[1],
        "planes": 3,
        "rows": out_rows,
        "row_bytes": out_columns * size,
        "dram_row_stride": out_columns * size,
        "dram_plane_stride": out_rows * out_columns * size,
    }
    # As the product of B, which changes nothing, and A: NaN times 0 is NaN, so all its column has it.
    commands = [load(0, A, (3, n)), load(0x8000, B, (3, 3)), matmul(3, n, 3, a=0x8000, b=0)]
    kind = "FLOAT32" if result is np.float32 else "INT8"
    commands += [{**store(3, n, C, "POOL", type=kind), **fields}]
    assert matrices.run(*commands)[0] == 0
    if result is np.float32:
        spread = values.copy()
        spread[:, n // 2] = np.nan
        expected = torch.nn.functional.max_pool2d(
            torch.from_numpy(spread).view(1, 3, rows, columns), window, stride, padding
        )[0].numpy()
    assert np.array_equal(matrices.get(C, expected.shape, result), expected, equal_nan=result is np.float32)


def test_relu_and_clamp_let_nan_pass(matrices):
    matrices.put(A, np.float32([[np.nan], [-1], [9]]))
    matrices.put(B, np.float32([[1]]))
    end = store(3, 1, C, "RELU", "CLAMP", high=6.0)
    matrices.run(load(0, A, (3, 1)), load(64, B, (1, 1)), matmul(3, 1, 1, b=64), end)
    assert np.array_equal(matrices.get(C, 3), np.float32([np.nan, 0, 6]), equal_nan=True)
