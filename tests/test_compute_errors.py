# SPDX-License-Identifier: Apache-2.0
"""The compute device refuses wrong commands by their index and executes nothing."""

import numpy as np
import pytest
from compute_fixtures import (
    DEFAULTS,
    ERRORS,
    LAST,
    LIST,
    NOP,
    RAM_BYTES,
    SYNC,
    A,
    B,
    C,
    load,
    matmul,
    numbers,
    parameters,
    product,
    store,
)
from simulator_fixtures import (
    COMPUTE,
    CONTROL,
    DATA_OUT,
    DATA_READY,
    ERROR,
    RAM,
    RESET,
    RESULT,
    SIZE,
    START,
    STATUS,
)

pytestmark = pytest.mark.quick

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
        {"code": 99}, {**NOP, "type": 1}, {**SYNC, "flags": 1}, {**GOOD[0], "flags": 2},
        {**GOOD[0], "type": 1},
        {**GOOD[2], "type": 2}, {**GOOD[2], "type": 77}, {**GOOD[2], "flags": 2}, {**GOOD[3], "flags": 1},
        {**GOOD[3], "flags": 0x1000}, store(4, 4, C, "INT8_RESIDUAL"),
        store(4, 4, C, "BIAS_ROWS", "BIAS_COLUMNS"), store(4, 4, C, "SCALE", "SCALE_ROWS"),
        store(4, 4, C, "SCALE_COLUMNS", "SCALE_ROWS"), store(4, 4, C, "POOL", "RESIDUAL"),
        {**GOOD[3], "type": 2},
    ],
    "ERROR_ADDRESS": [
        load(0, RAM - 4, (4, 4)), load(0, LAST - 60, (4, 4)), load(0, 2**64 - 4, (1, 1)), load(0, 0, (1, 1)),
        load(0, LAST - 64, (4, 4), strides=(17, 0)), load(0, A, (2, 1, 1), strides=(0, 2**32 - 1)),
        store(4, 4, LAST - 60), store(4, 4, RAM - 64), store(4, 4, LAST - 64, dram_row_stride=20),
    ],
    "ERROR_ALIGNMENT": [
        {**GOOD[2], "a": 2}, {**GOOD[2], "b": 1}, {**GOOD[2], "c": 2}, {**GOOD[2], "a_k_inner_stride": 2},
        {**GOOD[2], "b_k_inner_stride": 6}, {**GOOD[2], "c_row_stride": 18}, store(4, 4, C + 2),
        store(4, 4, C, c=1),
        store(4, 4, C, dram_row_stride=18), store(4, 4, C, row_bytes=18), store(4, 4, C, "BIAS_ROWS", b=2),
        store(4, 4, C, "RESIDUAL", a=2), matmul(4, 4, 4, type="INT8", c=1), store(4, 4, C, c=2, type="INT8"),
    ],
    "ERROR_SIZE": [
        load(0, A, (0, 4)), load(0, A, (4, 0)), {**load(0, A, (4, 4)), "a_inner_stride": 0},
        {**load(0, A, (2, 4, 4)), "a_outer_stride": 0}, matmul(0, 4, 4), matmul(4, 0, 4), matmul(4, 4, 0),
        matmul(4, 4, 4, a_inner_stride=0), matmul(4, 4, 4, b_inner_stride=0),
        matmul(4, 4, 4, a_k_inner_stride=0),
        matmul(4, 4, 4, b_k_inner_stride=0), matmul(4, 4, 4, c_row_stride=0), matmul(4, 4, 4, m_inner=2),
        matmul(4, 4, 8, k_inner=2),
        matmul(4, 4, 8, k_inner=2, k_middle=2, a_k_middle_stride=8, b_k_middle_stride=32),
        store(0, 4, C), store(4, 4, C, rows=3), store(4, 4, C, row_bytes=12), store(4, 4, C, planes=2),
        store(4, 4, C, dram_row_stride=0), store(4, 4, C, "RESIDUAL", a_inner_stride=0),
        pooling(n_inner=0), pooling(n_inner=3), pooling(k_inner=0), pooling(k_middle=0),
        pooling(pool_stride=0),
        pooling(k_inner=5), pooling(pad_left=2), pooling(pad_bottom=8), pooling(rows=3),
    ],
    "ERROR_SCRATCHPAD": [
        load(SCRATCHPAD - 60, A, (4, 4)), load(SCRATCHPAD - 64, A, (4, 4), padding=(0, 1, 0, 0)),
        load(2**32 - 16, A, (4, 4)), load(SCRATCHPAD - 64, A, (4, 4), padding=(0, 0, 0, 1)),
        matmul(4, 4, 4, a=SCRATCHPAD - 60),
        matmul(4, 4, 4, b=SCRATCHPAD - 32), matmul(4, 4, 4, b=2**32 - 64),
        matmul(4, 4, 4, a_inner_stride=2**32 - 4),
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
    assert set(WRONG) | {"ERROR_NO_RAM", "ERROR_NONE", "ERROR_INDEX"} == set(ERRORS)


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
