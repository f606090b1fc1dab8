# SPDX-License-Identifier: Apache-2.0
"""Several compute devices and several channels of RAM: who waits for whom."""

import pytest
from acalsim_backend.machine.commands import COMMAND_BYTES
from compute_fixtures import (
    BYTES_PER_CYCLE,
    DEFAULTS,
    HEAP,
    LATENCY,
    LIST,
    NOP,
    SYNC,
    A,
    Matrices,
    beats,
    load,
    machine_of,
    parameters,
    relaxed,
)
from hypothesis import given
from hypothesis import strategies as st
from simulator_fixtures import COMPUTE, DATA_IN, RESULT, STATUS

pytestmark = pytest.mark.quick


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
    """The list is asked for in the cycle of START; the CPU's bytes come behind it, shared among channels."""
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
        "banks": st.integers(1, 3), "row_bytes": st.sampled_from([0, 128, 1000]),
        "row_miss_cycles": st.integers(0, 25),
    }),
    tiles=st.lists(
        st.tuples(st.integers(0, 4000), st.integers(1, 5), st.integers(1, 300), st.integers(0, 90)),
        min_size=1, max_size=6
    ),
)  # fmt: skip
@relaxed
def test_ram_keeps_its_rules(embedded, tmp_path, ram, tiles):
    matrices = machine_of(embedded, tmp_path, ram=ram)
    reference = DramByHand(**ram)
    commands = [
        load(0, A + at, (rows, columns), 1, strides=(columns + gap, 0)) for at, rows, columns, gap in tiles
    ]
    now = reference.book(0, [(LIST, 2 * len(commands) * COMMAND_BYTES)])
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
