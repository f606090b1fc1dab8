# SPDX-License-Identifier: Apache-2.0
"""Compute devices that send each other tiles and signals, on the devices' model."""

import numpy as np
import pytest
from acalsim_backend.machine.commands import COMMAND_BYTES
from compute_fixtures import ERRORS, SYNC, Matrices, command, load, matmul, parameters, store
from simulator_fixtures import (
    COMPUTE,
    CONTROL,
    DATA_OUT,
    RAM,
    RESET,
    RESULT,
)

pytestmark = pytest.mark.quick

PEER_LATENCY, PEER_BYTES_PER_CYCLE = 30, 16
BASES = COMPUTE, COMPUTE + 0x100000, COMPUTE + 0x200000
A, B, C = RAM + 0x50000, RAM + 0x60000, RAM + 0x70000


def peer(base, address=0):
    return base << 32 | address


def signal(base):
    return command("SIGNAL", dram=peer(base))


def await_signals(count):
    return command("AWAIT", m=count)


@pytest.fixture
def three(embedded, tmp_path):
    """Matrices on a machine with three compute devices."""
    simulator = embedded.Engine(20, 64)
    given = parameters(peer_latency_cycles=PEER_LATENCY, peer_bytes_per_cycle=PEER_BYTES_PER_CYCLE)
    for index, base in enumerate(BASES):
        simulator.add_device("compute", f"compute{index}", base, given)
    return Matrices(simulator, tmp_path)


def start(machine, lists):
    at = RAM + 0x100
    for base, commands in lists.items():
        machine.start(*commands, address=at, base=base)
        at += COMMAND_BYTES * len(commands)


def ends(machine, *bases):
    """When each of them has ended, and that it ended well."""
    found = []
    for base in bases:
        assert machine.simulator.read(base + RESULT)[1] == 0
        found.append(machine.simulator.result()["total_cycles"])
    return found


def small(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_a_product_goes_from_device_to_device_without_ram(three):
    """C = (A B) B on two devices: the second multiplies what the first has stored in its scratchpad."""
    a, b = small((12, 10), 0), small((10, 10), 1)
    three.put(A, a)
    three.put(B, b)
    start(three, {
        BASES[0]: [load(0, A, a.shape), load(0x1000, B, b.shape), matmul(12, 10, 10, b=0x1000),
                   store(12, 10, peer(BASES[1], 0x2000)), signal(BASES[1])],
        BASES[1]: [load(0x1000, B, b.shape), await_signals(1), matmul(12, 10, 10, a=0x2000, b=0x1000),
                   store(12, 10, C)],
    })  # fmt: skip
    ends(three, *BASES[:2])
    assert np.allclose(three.get(C, (12, 10)), a @ b @ b, rtol=1e-5, atol=1e-5)
    assert three.simulator.result()["devices"]["compute0"]["peer_bytes_sent"] == 480
    assert three.simulator.result()["devices"]["compute0"]["dma_bytes_written"] == 0


def test_a_tile_lies_at_the_peer_as_its_strides_say(three):
    """Every other row of a wider matrix, in int8."""
    a = small((6, 4), 2) * 50
    three.put(A, a)
    three.put(B, np.eye(4, dtype=np.float32))
    start(three, {
        BASES[0]: [load(0, A, a.shape), load(0x1000, B, (4, 4)), matmul(6, 4, 4, b=0x1000),
                   store(6, 4, peer(BASES[1], 0x100), type="INT8", dram_row_stride=16), signal(BASES[1])],
        # What came is multiplied by 1 to be seen in RAM.
        BASES[1]: [load(0x1000, A, (1, 1)), await_signals(1)],
    })  # fmt: skip
    ends(three, *BASES[:2])
    one = np.eye(16, dtype=np.int8)
    three.put(B, one)
    commands = [
        load(0x1000, B, (16, 16), element_bytes=1),
        matmul(6, 16, 16, a=0x100, b=0x1000, type="INT8"),
        store(6, 16, C, "INT32_SUMS", type="INT8"),
    ]
    assert three.run(*commands, base=BASES[1])[0] == 0
    expected = np.zeros((6, 16), np.int8)
    expected[:, :4] = np.clip(np.rint(a), -128, 127)
    assert np.array_equal(three.get(C, (6, 16), np.int8), expected)


def test_a_signal_arrives_behind_the_tiles_before_it(three):
    """Whatever the sizes: 64 x 64 floats take 1024 cycles to leave."""
    values = small((64, 64), 3)
    three.put(A, values)
    three.put(B, np.eye(64, dtype=np.float32))
    start(three, {
        BASES[0]: [load(0, A, values.shape), load(0x8000, B, (64, 64)), matmul(64, 64, 64, b=0x8000),
                   store(64, 64, peer(BASES[1])), signal(BASES[1])],
        BASES[1]: [load(0x8000, B, (64, 64)), await_signals(1), matmul(64, 64, 64, b=0x8000),
                   store(64, 64, C)],
    })  # fmt: skip
    sent, received = ends(three, *BASES[:2])
    assert np.allclose(three.get(C, (64, 64)), values, rtol=1e-6)
    assert received > sent > 64 * 64 * 4 // PEER_BYTES_PER_CYCLE


def test_the_time_of_a_tile_is_its_bytes_and_the_latency(three):
    """Of two lists that differ in what the tile weighs, the receiver ends so much later."""
    times = []
    for columns in (16, 32):
        start(three, {
            BASES[0]: [matmul(16, columns, 1, b=0x1000), SYNC, store(16, columns, peer(BASES[1], 0x100)),
                       signal(BASES[1])],
            BASES[1]: [await_signals(1)],
        })  # fmt: skip
        before = three.simulator.result()["total_cycles"]
        first, second = ends(three, *BASES[:2])
        times.append((second - before, second - first))
    more = 16 * 16 * 4 // PEER_BYTES_PER_CYCLE
    assert times[1][0] - times[0][0] == more + 16  # and 16 columns more through the array
    assert [wait for _, wait in times] == [PEER_LATENCY, PEER_LATENCY]


def test_signals_of_several_peers_are_counted_and_kept(three):
    start(three, {BASES[0]: [signal(BASES[2])] * 2, BASES[1]: [signal(BASES[2])]})
    ends(three, *BASES[:2])
    three.simulator.read(BASES[0] + CONTROL, advance_cycles=100)
    assert three.run(await_signals(3), base=BASES[2])[0] == 0
    start(three, {BASES[2]: [await_signals(1)], BASES[0]: [SYNC] * 50 + [signal(BASES[2])]})
    waited, _ = ends(three, BASES[2], BASES[0])
    assert waited > 50


def test_a_reset_forgets_signals(three, embedded):
    start(three, {BASES[0]: [signal(BASES[1])]})
    ends(three, BASES[0])
    three.simulator.read(BASES[0] + CONTROL, advance_cycles=100)
    three.simulator.write(BASES[1] + CONTROL, RESET)
    three.start(await_signals(1), base=BASES[1])
    with pytest.raises(
        embedded.SimulationError, match="'compute1' never answers .*nothing is left to happen"
    ):
        three.simulator.read(BASES[1] + RESULT)


@pytest.mark.parametrize(
    ("one", "error"),
    [
        (signal(0x12340000), "ERROR_ADDRESS"), (signal(BASES[0]), "ERROR_ADDRESS"),
        (command("AWAIT"), "ERROR_SIZE"),
        (store(1, 4, peer(BASES[1], parameters()["scratchpad_bytes"] - 12)), "ERROR_ADDRESS"),
        (store(1, 4, peer(BASES[0], 0)), "ERROR_ADDRESS"),
        (load(0, peer(BASES[1], 0), (1, 4)), "ERROR_ADDRESS"),
        (command("SIGNAL", "RELU", dram=peer(BASES[1])), "ERROR_COMMAND"),
        (command("AWAIT", type="INT8", m=1), "ERROR_COMMAND"),
    ],
)  # fmt: skip
def test_what_no_peer_can_take_is_refused(three, one, error):
    result, _, _ = three.run(one)
    assert result == ERRORS[error] and three.simulator.read(COMPUTE + DATA_OUT)[1] == 0
