# SPDX-License-Identifier: Apache-2.0
"""The simulator's clock: it moves as arithmetic says, and the same each time."""

import random

import pytest
from acalsim_backend.machine.file import load_machine
from compute_fixtures import RAM_BYTES
from hypothesis import given, settings
from hypothesis import strategies as st
from simulator_fixtures import (
    ADVANCE,
    BUSY,
    COMPUTE,
    DATA_IN,
    DATA_OUT,
    DATA_READY,
    ECHO,
    END,
    HELLO,
    RAM,
    READ,
    RESULT,
    STATUS,
    TEXT,
    TEXT_STATISTICS,
    WRITE,
    request,
    simulator_of,
)
from simulator_work import LATENCY, filled_ram

pytestmark = pytest.mark.quick


def test_advance_moves_the_clock_and_runs_what_happens_until_then(serve):
    served = serve()
    served.client.send(request(ADVANCE, data=100) + request(WRITE, ECHO + DATA_IN, 3))
    assert served.client.response() == (1, 0, 1, 0)
    served.client.send(request(ADVANCE, data=LATENCY - 3) + request(READ, ECHO + DATA_OUT))
    assert served.client.response() == (1, 3, 3, 0)
    served.client.send(request(ADVANCE, data=50) + request(READ, ECHO + DATA_OUT))
    assert served.client.response() == (1, 3, 1, 0)
    served.client.send(request(ADVANCE, data=5) + request(WRITE, ECHO + DATA_IN, END))
    assert served.client.response() == (1, 0, 1, 1)
    assert served.result()["total_cycles"] == 100 + 1 + LATENCY + 50 + 1 + 5 + 1


def test_advances_add_up_and_have_no_response(serve):
    served = serve()
    for frame in (request(ADVANCE, data=10), request(ADVANCE, data=2**40), request(HELLO, 1)):
        served.client.send(frame)
    assert served.client.response()[2] == 0
    served.client.receive(len("a machine\n"))
    served.client.end()
    served.client.send(request(TEXT, size=TEXT_STATISTICS))
    assert served.result()["total_cycles"] == 10 + 2**40 + 1


def test_a_stall_that_48_bits_cannot_hold_is_an_error(embedded, serve):
    simulator = embedded.Engine(20, 8)
    simulator.add_device("echo", "echo", ECHO, {"access_cycles": 2**48, "latency_cycles": 1})
    served = serve(simulator)
    served.client.send(request(READ, ECHO + STATUS))
    with pytest.raises(embedded.SimulationError, match="stalls for 281474976710656 cycles"):
        served.result()


def test_time_never_passes_its_end(embedded):
    simulator = embedded.Engine(20, 8)
    simulator.add_device("echo", "echo", ECHO, {"access_cycles": 1, "latency_cycles": 2**64 - 1})
    simulator.read(ECHO + STATUS, advance_cycles=2**63 - 10)
    with pytest.raises(embedded.SimulationError, match="advanced past the end of time"):
        simulator.read(ECHO + STATUS, advance_cycles=2**62)
    with pytest.raises(embedded.SimulationError, match="'echo' plans past the end of time"):
        simulator.write(ECHO + DATA_IN, 1)


class EchoByHand:
    """The Echo device's timing once more, by arithmetic instead of events."""

    def __init__(self, access, latency):
        self.access, self.latency = access, latency
        self.clock = self.done = self.value = 0

    def transact(self, advance, register, is_write, value):
        arrival = self.clock + advance + self.access
        waits = register in (DATA_IN, DATA_OUT, RESULT)
        finish = max(arrival, self.done) if waits else arrival
        stall, self.clock = finish - self.clock - advance, finish
        if is_write:
            self.value, self.done = value, finish + self.latency
            return (True, 0, stall)
        status = BUSY if finish < self.done else DATA_READY if self.done else 0
        return (True, {STATUS: status, DATA_OUT: self.value, RESULT: 0}[register], stall)


@given(
    access=st.integers(1, 3),
    latency=st.integers(0, 12),
    steps=st.lists(
        st.tuples(st.integers(0, 15), st.sampled_from([DATA_IN, DATA_OUT, STATUS, RESULT])), max_size=30
    ),
)
@settings(max_examples=200)
def test_echo_keeps_the_time_that_arithmetic_says(embedded, access, latency, steps):
    simulator = embedded.Engine(20, 8)
    simulator.add_device("echo", "echo", ECHO, {"access_cycles": access, "latency_cycles": latency})
    oracle = EchoByHand(access, latency)
    for value, (advance, register) in enumerate(steps):
        expected = oracle.transact(advance, register, register == DATA_IN, value)
        if register == DATA_IN:
            assert simulator.write(ECHO + register, value, advance_cycles=advance) == expected
        else:
            assert simulator.read(ECHO + register, advance_cycles=advance) == expected
    assert simulator.result()["total_cycles"] == oracle.clock


def test_the_same_run_gives_the_same_numbers(serve, embedded, simulator, tmp_path):
    def run(engine):
        engine.map_ram(str(filled_ram(tmp_path)), RAM, RAM_BYTES)
        chooser, seen = random.Random(3), []
        for _ in range(500):
            base, register = chooser.choice([ECHO, COMPUTE]), chooser.choice([0, 4, 8, 12, 16, 20])
            access = chooser.choice(
                [engine.read, lambda a, **more: engine.write(a, chooser.randrange(8), **more)]
            )
            seen.append(access(base + register, advance_cycles=chooser.randrange(50)))
        return seen, engine.result()

    assert run(simulator) == run(simulator_of(embedded, load_machine("default")))
