# SPDX-License-Identifier: Apache-2.0
"""Types that the array multiplies: their time, their values, and machines that lack some."""

import numpy as np
import pytest
import torch
from acalsim_backend.errors import MachineError
from acalsim_backend.machine.file import machine_of as machine_from
from acalsim_backend.machine.models import product_rates
from acalsim_backend.machine.registers import WINDOW_BYTES
from acalsim_backend.report.roofline import rates, roofline
from acalsim_backend.schedule.plan_file import Demand
from compute_fixtures import (
    DEFAULTS,
    ERRORS,
    MODES,
    A,
    B,
    C,
    D,
    array_formula,
    fused_products,
    load,
    matmul,
    numbers,
    store,
)
from vector_fixtures import NUMBERS

pytestmark = pytest.mark.quick

TYPES = ("float32", "int8", "bfloat16")


def narrowed(array):
    """PyTorch's bfloat16 of a float32 array, as uint16."""
    return torch.from_numpy(np.array(array, np.float32)).to(torch.bfloat16).view(torch.uint16).numpy()


def widened(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


# --- Time --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dataflow", "overlap"), MODES)
@pytest.mark.parametrize("kind", TYPES)
def test_a_product_takes_the_arrays_time_with_k_over_its_types_rate(machine, dataflow, overlap, kind):
    given = {"int8_rate": 4, "bfloat16_rate": 2}
    matrices = machine(dataflow=dataflow, overlap=overlap, rows=8, columns=4, **given)
    rate = {"float32": 1, "int8": 4, "bfloat16": 2}[kind]
    for m, n, k in [(1, 1, 1), (9, 17, 33), (2, 64, 1), (40, 3, 64)]:
        expected = array_formula(dataflow, overlap, 8, 4, m, n, -(-k // rate))
        assert matrices.cycles(matmul(m, n, k, b=0x8000, type=kind.upper())) == 1 + expected


def test_the_peak_is_that_of_the_fastest_type_that_was_multiplied(machine):
    matrices = machine(int8_rate=4, bfloat16_rate=2)
    peaks = []
    for kind in TYPES[0], TYPES[2], TYPES[1], TYPES[0]:
        matrices.cycles(matmul(4, 4, 4, b=0x8000, type=kind.upper()))
        peaks.append(matrices.statistics["peak_macs_per_cycle"])
    assert peaks == [256, 512, 1024, 1024]


# --- Values ------------------------------------------------------------------------------------------


def test_a_product_of_bfloat16_sums_in_float32_by_fused_additions(machine):
    matrices, (m, n, k) = machine(bfloat16_rate=4), (5, 7, 19)
    a, b = narrowed(numbers((m, k))), narrowed(numbers((k, n), 1))
    matrices.put(A, a)
    matrices.put(B, b)
    lists = [load(0, A, (m, k), 2), load(0x8000, B, (k, n), 2), matmul(m, n, k, b=0x8000, type="BFLOAT16")]
    assert matrices.run(*lists, store(m, n, C))[0] == 0
    expected = fused_products(widened(a), widened(b), np.zeros((m, n), np.float32))
    assert np.array_equal(matrices.get(C, (m, n)), expected)


SPECIALS = [0.0, 1 + 2**-8, 1 + 3 * 2**-8, -(1 + 2**-8), 3.4e38, -3.4e38, 1e-40, np.inf, -np.inf, np.nan]


def stored(matrices, values, *flags, loads=(), type="BFLOAT16", **fields):
    """What a STORE makes of sums, which a product with 1 leaves."""
    count = values.size
    matrices.put(A, np.ones((1, 1), np.float32))
    matrices.put(B, values)
    product = [load(0, A, (1, 1)), load(0x8000, B, (1, count)), matmul(1, count, 1, b=0x8000), *loads]
    one = store(1, count, C, *flags, type=type, **fields)
    assert matrices.run(*product, one)[0] == 0
    return matrices.get(C, (count,), {"BFLOAT16": np.uint16, "INT8": np.int8}[type]).copy()


def test_a_store_rounds_to_bfloat16_as_pytorch_does(machine):
    values = np.concatenate([np.array(SPECIALS, np.float32), numbers(500)])
    found = widened(stored(machine(), values))
    assert np.array_equal(found, widened(narrowed(values)), equal_nan=True)


def test_a_store_of_bfloat16_adds_a_residual_of_it_and_rounds_once(machine):
    matrices, count = machine(), 400
    values, bias, residual = numbers(count), numbers(count, 1), narrowed(numbers(count, 2))
    matrices.put(D, bias)
    matrices.put(D + 0x4000, residual)
    loads = [load(0x10000, D, (1, count)), load(0x20000, D + 0x4000, (1, count), 2)]
    flags = ("BIAS_COLUMNS", "RESIDUAL", "BFLOAT16_RESIDUAL")
    found = stored(matrices, values, *flags, loads=loads, b=0x10000, a=0x20000)
    assert np.array_equal(found, narrowed(values + bias + widened(residual)))


@pytest.mark.parametrize("activation", ["RELU", "ACTIVATION"])
def test_a_store_scales_its_result_behind_the_activation(machine, activation):
    """As a product does whose result the next one reads as int8."""
    matrices = machine(lanes=8, special_lanes=2)
    values = numbers(300) * 3
    flags = (activation, "SCALE_RESULT")
    kept = {"k": NUMBERS["TANH"]} if activation == "ACTIVATION" else {}
    exact = np.tanh(values) if kept else np.maximum(values, 0)
    found = stored(matrices, values, *flags, type="INT8", high=40.0, **kept)
    assert np.abs(found - np.clip(exact * np.float32(40), -128, 127)).max() <= 0.5001
    matrices.run(store(1, 300, C, *flags, high=0.25, **kept))
    assert np.allclose(matrices.get(C, (300,)), exact * 0.25, rtol=1e-6)
    both = store(1, 300, C, "CLAMP", "SCALE_RESULT", low=0.0, high=1.0)
    assert matrices.run(both)[0] == ERRORS["ERROR_COMMAND"]


# --- Machines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", range(3))
def test_a_type_that_the_array_does_not_multiply_is_refused_there(machine, place):
    matrices = machine(types=7 ^ 1 << place)
    for other, kind in enumerate(TYPES):
        found = matrices.run(matmul(1, 1, 1, b=0x8000, type=kind.upper()))[0]
        assert found == (ERRORS["ERROR_COMMAND"] if other == place else 0)


def machine_with(tmp_path, **keys):
    devices = {"echo": {"base": 0x10200000}, "compute": {"base": 0x10200000 + WINDOW_BYTES, **keys}}
    return machine_from({"devices": devices}, tmp_path / "mine.toml")


def test_a_machine_file_names_its_types_and_their_rates(tmp_path):
    machine = machine_with(tmp_path, types="bfloat16,int8", int8_rate=4)
    (device,) = machine.devices_of("compute")
    assert product_rates(device.parameters) == {"int8": 4, "bfloat16": 1}
    assert machine.macs_per_cycle == 4 * 256
    (device,) = machine_with(tmp_path).devices_of("compute")
    assert product_rates(device.parameters) == {"float32": 1, "int8": 1, "bfloat16": 1}
    assert device.parameters["types"] == DEFAULTS["types"]


@pytest.mark.parametrize("given", ["", "int4", "int8 float32", "int8,", 3, ["int8"]])
def test_types_that_there_are_not_are_one_line(tmp_path, given):
    with pytest.raises(MachineError) as raised:
        machine_with(tmp_path, types=given)
    known = "it is one or more of 'float32, int8, bfloat16'"
    assert str(raised.value) == f"{tmp_path}/mine.toml: devices.compute.types is {given!r}; {known}"


def test_the_bound_of_products_is_the_sum_of_their_types_times(tmp_path):
    machine = machine_with(tmp_path, int8_rate=4, bfloat16_rate=2)
    demand = Demand(macs=256 * (10 + 8 + 5), int8_macs=256 * 10, bfloat16_macs=256 * 5)
    assert roofline(demand, rates(machine)).by["array"] == 13  # 8 + 10 / 4 + 5 / 2
    lacking = machine_with(tmp_path, int8_rate=4, types="int8")
    assert roofline(demand, rates(lacking)).by["array"] == 3
    assert rates(machine_with(tmp_path)) == rates(machine) | {"array_int8": 256, "array_bfloat16": 256}
