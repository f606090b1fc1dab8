# SPDX-License-Identifier: Apache-2.0
"""The compute device's cycles against closed formulas and recurrences."""

import pytest
from compute_fixtures import (
    LATENCY,
    MODES,
    NOP,
    SYNC,
    A,
    B,
    C,
    array_formula,
    beats,
    command,
    load,
    machine_of,
    matmul,
    relaxed,
    store,
)
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.quick


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


@pytest.mark.parametrize("percent", [0, 50, 75, 100])
def test_a_load_that_shares_the_scratchpads_port_holds_up_the_array(machine, percent):
    """LOADs of three cycles at the port are done while the first product streams; the second waits for the last."""
    loads = [load(0x4000 + 192 * i, A, (1, 48)) for i in range(3)]
    products = [matmul(256, 16, 16, b=0x8000), matmul(16, 16, 4, a=0x4180, b=0x8000, c=0x8000)]
    alone = machine().cycles(products[0], *loads, products[1])
    shared = machine(load_conflict_percent=percent).cycles(products[0], *loads, products[1])
    assert shared - alone == 2 * beats(192, 64) * percent // 100
    nothing_streams = [*loads, products[1]]
    assert machine(load_conflict_percent=percent).cycles(*nothing_streams) == machine().cycles(
        *nothing_streams
    )


@pytest.mark.parametrize("percent", [0, 50, 100])
def test_a_store_that_shares_the_accumulators_port_holds_up_the_array(machine, percent):
    """It reads what the first product has left while the second streams; the third waits for it."""
    products = [matmul(m, 16, 16, b=0x8000, c=c) for m, c in ((16, 0), (256, 0x1000), (16, 0))]
    commands = [*products[:2], store(16, 16, C), products[2]]
    held = machine(store_conflict_percent=percent).cycles(*commands) - machine().cycles(*commands)
    assert held == beats(1024, 64) * percent // 100


def test_a_list_is_asked_for_when_the_device_has_started(machine):
    fresh, slow = (machine(start_cycles=cycles).cycles(NOP, NOP) for cycles in (0, 700))
    assert slow == fresh + 700
