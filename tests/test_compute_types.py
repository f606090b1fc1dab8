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

TYPES = ("float32", "int8", "bfloat16", "float16")
HALVES = TYPES[2:]


def narrowed(array, half):
    """PyTorch's half type of a float32 array, as uint16."""
    return torch.from_numpy(np.array(array, np.float32)).to(getattr(torch, half)).view(torch.uint16).numpy()


def widened(bits, half):
    return torch.from_numpy(bits.copy()).view(getattr(torch, half)).float().numpy()


# --- Time --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dataflow", "overlap"), MODES)
@pytest.mark.parametrize("kind", TYPES)
def test_a_product_takes_the_arrays_time_with_k_over_its_types_rate(machine, dataflow, overlap, kind):
    given = {"int8_rate": 4, "bfloat16_rate": 2, "float16_rate": 3}
    matrices = machine(dataflow=dataflow, overlap=overlap, rows=8, columns=4, **given)
    rate = {"float32": 1, "int8": 4, "bfloat16": 2, "float16": 3}[kind]
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


@pytest.mark.parametrize("half", HALVES)
def test_a_product_of_a_half_type_sums_in_float32_by_fused_additions(machine, half):
    matrices, (m, n, k) = machine(**{f"{half}_rate": 4}), (5, 7, 19)
    a, b = narrowed(numbers((m, k)), half), narrowed(numbers((k, n), 1), half)
    matrices.put(A, a)
    matrices.put(B, b)
    lists = [load(0, A, (m, k), 2), load(0x8000, B, (k, n), 2), matmul(m, n, k, b=0x8000, type=half.upper())]
    assert matrices.run(*lists, store(m, n, C))[0] == 0
    expected = fused_products(widened(a, half), widened(b, half), np.zeros((m, n), np.float32))
    assert np.array_equal(matrices.get(C, (m, n)), expected)


SPECIALS = [0.0, 1 + 2**-8, 1 + 3 * 2**-8, -(1 + 2**-8), 3.4e38, -3.4e38, 1e-40, np.inf, -np.inf, np.nan]
SPECIALS += [1 + 2**-11, 1 + 3 * 2**-11, 65519.9, 65520.0, -65520.0, 2**-14, 2**-24, 2**-25, 3 * 2**-25]


def stored(matrices, values, *flags, loads=(), type, **fields):
    """What a STORE makes of sums, which a product with 1 leaves."""
    count = values.size
    matrices.put(A, np.ones((1, 1), np.float32))
    matrices.put(B, values)
    product = [load(0, A, (1, 1)), load(0x8000, B, (1, count)), matmul(1, count, 1, b=0x8000), *loads]
    one = store(1, count, C, *flags, type=type, **fields)
    assert matrices.run(*product, one)[0] == 0
    return matrices.get(C, (count,), np.int8 if type == "INT8" else np.uint16).copy()


@pytest.mark.parametrize("half", HALVES)
def test_a_store_rounds_to_a_half_type_as_pytorch_does(machine, half):
    values = np.concatenate([np.array(SPECIALS, np.float32), numbers(500)])
    found = widened(stored(machine(), values, type=half.upper()), half)
    assert np.array_equal(found, widened(narrowed(values, half), half), equal_nan=True)


@pytest.mark.parametrize("half", HALVES)
def test_a_store_of_a_half_type_adds_a_residual_of_it_and_rounds_once(machine, half):
    matrices, count = machine(), 400
    values, bias, residual = numbers(count), numbers(count, 1), narrowed(numbers(count, 2), half)
    matrices.put(D, bias)
    matrices.put(D + 0x4000, residual)
    loads = [load(0x10000, D, (1, count)), load(0x20000, D + 0x4000, (1, count), 2)]
    flags = ("BIAS_COLUMNS", "RESIDUAL", f"{half.upper()}_RESIDUAL")
    found = stored(matrices, values, *flags, loads=loads, b=0x10000, a=0x20000, type=half.upper())
    assert np.array_equal(found, narrowed(values + bias + widened(residual, half), half))


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


@pytest.mark.parametrize("place", range(len(TYPES)))
def test_a_type_that_the_array_does_not_multiply_is_refused_there(machine, place):
    matrices = machine(types=15 ^ 1 << place)
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
    assert product_rates(device.parameters) == dict.fromkeys(TYPES, 1)
    assert device.parameters["types"] == DEFAULTS["types"]


@pytest.mark.parametrize("given", ["", "int4", "int8 float32", "int8,", 3, ["int8"]])
def test_types_that_there_are_not_are_one_line(tmp_path, given):
    with pytest.raises(MachineError) as raised:
        machine_with(tmp_path, types=given)
    known = "it is one or more of 'float32, int8, bfloat16, float16'"
    assert str(raised.value) == f"{tmp_path}/mine.toml: devices.compute.types is {given!r}; {known}"


def test_the_bound_of_products_is_the_sum_of_their_types_times(tmp_path):
    machine = machine_with(tmp_path, int8_rate=4, bfloat16_rate=2, float16_rate=2)
    macs = {"int8_macs": 256 * 10, "bfloat16_macs": 256 * 4, "float16_macs": 256}
    demand = Demand(macs=256 * (10 + 8 + 5), **macs)
    assert roofline(demand, rates(machine)).by["array"] == 13  # 8 + 10 / 4 + 4 / 2 + 1 / 2
    lacking = machine_with(tmp_path, int8_rate=4, types="int8")
    assert roofline(demand, rates(lacking)).by["array"] == 3
    assert rates(machine_with(tmp_path)) == rates(machine) | {f"array_{kind}": 256 for kind in TYPES[1:]}
