# SPDX-License-Identifier: Apache-2.0
"""The compute device's products against numpy."""

import subprocess

import numpy as np
import pytest
from acalsim_backend.errors import DeviceError
from acalsim_backend.machine.commands import COMMAND_BYTES, pack_command
from compute_fixtures import (
    DATAFLOWS,
    DEFAULTS,
    LIST,
    A,
    B,
    C,
    D,
    fused_products,
    load,
    matmul,
    numbers,
    product,
    small,
    store,
)
from simulator_fixtures import COMPUTE, DATA_OUT, DATA_READY, ROOT

pytestmark = pytest.mark.quick


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
    example = text[text.index("    struct DeviceCommand list[]") : text.index("`pack_command(")]
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
    assert matrices.run(size=4 * COMMAND_BYTES)[0] == 0
    assert np.array_equal(matrices.get(C, (64, 64)), np.maximum(small((64, 64)) @ small((64, 64), 1), 0))


def test_a_command_has_only_its_own_fields():
    assert len(pack_command(code=1)) == COMMAND_BYTES == 128
    with pytest.raises(DeviceError, match="a command has no field 'colour'"):
        pack_command(code=1, colour=3)
