# SPDX-License-Identifier: Apache-2.0
"""How long the vector unit takes, against the formulas of docs/timing.md written down once more."""

import math

import numpy as np
import pytest
from acalsim_backend.machine.commands import COMMAND_BYTES
from compute_fixtures import (
    BYTES_PER_CYCLE,
    ERRORS,
    A,
    B,
    C,
    command,
    load,
    matmul,
    store,
)
from compute_fixtures import (
    LATENCY as RAM_LATENCY,
)
from simulator_fixtures import COMPUTE, DATA_OUT, RESULT
from test_vector_moves import pool
from vector_fixtures import (
    LANES,
    LATENCY,
    NUMBERS,
    SPECIAL,
    SPECIAL_LATENCY,
    reduce,
    rows,
    save,
    vector,
    with_lanes,
)

pytestmark = pytest.mark.quick

FLOAT = np.float32
DECODER = 1


def array(*shape, dtype=FLOAT):
    return np.zeros(shape, dtype)


@pytest.fixture
def device(embedded, tmp_path):
    return lambda **given: with_lanes(embedded, tmp_path, **given)


def over(count, rate):
    return -(-count // rate)


def tree(n, lanes=LANES):
    return LATENCY * (1 + math.ceil(math.log2(min(lanes, n))))


@pytest.mark.parametrize("count", [1, 8, 9, 100])
@pytest.mark.parametrize(
    ("function", "rate", "latency"), [("ADD", LANES, LATENCY), ("EXP", SPECIAL, SPECIAL_LATENCY)]
)
def test_elements_take_their_lanes_and_then_the_latency(device, count, function, rate, latency):
    one = vector(function, array(count), ((count,), FLOAT))
    assert device().cycles(one) == DECODER + over(count, rate) + latency


def test_a_narrow_port_sets_the_pace(device):
    a = array(100, dtype=np.int64)
    one = vector("ADD", a, ((100,), np.int64), "INTEGER", b=a)
    assert device().cycles(one) == DECODER + over(100 * 3 * 8, 12 * LANES) + LATENCY
    assert device(vector_bytes_per_cycle=10).cycles(one) == DECODER + over(2400, 10) + LATENCY


@pytest.mark.parametrize(("count", "n"), [(1, 1), (1, 100), (6, 5), (7, 33)])
def test_a_reduction_takes_its_rows_and_one_tree(device, count, n):
    one = reduce("SUM", array(count, n), ((count,), FLOAT))
    assert device().cycles(one) == DECODER + count * over(n, LANES) + tree(n)


@pytest.mark.parametrize(("count", "n"), [(1, 1), (1, 100), (6, 5), (7, 33)])
@pytest.mark.parametrize("special", [1, 2, 4, 8])
def test_a_softmax_keeps_its_busiest_lanes_busy(device, count, n, special):
    one = rows("SOFTMAX", array(count, n), ((count, n), FLOAT))
    v, s = over(n, LANES), over(n, special)
    work = 2 * v + max(v, s) + (count - 1) * max(3 * v, s)
    latency = 2 * tree(n) + SPECIAL_LATENCY
    assert device(special_lanes=special).cycles(one) == DECODER + work + latency


@pytest.mark.parametrize(("function", "passes"), [("LAYER_NORM", 3), ("RMS_NORM", 2)])
def test_a_norm_takes_its_passes(device, function, passes):
    one = rows(function, array(7, 33), ((7, 33), FLOAT))
    expected = 7 * passes * over(33, LANES) + (passes - 1) * tree(33) + SPECIAL_LATENCY
    assert device().cycles(one) == DECODER + expected


def test_a_narrow_port_sets_the_pace_of_rows(device):
    one = rows("LAYER_NORM", array(7, 33), ((7, 33), FLOAT))
    work = 7 * over(33 * (3 * 4 + 4), 10)
    assert device(vector_bytes_per_cycle=10).cycles(one) == DECODER + work + 2 * tree(33) + SPECIAL_LATENCY


def test_a_window_takes_a_lane_for_each_of_its_elements(device):
    one = command(
        "POOL", k=NUMBERS["MAX"], c=0x10000, planes=3, m=8, n=8, a_inner_stride=32, a_outer_stride=256,
        k_middle=2, k_inner=2, pool_stride=2, c_row_stride=16, dram_plane_stride=64,
    )  # fmt: skip
    results, taps = 3 * 4 * 4, 2 * 2
    assert device().cycles(one) == DECODER + over(results * taps, LANES) + LATENCY
    narrow = over(results * (4 * taps + 4), 10)
    assert device(vector_bytes_per_cycle=10).cycles(one) == DECODER + narrow + LATENCY


def test_reductions_that_are_not_pipelined_take_turns(device):
    turn, v, s = 7, over(33, LANES), over(33, SPECIAL)
    one = reduce("SUM", array(5, 33), ((5,), FLOAT))
    assert device(reduce_cycles=turn).cycles(one) == DECODER + 5 * (v + turn) + tree(33)
    for function, row, trees in (
        ("SOFTMAX", 3 * v + s + 2 * turn, 2),
        ("LAYER_NORM", 3 * v + 2 * turn, 2),
        ("RMS_NORM", 2 * v + turn, 1),
    ):
        one = rows(function, array(7, 33), ((7, 33), FLOAT))
        expected = DECODER + 7 * row + trees * tree(33) + SPECIAL_LATENCY
        assert device(reduce_cycles=turn).cycles(one) == expected


@pytest.mark.parametrize("function", ["MAX", "AVERAGE", "WEIGHTED"])
@pytest.mark.parametrize(("planes", "high", "wide", "window"), [(1, 3, 3, 3), (5, 9, 7, 3), (2, 8, 8, 2)])
def test_a_pooling_takes_its_windows_elements(device, function, planes, high, wide, window):
    one = pool(
        function,
        array(planes, high, wide),
        (high - window + 1, wide - window + 1),
        (window,) * 2,
        1,
        (0,) * 4,
    )
    elements = planes * (high - window + 1) * (wide - window + 1)
    work = over(elements * window**2, LANES)
    assert device().cycles(one) == DECODER + work + LATENCY
    weights = planes * window**2 * 4 if function == "WEIGHTED" else 0
    port = over(elements * 4 * (window**2 + 1) + weights, 5)
    assert device(vector_bytes_per_cycle=5).cycles(one) == DECODER + max(work, port) + LATENCY


def test_commands_issue_behind_each_other_and_their_latencies_overlap(device):
    ones = [vector("COPY", array(80), ((80,), FLOAT), places=(0, 0, 0x1000 * i)) for i in range(1, 5)]
    assert device().cycles(*ones) == DECODER + 4 * 10 + LATENCY


def test_what_needs_a_result_waits_for_its_latency(device):
    first = vector("COPY", array(80), ((80,), FLOAT), places=(0, 0, 0x1000))
    second = vector("COPY", array(80), ((80,), FLOAT), places=(0x1000, 0, 0x2000))
    matrices = device()
    assert matrices.cycles(first, second) == DECODER + 2 * (10 + LATENCY)
    assert matrices.statistics["vector_wait_vector_cycles"] == 0
    assert matrices.statistics["vector_elements"] == 160


# --- The store unit ---------------------------------------------------------------------------------


def own(address):
    return COMPUTE << 32 | address


def test_a_store_to_the_own_scratchpad_takes_its_port_and_no_ram(device):
    matrices = device()
    assert matrices.cycles(store(16, 16, own(0x100))) == DECODER + 16 * 16 * 4 // 64
    assert matrices.statistics["dma_bytes_written"] == 0


def test_an_activation_takes_the_special_lanes(device):
    one = store(16, 16, own(0x100), "ACTIVATION", k=NUMBERS["GELU"])
    matrices = device()
    assert matrices.cycles(one) == DECODER + 256 // SPECIAL
    assert matrices.statistics["special_elements"] == 256


def test_activations_and_the_vector_unit_share_the_special_lanes(device):
    exp = vector("EXP", array(100), ((100,), FLOAT), places=(0, 0, 0x1000))
    one = store(16, 16, own(0x2000), "ACTIVATION", k=NUMBERS["GELU"])
    begins_later = DECODER + 100 // SPECIAL + 256 // SPECIAL
    assert device().cycles(exp, one) == begins_later


# --- RAM --------------------------------------------------------------------------------------------


def transfer(size):
    return over(size, BYTES_PER_CYCLE) + RAM_LATENCY


def test_a_load_waits_for_a_store_to_the_same_ram_and_for_no_other(device):
    ahead = [save(C, 0, 256), load(0x1000, C, (1, 64)), save(B, 0x1000, 256)]
    apart = [save(C, 0, 256), load(0x1000, C + 256, (1, 64)), save(B, 0x2000, 256)]
    matrices = device()
    assert matrices.cycles(*ahead) == DECODER + 3 * transfer(256)
    assert matrices.cycles(*apart) == DECODER + 3 * over(256, BYTES_PER_CYCLE) + RAM_LATENCY


def test_a_value_goes_through_ram_in_the_order_of_the_list(device):
    matrices = device()
    matrices.put(A, np.arange(64, dtype=FLOAT))
    list = [load(0, A, (1, 64)), save(C, 0, 256), load(0x1000, C, (1, 64)), save(B, 0x1000, 256)]
    assert matrices.run(*list)[0] == 0
    assert np.array_equal(matrices.get(B, (64,)), np.arange(64))


# --- Lists in pieces ----------------------------------------------------------------------------------


def copies(count):
    """So many commands that each depend on the one before."""
    places = [(0x1000 * (i % 8), 0, 0x1000 * ((i + 1) % 8)) for i in range(count)]
    return [vector("COPY", array(400), ((400,), FLOAT), places=each) for each in places]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 30])
@pytest.mark.parametrize("buffer", [256, 512, 4096])
def test_a_list_in_pieces_is_fetched_while_it_is_executed(device, buffer, count):
    matrices = device(list_buffer_bytes=buffer)
    commands = copies(count)
    _, _, stall = matrices.run(*commands)
    piece = min(buffer // 2, count * COMMAND_BYTES)
    work = count * (400 // LANES + LATENCY)
    decoder_waits = max(0, work - 1) if buffer > 256 else work
    assert stall >= transfer(piece) + DECODER + work - 1
    if buffer > 256:
        assert stall <= transfer(piece) + DECODER + decoder_waits + 2
    assert matrices.statistics["dma_bytes_read"] == count * COMMAND_BYTES
    assert matrices.simulator.read(COMPUTE + DATA_OUT)[1] == count


def test_an_error_in_a_later_piece_ends_the_list_behind_the_pieces_before(device):
    matrices = device(list_buffer_bytes=512)
    matrices.put(A, np.arange(64, dtype=FLOAT))
    good = [load(0, A, (1, 64)), save(C, 0, 256), save(C + 256, 0, 256), save(C + 512, 0, 256)]
    wrong = {**save(B, 0, 256), "dram": 0}
    before = matrices.get(C + 512, (64,)).copy()
    assert matrices.run(*good, save(B, 0, 256), wrong)[0] == ERRORS["ERROR_ADDRESS"]
    assert matrices.simulator.read(COMPUTE + DATA_OUT)[1] == 5
    assert np.array_equal(matrices.get(C + 512, (64,)), np.arange(64)) and not np.array_equal(
        before, np.arange(64)
    )
    assert not np.array_equal(matrices.get(B, (64,)), np.arange(64))
    assert matrices.run(*good)[0] == 0


def test_pieces_that_come_out_of_order_are_taken_in_order(device):
    """The second piece, of one command, is shorter and has a channel of its own."""
    matrices = device(list_buffer_bytes=512, ram={"channels": 2, "interleave_bytes": 256})
    matrices.put(A, np.arange(64, dtype=FLOAT))
    one, other = load(0, A, (1, 64)), save(C, 0, 256)
    assert matrices.run(one, other, {**save(B, 0, 256), "dram": 0})[0] == ERRORS["ERROR_ADDRESS"]
    assert matrices.simulator.read(COMPUTE + DATA_OUT)[1] == 2
    assert np.array_equal(matrices.get(C, (64,)), np.arange(64))


def test_an_error_in_the_first_piece_has_no_effect(device):
    matrices = device(list_buffer_bytes=256)
    assert matrices.run({**save(B, 0, 256), "dram": 0}, *copies(20))[0] == ERRORS["ERROR_ADDRESS"]
    assert matrices.statistics["commands"] == 0
    assert matrices.run(*copies(2))[0] == 0


def test_units_account_for_every_cycle_with_a_vector_unit(device):
    matrices = device()
    product = [load(0, A, (16, 16)), load(0x400, B, (16, 16)), matmul(16, 16, 16, b=0x400)]
    activated = vector("GELU", array(16, 16), ((16, 16), FLOAT), "A_SUMS", places=(0, 0, 0x800))
    matrices.start(*product, activated, save(C, 0x800, 1024), load(0, C, (16, 16)))
    assert matrices.simulator.read(COMPUTE + RESULT)[1] == 0
    assert matrices.simulator.last_wait["vector"] == 128 + SPECIAL_LATENCY
    states = ("busy", "wait_load", "wait_compute", "wait_vector", "wait_store", "idle")
    for unit in ("load", "compute", "vector", "store"):
        cycles = [matrices.statistics.get(f"{unit}_{state}_cycles", 0) for state in states]
        assert sum(cycles) == matrices.statistics["busy_cycles"], unit


def test_without_lanes_nothing_speaks_of_a_vector_unit(device):
    assert not [name for name in device(lanes=0).statistics if "vector" in name or "special" in name]
    assert "store_wait_store_cycles" not in device(lanes=0).statistics
