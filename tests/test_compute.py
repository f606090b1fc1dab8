# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: F811 (fixtures are imported by name, then asked for by the same name)
"""The compute device: values against numpy, cycles against formulas, hazards, errors."""

import itertools
import random
import re
import subprocess
import time

import numpy as np
import pytest
from acalsim_backend.errors import DeviceError
from acalsim_backend.machine import device
from compute_fixtures import (
    BYTES_PER_CYCLE,
    DATAFLOWS,
    DEFAULTS,
    ERRORS,
    HEAP,
    LATENCY,
    LIST,
    NOP,
    OVERLAPS,
    RAM_BYTES,
    SYNC,
    Matrices,
    Reference,
    command,
    fused_products,
    load,
    machine_of,
    matmul,
    parameters,
    store,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulator_fixtures import (  # noqa: F401
    BUSY,
    COMPUTE,
    CONTROL,
    DATA_IN,
    DATA_OUT,
    DATA_READY,
    ERROR,
    RAM,
    RESET,
    RESULT,
    ROOT,
    SIZE,
    START,
    STATUS,
    embedded,
    engine_library,
    simulator,
)

A, B, C, D = HEAP, HEAP + 0x10000, HEAP + 0x20000, HEAP + 0x30000
LAST = RAM + RAM_BYTES
MODES = list(itertools.product(DATAFLOWS, OVERLAPS))
relaxed = settings(
    deadline=None, max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def matrices(simulator, tmp_path):
    return Matrices(simulator, tmp_path)


@pytest.fixture
def machine(embedded, tmp_path):
    """Makes a machine whose compute device has these parameters."""
    return lambda **given: machine_of(embedded, tmp_path, **given)


def numbers(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def small(shape, seed=0, dtype=np.float32):
    """Small whole numbers, whose sums and products are exact."""
    return np.random.default_rng(seed).integers(-8, 9, shape).astype(dtype)


def product(m, n, k, *flags, target=C, **fields):
    """Load A and B, multiply, store."""
    half = DEFAULTS["scratchpad_bytes"] // 2
    return [
        load(0, A, (m, k)),
        load(half, B, (k, n)),
        matmul(m, n, k, b=half, **fields),
        store(m, n, target, *flags),
    ]


# --- Values ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1, 1), (8, 8, 16), (17, 33, 5), (100, 64, 128), (1, 200, 150)])
@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_a_product_agrees_with_numpy(machine, shape, dataflow):
    m, n, k = shape
    matrices = machine(dataflow=dataflow)
    a, b = numbers((m, k)), numbers((k, n), 1)
    matrices.put(A, a)
    matrices.put(B, b)
    assert matrices.run(*product(m, n, k))[:2] == (0, DATA_READY)
    assert matrices.simulator.read(COMPUTE + DATA_OUT)[1] == 4
    np.testing.assert_allclose(matrices.get(C, (m, n)), a @ b, rtol=1e-4, atol=1e-5)


def test_sums_take_their_products_in_ascending_k_with_one_rounding_each(matrices):
    a, b = numbers((7, 40)), numbers((40, 19), 1)
    matrices.put(A, a)
    matrices.put(B, b)
    matrices.run(*product(7, 19, 40))
    assert np.array_equal(matrices.get(C, (7, 19)), fused_products(a, b, np.zeros((7, 19), np.float32)))


def test_a_product_in_pieces_of_k_has_the_same_bits(matrices):
    matrices.put(A, numbers((9, 30)))
    matrices.put(B, numbers((30, 21), 1))
    whole, half = product(9, 21, 30), DEFAULTS["scratchpad_bytes"] // 2
    pieces = [
        matmul(9, 21, k, *["ACCUMULATE"][:first], a=4 * first, b=half + 84 * first, a_inner_stride=120)
        for first, k in ((0, 1), (1, 13), (14, 16))
    ]
    matrices.run(*whole, *pieces, store(9, 21, D))
    assert np.array_equal(matrices.get(C, (9, 21)), matrices.get(D, (9, 21)))


def test_a_product_may_read_its_operands_transposed(matrices):
    a, b = small((6, 11)), small((9, 11), 1)
    matrices.put(A, a.T)
    matrices.put(B, b)
    turned = {"a_inner_stride": 4, "a_k_inner_stride": 24, "b_inner_stride": 44, "b_k_inner_stride": 4}
    matrices.run(
        load(0, A, (11, 6)), load(0x4000, B, (9, 11)), matmul(6, 9, 11, b=0x4000, **turned), store(6, 9, C)
    )
    assert np.array_equal(matrices.get(C, (6, 9)), a @ b.T)


def convolved(x, w, stride, padding):
    """[channels, rows, columns] with [outputs, channels, kernel rows, kernel columns], by its definition."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    outputs, _, high, wide = w.shape
    rows, columns = (
        (size - kernel) // stride + 1 for size, kernel in zip(x.shape[1:], (high, wide), strict=True)
    )
    y = np.zeros((outputs, rows, columns), np.float32)
    for row, column in np.ndindex(rows, columns):
        window = x[:, row * stride : row * stride + high, column * stride : column * stride + wide]
        y[:, row, column] = np.tensordot(w, window, 3)
    return y


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("streams", ["pixels", "weights"])
def test_a_convolution_needs_no_im2col(matrices, stride, streams):
    x, w, bias = small((3, 9, 12)), small((5, 3, 3, 3), 1), small(5, 2)
    y = convolved(x, w, stride, 1) + bias[:, None, None]
    _, rows, columns = y.shape
    for address, values in ((A, x), (B, w), (D, bias)):
        matrices.put(address, values)
    pixels, wide, plane, weights, biases = rows * columns, 4 * 14, 4 * 14 * 11, 0x4000, 0x8000
    loads = [load(0, A, x.shape, padding=(1, 1, 1, 1)), load(weights, B, (5, 27)), load(biases, D, (1, 5))]
    one, other = ("a", "b") if streams == "pixels" else ("b", "a")
    fields = {
        one: 0, f"{one}_outer_stride": stride * wide, f"{one}_inner_stride": 4 * stride,
        f"{one}_k_outer_stride": plane, f"{one}_k_middle_stride": wide, f"{one}_k_inner_stride": 4,
        other: weights, f"{other}_inner_stride": 108,
        f"{other}_k_outer_stride": 36, f"{other}_k_middle_stride": 12, f"{other}_k_inner_stride": 4,
        "k_inner": 3, "k_middle": 3,
    }  # fmt: skip
    if streams == "pixels":
        fields |= {"m_inner": columns}
        end = [matmul(pixels, 5, 27, **fields), store(pixels, 5, C, "BIAS_COLUMNS", b=biases)]
        expected = y.transpose(1, 2, 0)
    else:
        fields |= {"n_inner": columns}
        tile = {"planes": 5, "rows": rows, "row_bytes": 4 * columns}
        tile |= {"dram_row_stride": 4 * columns, "dram_plane_stride": 4 * pixels}
        end = [matmul(5, pixels, 27, **fields), store(5, pixels, C, "BIAS_ROWS", b=biases, **tile)]
        expected = y
    assert matrices.run(*loads, *end)[0] == 0
    assert np.array_equal(matrices.get(C, expected.shape), expected)


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
    ("SCALE",), ("BIAS_COLUMNS",), ("BIAS_ROWS",), ("RESIDUAL",), ("RELU",), ("CLAMP",), ("SCALE_ROWS",), ("SCALE_COLUMNS",),
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
                            (D, small(18, 2, np.float32)), (D + 96, small((6, 9), 3, of_residual))):  # fmt: skip
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
    (6, 8, (2, 2), 2, (0, 0)), (7, 9, (3, 3), 2, (1, 1)), (5, 4, (3, 2), 1, (1, 0)), (4, 4, (2, 3), 3, (0, 1)), (1, 7, (1, 3), 2, (0, 1)),
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
    # As the product of B, which changes nothing, and A: NaN times 0 is NaN, so its column has it in every row.
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


def test_a_load_of_nothing_but_padding_fills_with_zeros_and_asks_for_no_ram(matrices):
    fill = command("LOAD", a=4, pad_top=2, pad_left=8, a_inner_stride=16)
    matrices.put(A, np.arange(1, 17, dtype=np.float32))
    matrices.put(B, np.ones(1, np.float32))
    copy = matmul(16, 1, 1, a=0, b=64, a_inner_stride=4)
    assert matrices.run(load(0, A, (1, 16)), load(64, B, (1, 1)), fill, copy, store(16, 1, C))[0] == 0
    assert matrices.get(C, 16).tolist() == [1, 0, 0, 4, 5, 0, 0, *range(8, 17)]
    assert matrices.statistics["dma_bytes_read"] == 5 * device.COMMAND_BYTES + 64 + 4


def test_a_store_writes_its_tile_and_nothing_around_it(matrices):
    matrices.put(A, numbers((4, 8)))
    tile = {"planes": 2, "rows": 2, "row_bytes": 24, "dram_row_stride": 40, "dram_plane_stride": 256}
    commands = [load(0, A, (4, 6)), load(256, A, (6, 6)), matmul(4, 6, 6, b=256), store(4, 6, C + 8, **tile)]
    matrices.start(*commands)
    before = matrices.bytes.copy()
    matrices.simulator.read(COMPUTE + RESULT)
    changed = np.flatnonzero(matrices.bytes != before) + RAM
    rows = [C + 8 + plane * 256 + row * 40 for plane in range(2) for row in range(2)]
    assert set(changed) <= {row + byte for row in rows for byte in range(24)} and len(changed) > 80


def test_memories_keep_their_contents_until_a_reset(matrices):
    matrices.put(A, small((4, 4)))
    matrices.put(B, small((4, 4), 1))
    expected = small((4, 4)) @ small((4, 4), 1)
    half = DEFAULTS["scratchpad_bytes"] // 2
    matrices.run(*product(4, 4, 4)[:2])
    matrices.run(matmul(4, 4, 4, b=half))
    matrices.run(store(4, 4, C))
    assert np.array_equal(matrices.get(C, (4, 4)), expected)
    matrices.simulator.write(COMPUTE + CONTROL, RESET)
    matrices.run(store(4, 4, C))
    assert not matrices.get(C, (4, 4)).any()


def test_ram_may_begin_in_the_middle_of_its_file(simulator, tmp_path):
    matrices = Matrices(simulator, tmp_path, offset=0x3000)
    matrices.put(A, small((4, 4)))
    matrices.put(B, small((4, 4), 1))
    matrices.run(*product(4, 4, 4))
    assert np.array_equal(matrices.get(C, (4, 4)), small((4, 4)) @ small((4, 4), 1))


FMA_TEST = """
#include <cmath>
#include <cstdio>
#include <random>
#include "model/product.hh"
float any(std::mt19937& random, int kind) {
    std::uint32_t bits = random();
    if (kind & 1) bits = (bits & 0x807fffff) | (100 + (bits >> 23) % 60) << 23;
    if (kind & 2) bits &= 0xffff0000;
    if (kind & 4) bits = (bits & 0x807fffff) | (bits >> 24 & 3) << 23;
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}
int main() {
    std::mt19937 random(1);
    for (int i = 0; i < 4000000; ++i) {
        float a = any(random, i), b = any(random, i >> 3), c = any(random, i >> 6);
        if (i % 5 == 0) c = -a * b * (1 + (i % 3) * 0x1p-24f);
        float x = acalsim::fused_multiply_add(a, b, c), y = std::fma(a, b, c);
        if (std::memcmp(&x, &y, 4) && !(x != x && y != y))
            return std::printf("%a %a %a: %a, not %a\\n", a, b, c, x, y), 1;
    }
}
"""


def test_hosts_without_fused_multiply_add_get_the_same_bits(tmp_path):
    from acalsim_backend.machine.headers import registers_header

    (tmp_path / "registers.h").write_text(registers_header())
    (tmp_path / "fma.cc").write_text(FMA_TEST)
    includes = [f"-I{ROOT / 'sim'}", f"-I{tmp_path}"]
    program = tmp_path / "fma"
    options = ["-std=c++17", "-O2", "-ffp-contract=off", *includes]
    subprocess.run(["g++", *options, tmp_path / "fma.cc", "-o", program], check=True)
    done = subprocess.run([program], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_example_of_the_documentation_runs(matrices, tmp_path):
    from acalsim_backend.machine.headers import registers_header

    text = (ROOT / "docs/device.md").read_text()
    example = text[text.index("    struct DeviceCommand list[]") : text.index("`device.pack_command(")]
    (tmp_path / "registers.h").write_text(registers_header())
    source = (
        f'#include <stdio.h>\n#include "registers.h"\nenum {{ a0 = {A:#x}u, b0 = {B:#x}u, c0 = {C:#x}u }};\n'
    )
    source += f"int main(void) {{\n{example}\nreturn fwrite(list, sizeof list, 1, stdout) != 1; }}\n"
    (tmp_path / "example.c").write_text(source)
    subprocess.run(
        ["gcc", "-Wall", "-Werror", tmp_path / "example.c", "-o", tmp_path / "example"], check=True
    )
    matrices.put(A, small((64, 64)))
    matrices.put(B, small((64, 64), 1))
    matrices.put(LIST, subprocess.run([tmp_path / "example"], capture_output=True, check=True).stdout)
    assert matrices.run(size=4 * device.COMMAND_BYTES)[0] == 0
    assert np.array_equal(matrices.get(C, (64, 64)), np.maximum(small((64, 64)) @ small((64, 64), 1), 0))


def test_a_command_has_only_its_own_fields():
    assert len(device.pack_command(code=1)) == device.COMMAND_BYTES == 128
    with pytest.raises(DeviceError, match="a command has no field 'colour'"):
        device.pack_command(code=1, colour=3)


# --- Errors ----------------------------------------------------------------------------------------

GOOD = product(4, 4, 4)


def pooling(**wrong):
    """A STORE of four planes of 4 x 4, 2 x 2 of each of which stay, with something wrong."""
    fields = {
        "n_inner": 4,
        "k_inner": 2,
        "k_middle": 2,
        "pool_stride": 2,
        "planes": 4,
        "rows": 2,
        "row_bytes": 8,
        "dram_row_stride": 8,
        "dram_plane_stride": 16,
    }
    return {**store(4, 16, C, "POOL"), **fields, **wrong}


SCRATCHPAD, ACCUMULATOR = DEFAULTS["scratchpad_bytes"], DEFAULTS["accumulator_bytes"]
WRONG = {
    "ERROR_COMMAND": [
        {"code": 99}, {**NOP, "type": 1}, {**SYNC, "flags": 1}, {**GOOD[0], "flags": 2}, {**GOOD[0], "type": 1},
        {**GOOD[2], "type": 2}, {**GOOD[2], "type": 77}, {**GOOD[2], "flags": 2}, {**GOOD[3], "flags": 1},
        {**GOOD[3], "flags": 0x1000}, store(4, 4, C, "INT8_RESIDUAL"), store(4, 4, C, "BIAS_ROWS", "BIAS_COLUMNS"), store(4, 4, C, "SCALE", "SCALE_ROWS"),
        store(4, 4, C, "SCALE_COLUMNS", "SCALE_ROWS"), store(4, 4, C, "POOL", "RESIDUAL"), {**GOOD[3], "type": 2},
    ],
    "ERROR_ADDRESS": [
        load(0, RAM - 4, (4, 4)), load(0, LAST - 60, (4, 4)), load(0, 2**64 - 4, (1, 1)), load(0, 0, (1, 1)),
        load(0, LAST - 64, (4, 4), strides=(17, 0)), load(0, A, (2, 1, 1), strides=(0, 2**32 - 1)),
        store(4, 4, LAST - 60), store(4, 4, RAM - 64), store(4, 4, LAST - 64, dram_row_stride=20),
    ],
    "ERROR_ALIGNMENT": [
        {**GOOD[2], "a": 2}, {**GOOD[2], "b": 1}, {**GOOD[2], "c": 2}, {**GOOD[2], "a_k_inner_stride": 2},
        {**GOOD[2], "b_k_inner_stride": 6}, {**GOOD[2], "c_row_stride": 18}, store(4, 4, C + 2), store(4, 4, C, c=1),
        store(4, 4, C, dram_row_stride=18), store(4, 4, C, row_bytes=18), store(4, 4, C, "BIAS_ROWS", b=2),
        store(4, 4, C, "RESIDUAL", a=2), matmul(4, 4, 4, type="INT8", c=1), store(4, 4, C, c=2, type="INT8"),
    ],
    "ERROR_SIZE": [
        load(0, A, (0, 4)), load(0, A, (4, 0)), {**load(0, A, (4, 4)), "a_inner_stride": 0},
        {**load(0, A, (2, 4, 4)), "a_outer_stride": 0}, matmul(0, 4, 4), matmul(4, 0, 4), matmul(4, 4, 0),
        matmul(4, 4, 4, a_inner_stride=0), matmul(4, 4, 4, b_inner_stride=0), matmul(4, 4, 4, a_k_inner_stride=0),
        matmul(4, 4, 4, b_k_inner_stride=0), matmul(4, 4, 4, c_row_stride=0), matmul(4, 4, 4, m_inner=2),
        matmul(4, 4, 8, k_inner=2), matmul(4, 4, 8, k_inner=2, k_middle=2, a_k_middle_stride=8, b_k_middle_stride=32),
        store(0, 4, C), store(4, 4, C, rows=3), store(4, 4, C, row_bytes=12), store(4, 4, C, planes=2),
        store(4, 4, C, dram_row_stride=0), store(4, 4, C, "RESIDUAL", a_inner_stride=0),
        pooling(n_inner=0), pooling(n_inner=3), pooling(k_inner=0), pooling(k_middle=0), pooling(pool_stride=0),
        pooling(k_inner=5), pooling(pad_left=2), pooling(pad_bottom=8), pooling(rows=3),
    ],
    "ERROR_SCRATCHPAD": [
        load(SCRATCHPAD - 60, A, (4, 4)), load(SCRATCHPAD - 64, A, (4, 4), padding=(0, 1, 0, 0)),
        load(2**32 - 16, A, (4, 4)), load(SCRATCHPAD - 64, A, (4, 4), padding=(0, 0, 0, 1)),
        matmul(4, 4, 4, a=SCRATCHPAD - 60),
        matmul(4, 4, 4, b=SCRATCHPAD - 32), matmul(4, 4, 4, b=2**32 - 64), matmul(4, 4, 4, a_inner_stride=2**32 - 4),
        store(4, 4, C, "BIAS_COLUMNS", b=SCRATCHPAD - 12), store(4, 4, C, "RESIDUAL", a=SCRATCHPAD - 60),
    ],
    "ERROR_ACCUMULATOR": [
        matmul(4, 4, 4, c=ACCUMULATOR - 60), matmul(4, 4, 4, c_row_stride=2**32 - 4),
        store(4, 4, C, c=ACCUMULATOR - 60), store(4, 4, C, c_row_stride=ACCUMULATOR // 2),
    ],
}  # fmt: skip
CASES = [(code, one) for code, ones in WRONG.items() for one in ones]


@pytest.mark.parametrize(("code", "wrong"), CASES, ids=[f"{code}-{i}" for i, (code, _) in enumerate(CASES)])
def test_a_wrong_command_is_named_by_its_index_and_nothing_is_executed(matrices, code, wrong):
    matrices.put(A, numbers((4, 4)))
    matrices.put(B, numbers((4, 4)))
    matrices.start(*GOOD, wrong, NOP)
    before = matrices.bytes.copy()
    assert matrices.simulator.read(COMPUTE + RESULT)[1] == ERRORS[code]
    assert matrices.simulator.read(COMPUTE + STATUS)[1] == ERROR
    assert matrices.simulator.read(COMPUTE + DATA_OUT)[1] == len(GOOD)
    assert np.array_equal(matrices.bytes, before)
    assert matrices.statistics["commands"] == matrices.statistics["macs"] == 0
    assert matrices.run(*GOOD)[:2] == (0, DATA_READY)


@pytest.mark.parametrize(
    ("code", "options"),
    [
        ("ERROR_ADDRESS", {"address": LAST - 64}),
        ("ERROR_ADDRESS", {"address": 0}),
        ("ERROR_ALIGNMENT", {"address": LIST + 4}),
        ("ERROR_ALIGNMENT", {"size": 127}),
        ("ERROR_ALIGNMENT", {"size": 64}),
        ("ERROR_SIZE", {"size": 0}),
        ("ERROR_SIZE", {"size": 2 * RAM_BYTES}),
    ],
)
def test_a_list_that_cannot_be_fetched_is_an_error(matrices, code, options):
    assert matrices.run(NOP, **options)[:2] == (ERRORS[code], ERROR)
    assert matrices.simulator.read(COMPUTE + DATA_OUT)[1] == 0


def test_without_guest_ram_compute_says_so(simulator):
    simulator.write(COMPUTE + SIZE, 128)
    simulator.write(COMPUTE + CONTROL, START)
    assert simulator.read(COMPUTE + RESULT)[1] == ERRORS["ERROR_NO_RAM"]
    assert simulator.read(COMPUTE + STATUS)[1] == ERROR


def test_every_error_code_is_provoked_here():
    assert set(WRONG) | {"ERROR_NO_RAM", "ERROR_NONE"} == set(ERRORS)


def test_a_dataflow_that_is_none_is_refused(embedded):
    with pytest.raises(ValueError, match="device 'x': its parameter 'dataflow' is 7 of 2"):
        embedded.Engine(20, 8).add_device("compute", "x", COMPUTE, parameters(dataflow=7))


def test_reset_stops_the_device(matrices):
    matrices.put(A, numbers((64, 64)))
    matrices.start(*product(64, 64, 64))
    untouched = matrices.bytes.copy()
    matrices.simulator.write(COMPUTE + CONTROL, RESET, advance_cycles=500)
    assert matrices.simulator.read(COMPUTE + STATUS, advance_cycles=10**6)[1] == 0
    assert np.array_equal(matrices.bytes, untouched)
    assert matrices.run(NOP)[:2] == (0, DATA_READY)


# --- Time ------------------------------------------------------------------------------------------


def beats(size, bytes_per_cycle=BYTES_PER_CYCLE):
    return -(-size // bytes_per_cycle)


def array_formula(dataflow, overlap, rows, columns, m, n, k):
    """The closed formulas of docs/timing.md for one product whose operands are at hand."""
    if dataflow == "ws":
        tiles, slots, skew = -(-k // rows) * -(-n // columns), m, rows + columns - 1
        return {
            "serial": tiles * (2 * rows + columns + slots - 1),
            "single": tiles * (rows + slots) + skew,
            "double": rows + (tiles - 1) * max(slots, rows) + slots + skew,
        }[overlap]
    tiles = -(-m // rows) * -(-n // columns)
    return {
        "serial": tiles * (2 * rows + columns + k - 1),
        "single": tiles * (rows + k) + rows + columns - 1,
        "double": k + (tiles - 1) * max(k, rows) + 2 * rows + columns - 1,
    }[overlap]


@pytest.mark.parametrize(("dataflow", "overlap"), MODES)
@pytest.mark.parametrize("array", [(1, 1), (4, 4), (8, 2), (16, 16)])
def test_a_product_whose_operands_are_there_takes_the_arrays_time(machine, dataflow, overlap, array):
    rows, columns = array
    matrices = machine(dataflow=dataflow, overlap=overlap, rows=rows, columns=columns)
    for m, n, k in [(1, 1, 1), (3, 5, 7), (16, 16, 16), (9, 17, 33), (2, 64, 1), (40, 3, 20)]:
        expected = array_formula(dataflow, overlap, rows, columns, m, n, k)
        assert matrices.cycles(matmul(m, n, k, b=0x8000)) == 1 + expected


def test_a_load_and_a_store_take_the_channels_time(matrices):
    assert matrices.cycles(load(0, A, (20, 30))) == 1 + beats(2400) + LATENCY
    assert matrices.cycles(load(0, A, (20, 3), strides=(100, 0))) == 1 + 20 * beats(12) + LATENCY
    assert matrices.cycles(load(0, A, (3, 4, 5), strides=(20, 200))) == 1 + 3 * beats(80) + LATENCY
    assert matrices.cycles(store(20, 30, C)) == 1 + beats(2400) + LATENCY
    assert matrices.cycles(store(20, 3, C, dram_row_stride=100)) == 1 + 20 * beats(12) + LATENCY
    assert matrices.cycles(NOP, NOP, NOP) == 3


def test_scratchpad_ports_limit_loads_and_stores(machine):
    matrices = machine(scratchpad_bytes_per_cycle=4)
    assert matrices.cycles(load(0, A, (20, 30))) == 1 + beats(2400, 4)
    assert matrices.cycles(load(0, A, (10, 10)), load(4096, A, (10, 10))) == 1 + 2 * beats(400, 4)
    assert matrices.cycles(command("LOAD", a=0, pad_top=4, pad_left=16, a_inner_stride=16)) == 1 + 16
    assert matrices.cycles(store(20, 30, C)) == 1 + beats(2400, 4)


def test_latencies_overlap_and_data_does_not(matrices):
    loads = [load(4096 * i, A + 64 * i, (1, 16)) for i in range(5)]
    assert matrices.cycles(*loads) == 1 + 5 * beats(64) + LATENCY


def test_a_load_queue_of_one_waits_for_every_arrival(machine):
    loads = [load(4096 * i, A + 64 * i, (1, 16)) for i in range(5)]
    assert machine(load_queue_depth=1).cycles(*loads) == 1 + 5 * (beats(64) + LATENCY)


def test_sync_lets_nothing_overlap(matrices):
    parts = [load(0, A, (4, 4)), matmul(16, 16, 16, a=0x4000, b=0x8000), store(4, 4, C, c=0x4000)]
    alone = [matrices.cycles(part) for part in parts]
    together = matrices.cycles(*[one for part in parts for one in (part, SYNC)])
    assert together == sum(alone)
    assert matrices.cycles(*parts) < together


def recurrence(dataflow, overlap, rows, columns, slots, fetches, depth):
    """Cycles of tiles behind their fetches, as docs/timing.md has it, from the first byte asked for."""
    channel = registers = streamed = unloaded = result = 0
    load_cycles, unload_cycles = (rows, 0) if dataflow == "ws" else (0, rows)
    released = []
    for tile, (stream, fetch) in enumerate(zip(slots, fetches, strict=True)):
        channel = max(channel, released[tile - depth] if tile >= depth else 0) + sum(map(beats, fetch))
        ready = channel + LATENCY
        begin = max(registers, ready)
        start = max(begin + load_cycles, streamed)
        streamed = start + stream
        unload = max(streamed, unloaded)
        unloaded = unload + unload_cycles
        result = unloaded + rows + columns - 1
        released.append(begin + rows if dataflow == "ws" else streamed)
        registers = {
            "serial": result,
            "single": unloaded,
            "double": start if dataflow == "ws" else unload,
        }[overlap]
    return result


QUEUES = {"load_queue_depth": 64, "compute_queue_depth": 64, "store_queue_depth": 64}


@given(
    mode=st.sampled_from(MODES),
    array=st.tuples(st.integers(3, 8), st.integers(1, 8)),
    slots=st.lists(st.integers(3, 60), min_size=1, max_size=12),
    depth=st.integers(1, 4),
)
@relaxed
def test_tiles_behind_their_loads_keep_the_recurrences(embedded, tmp_path, mode, array, slots, depth):
    """Every fetch takes at least as many cycles as its tile has commands to decode."""
    (dataflow, overlap), (rows, columns) = mode, array
    options = {"dataflow": dataflow, "overlap": overlap, "rows": rows, "columns": columns}
    matrices = machine_of(embedded, tmp_path, **options, **QUEUES)
    commands, fetches = [], []
    for tile, stream in enumerate(slots):
        weights = 0x2000 * (tile % depth) + 0x1000
        m, n, k = (stream, columns, rows) if dataflow == "ws" else (rows, columns, stream)
        commands.append(load(weights, B, (k, n), strides=(64, 0)))
        fetches.append([4 * n] * k)
        if dataflow == "os":
            commands.append(load(weights - 0x1000, A, (m, k)))
            fetches[-1].append(4 * m * k)
        a = 0x10000 if dataflow == "ws" else weights - 0x1000
        commands.append(matmul(m, n, k, a=a, b=weights, c=0x800 * tile))
    expected = recurrence(dataflow, overlap, rows, columns, slots, fetches, depth)
    assert matrices.cycles(*commands) == 1 + expected


def test_double_buffering_takes_the_longest_and_not_the_sum(machine):
    matrices, tiles = machine(), 12
    commands = []
    for tile in range(tiles):
        buffer = 0x8000 * (tile % 2)
        commands += [load(buffer, A, (64, 16)), load(buffer + 0x4000, B, (16, 16))]
        commands += [matmul(64, 16, 16, a=buffer, b=buffer + 0x4000, c=0x2000 * (tile % 2))]
        commands += [store(64, 16, C, c=0x2000 * (tile % 2))]
    channel = tiles * (2 * beats(4096) + beats(1024))
    apart = matrices.cycles(*[one for part in commands for one in (part, SYNC)])
    together = matrices.cycles(*commands)
    assert channel < together < channel + 300
    assert apart > channel + tiles * (64 + 47)


def test_a_store_releases_its_sums_before_they_are_in_ram(matrices):
    product = matmul(64, 16, 16, b=0x8000)
    alone = array_formula("ws", "double", 16, 16, 64, 16, 16)
    assert matrices.cycles(product, store(64, 16, C), product) == 1 + alone + beats(4096) + LATENCY
    assert matrices.statistics["compute_wait_store_cycles"] == beats(4096, 64)


# --- Several devices, several channels -------------------------------------------------------------


def test_of_devices_that_ask_in_one_cycle_the_lowest_base_is_first(embedded, tmp_path):
    simulator = embedded.Engine(LATENCY, BYTES_PER_CYCLE)
    arrivals = []

    class Reader(embedded.Device):
        def write(self, register, value):
            self.after(
                value, lambda: self.read_ram(A, 80, lambda data: arrivals.append((self.name, self.now)))
            )

    bases = {"high": COMPUTE + 0x100000, "low": COMPUTE}
    for name, base in bases.items():
        simulator.add_device(Reader, name, base, {"access_cycles": 1})
    Matrices(simulator, tmp_path)
    for delay, name in ((5, "high"), (4, "low")):
        simulator.write(bases[name] + DATA_IN, delay)
    simulator.read(COMPUTE + STATUS, advance_cycles=1000)
    assert arrivals == [("low", 6 + 10 + LATENCY), ("high", 6 + 20 + LATENCY)]


def test_two_devices_share_the_channel_in_order(embedded, tmp_path):
    simulator = embedded.Engine(LATENCY, BYTES_PER_CYCLE)
    bases = (COMPUTE, COMPUTE + 0x100000)
    for index, base in enumerate(bases):
        simulator.add_device("compute", f"compute{index}", base, parameters())
    matrices = Matrices(simulator, tmp_path)
    for base in bases:
        matrices.start(*[NOP] * 100, base=base)
    first_start, list_beats = 3, beats(12800)
    simulator.read(bases[0] + RESULT)
    assert simulator.result()["total_cycles"] == first_start + list_beats + LATENCY + 100
    simulator.read(bases[1] + RESULT)
    assert simulator.result()["total_cycles"] == first_start + 2 * list_beats + LATENCY + 100


@pytest.mark.parametrize("channels", [1, 2])
def test_what_the_cpus_caches_move_holds_the_channels(embedded, tmp_path, channels):
    """The list is asked for in the cycle of START, behind which the CPU's bytes come first, on each channel its share."""
    stalls = []
    for moved in (0, 8000):
        matrices = machine_of(embedded, tmp_path, ram={"channels": channels})
        matrices.start(load(0, HEAP, (1, 64)))
        stalls.append(matrices.simulator.read(COMPUTE + RESULT, advance_cycles=1, moved_bytes=moved)[2])
    assert stalls[1] - stalls[0] == 8000 // channels // BYTES_PER_CYCLE


class DramByHand:
    """The RAM's rules once more, byte run by byte run."""

    def __init__(
        self, latency_cycles, bytes_per_cycle, channels, interleave_bytes, banks, row_bytes, row_miss_cycles
    ):
        self.__dict__.update(locals())
        self.free, self.rows, self.bank_free = [0] * channels, {}, {}

    def book(self, now, runs):
        end = now
        for address, size in runs:
            for channel, inside, piece in self.pieces(address, size):
                row = inside // self.row_bytes if self.row_bytes else 0
                bank, ready = (channel, row % self.banks), now
                if self.row_bytes and self.rows.get(bank) != row:
                    ready = max(now, self.bank_free.get(bank, 0)) + self.row_miss_cycles
                    self.rows[bank] = row
                self.free[channel] = max(ready, self.free[channel]) + beats(piece, self.bytes_per_cycle)
                self.bank_free[bank] = self.free[channel]
                end = max(end, self.free[channel])
        return end + self.latency_cycles

    def pieces(self, address, size):
        while size:
            turn, rest = divmod(address, self.interleave_bytes)
            piece = min(size, self.interleave_bytes - rest) if self.channels > 1 else size
            channel = turn % self.channels
            inside = turn // self.channels * self.interleave_bytes + rest if self.channels > 1 else address
            if self.row_bytes:
                piece = min(piece, self.row_bytes - inside % self.row_bytes)
            yield channel, inside, piece
            address, size = address + piece, size - piece


@given(
    ram=st.fixed_dictionaries({
        "latency_cycles": st.integers(0, 30), "bytes_per_cycle": st.sampled_from([1, 4, 8, 64]),
        "channels": st.integers(1, 4), "interleave_bytes": st.sampled_from([16, 64, 256]),
        "banks": st.integers(1, 3), "row_bytes": st.sampled_from([0, 128, 1000]), "row_miss_cycles": st.integers(0, 25),
    }),
    tiles=st.lists(
        st.tuples(st.integers(0, 4000), st.integers(1, 5), st.integers(1, 300), st.integers(0, 90)), min_size=1, max_size=6
    ),
)  # fmt: skip
@relaxed
def test_ram_keeps_its_rules(embedded, tmp_path, ram, tiles):
    matrices = machine_of(embedded, tmp_path, ram=ram)
    reference = DramByHand(**ram)
    commands = [
        load(0, A + at, (rows, columns), 1, strides=(columns + gap, 0)) for at, rows, columns, gap in tiles
    ]
    now = reference.book(0, [(LIST, 2 * len(commands) * device.COMMAND_BYTES)])
    for at, rows, columns, gap in tiles:
        runs = (
            [(A + at + row * (columns + gap), columns) for row in range(rows)]
            if gap
            else [(A + at, rows * columns)]
        )
        port = beats(rows * columns, DEFAULTS["scratchpad_bytes_per_cycle"])
        now = max(reference.book(now + 1, runs), now + 1 + port)
    assert matrices.run(*[one for part in commands for one in (part, SYNC)])[0] == 0
    assert matrices.statistics["busy_cycles"] == now


# --- Hazards and counters --------------------------------------------------------------------------

WAITS = {
    "load": ("busy", "wait_load", "wait_compute", "wait_store", "idle"),
    "compute": ("busy", "wait_load", "wait_store", "idle"),
    "store": ("busy", "wait_load", "wait_compute", "idle"),
}


def assert_units_account_for_every_cycle(statistics):
    for unit, states in WAITS.items():
        assert sum(statistics[f"{unit}_{state}_cycles"] for state in states) == statistics["busy_cycles"], (
            unit
        )


def random_command(choose):
    """A legal command on crowded memories, so that most of them conflict with some before."""
    kind = choose.choice(["load", "load", "matmul", "matmul", "store", "nop", "sync"])
    spot, sum_spot = 256 * choose.randrange(6), 256 * choose.randrange(4)
    if kind == "load":
        shape = [choose.randrange(1, 3), choose.randrange(1, 5), choose.randrange(1, 6)]
        padding = tuple(choose.randrange(2) for _ in range(4))
        return load(spot, A + 4 * choose.randrange(200), shape, padding=padding)
    m, n, k = (choose.randrange(1, 7) for _ in range(3))
    if kind == "matmul":
        more = {"m_inner": 2, "a_outer_stride": 4 * k * 3} if choose.random() < 0.3 else {}
        flags = ["ACCUMULATE"][: choose.randrange(2)]
        return matmul(m, n, k, *flags, a=spot, b=256 * choose.randrange(6), c=sum_spot, **more)
    if kind == "store":
        flags = [flag for flag in ("BIAS_ROWS", "RESIDUAL", "RELU") if choose.random() < 0.3]
        return store(
            m, n, C + 256 * choose.randrange(64), *flags, a=spot, b=256 * choose.randrange(6), c=sum_spot
        )
    return SYNC if kind == "sync" else NOP


@given(
    seed=st.integers(0, 2**32),
    mode=st.sampled_from(MODES),
    depths=st.tuples(*[st.integers(1, 6)] * 3),
    port=st.sampled_from([1, 8, 64]),
    channels=st.integers(1, 2),
)
@relaxed
def test_random_lists_give_the_values_of_one_after_the_other(
    embedded, tmp_path, seed, mode, depths, port, channels
):
    choose = random.Random(seed)
    commands = [random_command(choose) for _ in range(choose.randrange(1, 40))]
    # STOREs to one place in RAM have no order of their own: each gets its place.
    for index, one in enumerate(commands):
        if one["code"] == store(1, 1, 0)["code"]:
            one["dram"] = C + 256 * index
    queues = dict(zip(("load_queue_depth", "compute_queue_depth", "store_queue_depth"), depths, strict=True))
    options = {
        "dataflow": mode[0],
        "overlap": mode[1],
        "rows": 4,
        "columns": 3,
        "scratchpad_bytes_per_cycle": port,
    }
    matrices = machine_of(
        embedded, tmp_path, ram={"channels": channels, "interleave_bytes": 64}, **options, **queues
    )
    matrices.put(A, np.random.default_rng(seed).integers(-1, 2, 2048).astype(np.float32))
    matrices.start(*commands)
    expected = Reference(matrices.bytes).run(*commands).ram
    _, error, stall = matrices.simulator.read(COMPUTE + RESULT)
    assert error == 0
    assert np.array_equal(matrices.bytes, expected)
    assert_units_account_for_every_cycle(matrices.statistics)
    wait = matrices.simulator.last_wait
    assert sum(wait.values()) == stall - ACCESS
    assert wait["compute"] == matrices.statistics["compute_busy_cycles"]
    assert wait["dram"] + wait["load"] + wait["store"] <= sum(
        matrices.statistics[f"{unit}_busy_cycles"] for unit in ("load", "store")
    )
    moved = sum(matrices.statistics[f"dma_bytes_{way}"] for way in ("read", "written"))
    if moved == device.COMMAND_BYTES * len(commands):
        assert wait["dram"] == 0


def test_counters_say_what_happened(matrices):
    m, n, k = 20, 30, 50
    _, _, stall = matrices.run(*product(m, n, k))
    fetched = 4 * device.COMMAND_BYTES
    array = array_formula("ws", "double", 16, 16, m, n, k)
    operands = beats(4 * m * k) + beats(4 * k * n) + LATENCY
    written = beats(4 * m * n) + LATENCY
    list_cycles = beats(fetched) + LATENCY
    assert stall == list_cycles + 1 + operands + array + written
    assert matrices.statistics == {
        "busy_cycles": stall,
        "transactions": 5,
        "commands": 4,
        "macs": m * n * k,
        "array_cycles": 4 * 2 * m,
        "peak_macs_per_cycle": 256,
        "dma_bytes_read": fetched + 4 * (m * k + k * n),
        "dma_bytes_written": 4 * m * n,
        "peer_bytes_sent": 0,
        "load_busy_cycles": operands,
        "load_wait_load_cycles": 0,
        "load_wait_compute_cycles": 0,
        "load_wait_store_cycles": 0,
        "load_idle_cycles": stall - operands,
        "compute_busy_cycles": array,
        "compute_wait_load_cycles": operands - 2,
        "compute_wait_store_cycles": 0,
        "compute_idle_cycles": stall - array - operands + 2,
        "store_busy_cycles": written,
        "store_wait_load_cycles": 0,
        "store_wait_compute_cycles": operands + array - 3,
        "store_idle_cycles": stall - operands - array - written + 3,
    }
    assert_units_account_for_every_cycle(matrices.statistics)


# --- Where a stall goes ----------------------------------------------------------------------------

ACCESS = DEFAULTS["access_cycles"]


def stages(matrices, *commands):
    """The stages of the wait for a list, but for `fetch` beyond that of the list and of one command."""
    matrices.start(*commands)
    _, error, stall = matrices.simulator.read(COMPUTE + RESULT)
    assert error == 0
    wait = matrices.simulator.last_wait
    assert sum(wait.values()) == stall - ACCESS
    wait["fetch"] -= beats(device.COMMAND_BYTES * len(commands)) + LATENCY + 1 - ACCESS
    return {stage: cycles for stage, cycles in wait.items() if cycles}


def test_a_stall_is_what_the_device_does_meanwhile(machine):
    matrices = machine()
    array = array_formula("ws", "double", 16, 16, 20, 30, 50)
    moved = beats(4 * 20 * 50) + beats(4 * 50 * 30) + LATENCY + beats(4 * 20 * 30) + LATENCY
    assert stages(matrices, NOP) == {}
    assert stages(matrices, NOP, NOP, SYNC) == {"fetch": 2}
    assert stages(matrices, load(0, A, (20, 30))) == {"dram": beats(2400) + LATENCY}
    assert stages(matrices, matmul(20, 30, 50, b=0x8000)) == {"compute": array}
    assert stages(matrices, store(20, 30, C)) == {"dram": beats(2400) + LATENCY}
    assert stages(matrices, *product(20, 30, 50)) == {"dram": moved, "compute": array}


def test_ports_count_where_ram_does_not(machine):
    matrices = machine(scratchpad_bytes_per_cycle=4)
    ram, port = beats(2400) + LATENCY, beats(2400, 4)
    fill = command("LOAD", a=0x8000, pad_top=4, pad_left=16, a_inner_stride=16)
    assert stages(matrices, load(0, A, (20, 30))) == {"dram": ram, "load": port - ram}
    assert stages(matrices, fill) == {"load": 16}
    assert stages(matrices, store(20, 30, C)) == {"dram": ram, "store": port - ram}
    assert stages(matrices, load(0, A, (20, 30)), fill) == {"dram": ram, "load": port + 16 - ram}


def test_the_array_counts_before_ram_and_ram_before_the_ports(machine):
    matrices = machine(scratchpad_bytes_per_cycle=4)
    array, ram, port = (
        array_formula("ws", "double", 16, 16, 64, 16, 16),
        beats(2400) + LATENCY,
        beats(2400, 4),
    )
    both = stages(matrices, matmul(64, 16, 16, b=0x4000), load(0x8000, A, (20, 30)))
    assert both == {"compute": array, "dram": 1 + ram - array, "load": port - ram}
    assert stages(matrices, load(0x8000, A, (20, 30)), store(20, 30, C)) == {
        "dram": 2 * beats(2400) + LATENCY
    }
    assert stages(matrices, NOP, matmul(64, 16, 16, b=0x4000), SYNC, NOP) == {"fetch": 2, "compute": array}


def test_only_what_waits_for_the_device_is_its_time(matrices):
    matrices.start(*product(20, 30, 50))
    assert matrices.simulator.read(COMPUTE + STATUS)[2] == ACCESS
    assert sum(matrices.simulator.last_wait.values()) == 0, "STATUS does not wait"
    _, _, stall = matrices.simulator.read(COMPUTE + RESULT, advance_cycles=500)
    assert sum(matrices.simulator.last_wait.values()) == stall - ACCESS
    assert "fetch" not in {stage for stage, cycles in matrices.simulator.last_wait.items() if cycles}
    matrices.simulator.read(COMPUTE + RESULT)
    assert sum(matrices.simulator.last_wait.values()) == 0, "it is done"


def test_a_refused_list_was_fetched_and_no_more(matrices):
    matrices.start(load(0, A, (20, 30)), command("MATMUL", m=1))
    _, error, stall = matrices.simulator.read(COMPUTE + RESULT)
    assert error and matrices.simulator.last_wait["fetch"] == stall - ACCESS


def test_counters_in_the_middle_of_work_add_up_too(matrices):
    matrices.start(*product(40, 40, 40))
    for _ in range(20):
        assert matrices.simulator.read(COMPUTE + STATUS, advance_cycles=97)[1] in (BUSY, DATA_READY)
        assert_units_account_for_every_cycle(matrices.statistics)


def test_a_load_waits_for_whoever_reads_what_it_overwrites(matrices):
    matrices.run(matmul(64, 16, 16, b=0x4000), load(0x4000, B, (16, 16)))
    assert matrices.statistics["load_wait_compute_cycles"] == 15
    matrices.run(matmul(64, 16, 16, b=0x4000), load(0, A, (64, 16)))
    assert matrices.statistics["load_wait_compute_cycles"] == 15 + 16 + 64 - 1


def test_long_lists_of_short_commands_run(matrices):
    count = 5_000
    assert matrices.run(*[NOP] * count, address=HEAP)[0] == 0
    assert matrices.simulator.read(COMPUTE + DATA_OUT)[1] == count


def test_the_host_computes_a_large_product_in_no_time(machine):
    """240 million multiply-accumulates a second were asked for; a crowded host gets half of that."""
    matrices = machine(scratchpad_bytes=1 << 20, accumulator_bytes=1 << 20)
    commands = [matmul(256, 256, 256, "ACCUMULATE", b=1 << 18, c_row_stride=1024)] * 8
    begin = time.process_time()
    assert matrices.run(*commands)[0] == 0
    seconds = time.process_time() - begin
    assert 8 * 256**3 / seconds > 120e6


def test_every_command_type_flag_and_field_is_documented():
    text = (ROOT / "docs/device.md").read_text()
    rows = (
        *device.COMMANDS,
        *device.ELEMENT_TYPES,
        *device.COMMAND_FLAGS,
        *device.ERROR_CODES,
        *device.COMMAND_FIELDS,
    )
    parts = [*rows, *device.DEVICE_MODELS["compute"].parameters]
    assert [part.name for part in parts if not re.search(rf"\b{part.name}\b", text)] == []
