# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: F811 (fixtures are imported by name, then asked for by the same name)
"""The simulator: protocol, time and devices of the embedded engine, and `serve` around it.

The client is written from the protocol's two structs alone.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from acalsim_backend.errors import ServeError, ToolchainError
from acalsim_backend.host import engine
from acalsim_backend.machine import device
from acalsim_backend.machine.file import load_machine
from compute_fixtures import HEAP, LIST, RAM_BYTES, Matrices, load, matmul, packed, store
from compute_fixtures import LATENCY as DMA_LATENCY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulator_fixtures import (  # noqa: F401
    ADVANCE,
    BUSY,
    COMPUTE,
    CONTROL,
    DATA_IN,
    DATA_OUT,
    DATA_READY,
    ECHO,
    END,
    ERROR,
    HELLO,
    RAM,
    READ,
    RESET,
    RESULT,
    ROOT,
    SIZE,
    START,
    STATUS,
    TEXT,
    TEXT_RAM,
    TEXT_STATISTICS,
    WRITE,
    embedded,
    engine_library,
    request,
    serve,
    server,
    simulator,
    simulator_of,
)

LATENCY = 10
"""Of the default machine's Echo device; an access takes one cycle."""
A, B, C = HEAP, HEAP + 0x1000, HEAP + 0x2000


# --- A client that knows two structs ---------------------------------------------------------------


def test_echo_answers_what_was_written(serve):
    served = serve()
    assert served.client.write(ECHO + DATA_IN, 0x3F800000)[:2] == (1, 0)
    assert served.client.read(ECHO + DATA_OUT)[:2] == (1, 0x3F800000)
    assert served.client.end() == (1, 0, 1, 1)
    assert served.result()["ended"]


def test_polling_status_ends(serve):
    client = serve().client
    client.write(ECHO + DATA_IN, 7)
    seen = [client.read(ECHO + STATUS)[1] for _ in range(LATENCY + 1)]
    assert seen == [BUSY] * (LATENCY - 1) + [DATA_READY] * 2


def test_every_transaction_takes_at_least_a_cycle(serve):
    served = serve()
    assert [served.client.read(address)[2] for address in (ECHO + STATUS, ECHO + 0x18, 0x0)] == [1, 1, 1]
    served.client.end()
    assert served.result()["total_cycles"] == 4


@pytest.mark.parametrize("register", [DATA_OUT, RESULT])
def test_reading_a_result_waits_for_it_in_one_transaction(serve, register):
    served = serve()
    served.client.write(ECHO + DATA_IN, 5)
    success, _, stall, _ = served.client.read(ECHO + register)
    assert (success, stall) == (1, LATENCY)
    served.client.end()
    assert served.result()["devices"]["echo"] == {"busy_cycles": LATENCY, "transactions": 3}


def test_writing_data_while_busy_waits_and_then_starts(serve):
    client = serve().client
    client.write(ECHO + DATA_IN, 5)
    assert client.write(ECHO + DATA_IN, 6)[2] == LATENCY
    assert client.read(ECHO + STATUS)[1] == BUSY
    assert client.read(ECHO + DATA_OUT)[1:3] == (6, LATENCY - 1)


def test_dead_beef_ends_after_the_work_at_hand(serve):
    served = serve()
    served.client.write(ECHO + DATA_IN, 5)
    assert served.client.end() == (1, 0, LATENCY, 1)
    assert served.result()["total_cycles"] == 1 + LATENCY


def test_dead_beef_elsewhere_is_a_number_like_any_other(serve):
    client = serve().client
    assert client.write(ECHO + SIZE, END)[3] == 0
    assert client.write(COMPUTE + DATA_IN, END)[3] == 0
    assert client.read(ECHO + SIZE)[1] == END


def test_control_and_size_are_read_back_and_reset_clears_them(serve):
    client = serve().client
    client.write(ECHO + CONTROL, START)
    client.write(ECHO + SIZE, 64)
    assert (client.read(ECHO + CONTROL)[1], client.read(ECHO + SIZE)[1]) == (START, 64)
    client.write(ECHO + CONTROL, RESET)
    assert (client.read(ECHO + CONTROL)[1], client.read(ECHO + SIZE)[1]) == (0, 0)


def test_reset_while_busy_forgets_the_answer(serve):
    client = serve().client
    client.write(ECHO + DATA_IN, 5)
    assert client.write(ECHO + CONTROL, RESET)[2] == 1
    for _ in range(2 * LATENCY):
        assert client.read(ECHO + STATUS)[1] == 0
    assert client.read(ECHO + DATA_OUT)[1] == 0
    client.write(ECHO + DATA_IN, 6)
    assert client.read(ECHO + DATA_OUT)[1:3] == (6, LATENCY)


def test_only_the_low_32_bits_of_data_count(serve):
    client = serve().client
    client.write(ECHO + SIZE, 0xFFFFFFFF_00000040)
    assert client.read(ECHO + SIZE)[1] == 0x40


REFUSED = {
    "undeclared register": [(READ, ECHO + 0x18, 4), (WRITE, ECHO + 0xFFC, 4), (READ, COMPUTE + 0x18, 4)],
    "no device": [(READ, 0, 4), (WRITE, ECHO - 4, 4), (WRITE, COMPUTE + 0x1000, 4), (READ, 2**64 - 4, 4)],
    "read-only": [(WRITE, ECHO + DATA_OUT, 4), (WRITE, ECHO + STATUS, 4), (WRITE, COMPUTE + RESULT, 4)],
    "write-only": [(READ, ECHO + DATA_IN, 4), (READ, COMPUTE + DATA_IN, 4)],
    "size": [(kind, ECHO + SIZE, size) for kind in (READ, WRITE) for size in (1, 2, 8)],
    "alignment": [(kind, ECHO + SIZE + shift, 4) for kind in (READ, WRITE) for shift in (1, 2, 3)],
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_registers_do_not_allow_is_refused_and_the_server_lives_on(serve, why):
    served = serve()
    served.client.write(ECHO + SIZE, 77)
    for kind, address, size in REFUSED[why]:
        served.client.send(request(kind, address, END, size))
        assert served.client.response() == (0, 0, 1, 0)
    assert served.client.read(ECHO + SIZE)[:2] == (1, 77)
    served.client.end()
    assert served.result()["transactions"] == len(REFUSED[why]) + 3


# --- Frames ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", range(1, 20))
def test_a_truncated_frame_ends_the_server(serve, embedded, length):
    served = serve()
    served.client.read(ECHO + STATUS)
    served.client.send(request(READ, ECHO + STATUS)[:length])
    served.client.close()
    with pytest.raises(embedded.SimulationError, match=f"truncated frame: .* {length} of 20 bytes$"):
        served.result()


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (request(6), "malformed frame: type 6 is unknown"),
        (request(255), "type 255 is unknown"),
        (request(READ, ECHO, size=0), "size 0 is not 1, 2, 4 or 8"),
        (request(WRITE, ECHO, size=3), "size 3 is not 1, 2, 4 or 8"),
        (request(READ, ECHO, size=16), "size 16 is not"),
        (request(HELLO, 2), "the client speaks protocol version 2; this server speaks 1"),
        (request(TEXT, size=9), "TEXT of kind 9"),
        (request(TEXT, size=TEXT_STATISTICS, data=2) + b"{}", "TEXT of kind 2 before the simulation's end"),
        (request(TEXT, size=TEXT_RAM, data=2**60), "TEXT of 1152921504606846976 bytes; at most"),
        (request(TEXT, size=TEXT_RAM, data=0), "not ORIGIN SIZE OFFSET PATH"),
        (request(TEXT, size=TEXT_RAM, data=9) + b"0x0 0x0 x", "not ORIGIN SIZE OFFSET PATH"),
        (request(TEXT, size=TEXT_RAM, data=14) + b"0x0 0x1000 0x0", "not ORIGIN SIZE OFFSET PATH"),
        (request(ADVANCE, data=2**64 - 1), "ADVANCE past the end of time"),
        (request(ADVANCE, data=2**63 - 1) + request(ADVANCE, data=1), "ADVANCE past the end of time"),
    ],
)
def test_a_malformed_frame_ends_the_server(serve, embedded, frame, message):
    served = serve()
    served.client.send(frame)
    with pytest.raises(embedded.SimulationError, match=message):
        served.result()


@pytest.mark.parametrize("sent", [b"", b"0x80000000 0x1000"])
def test_a_truncated_text_ends_the_server(serve, embedded, sent):
    served = serve()
    served.client.send(request(TEXT, size=TEXT_RAM, data=40) + sent)
    served.client.close()
    with pytest.raises(embedded.SimulationError, match="truncated frame"):
        served.result()


def test_a_client_that_leaves_early_ends_the_server(serve, embedded):
    served = serve()
    served.client.read(ECHO + STATUS)
    served.client.close()
    with pytest.raises(
        embedded.SimulationError, match="left before .* ended, at cycle 1 after 1 transactions"
    ):
        served.result()


def test_a_client_that_never_takes_its_answer_ends_the_server(serve, embedded):
    served = serve()
    served.client.send(request(READ, ECHO + STATUS) * 2000)
    served.client.close()
    with pytest.raises(embedded.SimulationError, match="cannot answer the client|left before"):
        served.result()


@given(data=st.binary(max_size=200))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_bytes_never_do_worse_than_one_line(serve, embedded, data):
    served = serve()
    try:
        served.client.send(data)
        served.client.close()
    except OSError:
        pass
    with pytest.raises(embedded.SimulationError) as caught:
        served.result()
    assert "\n" not in str(caught.value)


def test_frames_may_arrive_in_pieces_or_many_at_once(serve):
    served = serve()
    for byte in request(WRITE, ECHO + SIZE, 9):
        served.client.send(bytes([byte]))
    assert served.client.response()[0] == 1
    served.client.send(request(READ, ECHO + SIZE) * 1000)
    assert [served.client.response() for _ in range(1000)] == [(1, 9, 1, 0)] * 1000


# --- Time ------------------------------------------------------------------------------------------


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
@settings(deadline=None, max_examples=200)
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


# --- HELLO and TEXT --------------------------------------------------------------------------------


def greet(client):
    client.send(request(HELLO, 1))
    success, size, stall, flags = client.response()
    assert (success, stall, flags) == (1, 0, 0)
    return client.receive(size).decode()


def test_hello_is_answered_with_the_machine(serve):
    assert (
        greet(serve(description="device echo 0x10200000 0x1000\n").client)
        == "device echo 0x10200000 0x1000\n"
    )


def test_statistics_of_a_client_that_said_hello_are_kept(serve):
    served = serve()
    greet(served.client)
    served.client.end()
    text = b'{"memory_reads": 5}' + b" " * 100_000
    served.client.send(request(TEXT, size=TEXT_STATISTICS, data=len(text)) + text)
    assert served.result()["statistics"] == text


def test_a_client_that_said_hello_may_just_leave_at_the_end(serve):
    served = serve()
    greet(served.client)
    served.client.end()
    served.client.close()
    assert served.result()["statistics"] == b""


def test_accesses_after_the_end_are_an_error(serve, embedded):
    served = serve()
    greet(served.client)
    served.client.end()
    served.client.send(request(READ, ECHO + STATUS))
    with pytest.raises(embedded.SimulationError, match="type 0 after the simulation's end"):
        served.result()


# --- Guest RAM -------------------------------------------------------------------------------------

LISTED = [load(0, A, (1, 1)), load(64, B, (1, 1)), matmul(1, 1, 1, b=64), store(1, 1, C)]
"""The product of two numbers."""


def filled_ram(folder, size=RAM_BYTES):
    path = folder / "ram"
    path.write_bytes(b"\xa5" * size)
    return path


def test_ram_is_mapped_through_the_socket(serve, simulator, tmp_path):
    path = filled_ram(tmp_path)
    served = serve()
    text = f"{RAM:#x} {RAM_BYTES:#x} 0x0 {path}".encode()
    served.client.send(request(TEXT, size=TEXT_RAM, data=len(text)) + text)
    memory = np.memmap(path, dtype=np.uint8, mode="r+")
    memory[LIST - RAM :][: len(packed(*LISTED))] = np.frombuffer(packed(*LISTED), np.uint8)
    memory[A - RAM :][:4] = memory[B - RAM :][:4] = np.float32([3]).view(np.uint8)
    served.client.write(COMPUTE + DATA_IN, LIST)
    served.client.write(COMPUTE + SIZE, len(packed(*LISTED)))
    served.client.write(COMPUTE + CONTROL, START)
    assert served.client.read(COMPUTE + RESULT)[1] == 0
    assert memory[C - RAM :][:4].view(np.float32) == [9]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0x80000000 0x1000 0x0 /nowhere/ram", "guest RAM file '/nowhere/ram': No such file"),
        ("0x80000000 0x100001 0x0 {ram}", "it has 1048576 bytes; the client said 1048577"),
        ("0x80000000 0x1000 0x100000 {ram}", "it has 1048576 bytes; the client said 1052672"),
        ("0x80000000 0x1000 0x10 {ram}", "Invalid argument"),
        ("0x80000000 0x0 0x0 {ram}", "empty or wraps around"),
        ("0xffffffffffffffff 0x1000 0x0 {ram}", "empty or wraps around"),
        ("0x80000000 0x1000 0x0 /no\x1bw\xe9here", r"guest RAM file '/no\?w\?\?here'"),
    ],
)
def test_ram_that_cannot_be_mapped_ends_the_server(serve, embedded, tmp_path, text, message):
    served = serve()
    data = text.replace("{ram}", str(filled_ram(tmp_path))).encode()
    served.client.send(request(TEXT, size=TEXT_RAM, data=len(data)) + data)
    with pytest.raises(embedded.SimulationError, match=message) as caught:
        served.result()
    assert "\n" not in str(caught.value)


# --- Devices ---------------------------------------------------------------------------------------


def test_every_declared_model_is_there_and_no_other(embedded):
    assert sorted(device.DEVICE_MODELS) == embedded.models()


def test_a_device_that_cannot_be_plugged_in_is_refused(simulator):
    parameters = {"access_cycles": 1, "latency_cycles": 1}
    with pytest.raises(ValueError, match="device 'x': there is no model 'nonsense'"):
        simulator.add_device("nonsense", "x", 0x20000000, parameters)
    with pytest.raises(ValueError, match="device 'x' at 0x10200ffc overlaps 'echo' at 0x10200000"):
        simulator.add_device("echo", "x", ECHO + 0xFFC, parameters)
    with pytest.raises(ValueError, match="device 'x' lacks its parameter 'latency_cycles'"):
        simulator.add_device("echo", "x", 0x20000000, {"access_cycles": 1})


MINE = 0x10400000


@pytest.fixture
def doubler(embedded):
    """A first idea of a device: doubles DATA_IN, in as many cycles as its parameter says."""

    class Doubler(embedded.Device):
        def write(self, register, value):
            super().write(register, value)
            if register == "DATA_IN":
                self.set("STATUS", BUSY)
                self.after(self.parameters["latency_cycles"], lambda: self.finish(2 * value))

        def finish(self, result):
            self.log(f"{result} at cycle {self.now}")
            self.set("DATA_OUT", result)
            self.set("STATUS", DATA_READY)

        def read(self, register):
            return 99 if register == "RESULT" else super().read(register)

    return Doubler


def test_a_device_may_be_a_python_class(simulator, doubler, serve):
    simulator.add_device(doubler, "doubler", MINE, {"access_cycles": 1, "latency_cycles": 30})
    served = serve(simulator)
    assert served.client.write(MINE + DATA_IN, 21)[2] == 1
    assert served.client.read(MINE + DATA_OUT)[:3] == (1, 42, 30)
    assert served.client.read(MINE + RESULT)[1] == 99
    assert served.client.read(ECHO + STATUS)[1] == 0
    served.client.end()
    assert served.result()["devices"]["doubler"] == {"busy_cycles": 30, "transactions": 3}


def test_a_python_device_logs_and_is_reset(simulator, doubler):
    seen = []
    simulator.log = lambda *event: seen.append(event)
    simulator.add_device(doubler, "doubler", MINE, {"access_cycles": 1, "latency_cycles": 30})
    simulator.write(MINE + DATA_IN, 21)
    simulator.read(MINE + DATA_OUT)
    assert (31, "doubler", "42 at cycle 31") in seen
    simulator.write(MINE + DATA_IN, 21)
    simulator.write(MINE + CONTROL, RESET)
    assert simulator.read(MINE + DATA_OUT, advance_cycles=100)[1] == 0


def test_a_python_device_reaches_guest_ram(embedded, simulator, tmp_path):
    class Reverser(embedded.Device):
        def write(self, register, value):
            self.set("STATUS", BUSY)
            self.read_ram(value, 4, lambda data: self.write_ram(value, data[::-1], self.finish))

        def finish(self):
            self.set("STATUS", DATA_READY)

    simulator.add_device(Reverser, "reverser", MINE, {"access_cycles": 1})
    matrices = Matrices(simulator, tmp_path)
    matrices.put(A, b"abcd")
    simulator.write(MINE + DATA_IN, A)
    assert simulator.read(MINE + RESULT) == (True, 0, 2 * (DMA_LATENCY + 1))
    assert bytes(matrices.get(A, 4, np.uint8)) == b"dcba"
    with pytest.raises(IndexError, match="outside guest RAM"):
        simulator.write(MINE + DATA_IN, 0x1000)


def test_an_exception_in_a_python_device_reaches_whoever_serves_it(embedded, simulator, serve):
    class Broken(embedded.Device):
        def read(self, register):
            raise KeyError(register)

    simulator.add_device(Broken, "broken", MINE, {"access_cycles": 1})
    served = serve(simulator)
    served.client.send(request(READ, MINE + STATUS))
    with pytest.raises(KeyError, match="STATUS"):
        served.result()


def test_a_device_that_never_answers_is_an_error(embedded, simulator):
    class Stuck(embedded.Device):
        def write(self, register, value):
            self.set("STATUS", BUSY)

    simulator.add_device(Stuck, "stuck", MINE, {"access_cycles": 1})
    simulator.write(MINE + DATA_IN, 1)
    with pytest.raises(
        embedded.SimulationError,
        match="device 'stuck' never answers the READ of 4 bytes at 0x10400014: nothing is left to happen after cycle 2",
    ):
        simulator.read(MINE + RESULT)


def test_a_python_device_may_outlive_its_engine(embedded):
    kept = []

    class Kept(embedded.Device):
        def __init__(self, slot):
            super().__init__(slot)
            kept.append(self)

    simulator = embedded.Engine(20, 8)
    simulator.add_device(Kept, "kept", MINE, {"access_cycles": 1})
    assert (kept[0].name, kept[0].now) == ("kept", 0)
    del simulator
    with pytest.raises(RuntimeError, match="the engine of device 'kept' is gone"):
        kept[0].set("STATUS", BUSY)


# --- The process -----------------------------------------------------------------------------------


def finish(process, client):
    client.end()
    client.close()
    return process.finish()


def assert_one_line(text, start):
    assert text.startswith(start) and text.count("\n") == 1, text


def test_serve_ends_with_0_and_leaves_statistics(server):
    process = server("--machine", "default", "--engine", "embedded")
    assert process.first_line == f"listening on {process.socket}\n"
    client = process.client()
    client.write(ECHO + DATA_IN, 1)
    status, out, err = finish(process, client)
    assert (status, err) == (0, "")
    assert out.endswith("\nStatistics:\n  Total cycles: 11\n  Device transactions: 2\n")
    statistics = json.loads(process.stats.read_text())
    assert list(statistics) == ["total_cycles", "device_transactions", "ended", "devices", "stalls", "guest"]
    assert (statistics["total_cycles"], statistics["device_transactions"]) == (11, 2)
    assert (statistics["ended"], statistics["guest"]) == (True, None)
    assert statistics["devices"]["echo"] == {"busy_cycles": 10, "transactions": 2}
    assert not process.socket.exists()


def test_what_the_caches_moved_is_in_the_upper_half_of_an_advance(serve, simulator):
    server = serve(simulator)
    server.client.send(request(ADVANCE, 5000 << 32 | 3, 5) + request(WRITE, ECHO + DATA_IN, 7))
    server.client.response()
    server.client.end()
    assert set(server.result()["stalls"]) == {"0", "3"}


def test_stalls_are_booked_to_the_account_that_the_client_names(serve, simulator):
    server = serve(simulator)
    for account in (0, 3):
        server.client.send(request(ADVANCE, account, 5) + request(WRITE, ECHO + DATA_IN, 7))
        server.client.response()
        server.client.read(ECHO + DATA_OUT)
    server.client.end()
    nothing = dict.fromkeys(("fetch", "load", "compute", "store", "dram"), 0)
    assert server.result()["stalls"] == {
        "0": {"access": 1 + 10 + 10 + 1, **nothing},
        "3": {"access": 1, **nothing},
    }


def test_serve_describes_the_machine_and_keeps_the_guests_statistics(server):
    process = server()
    client = process.client()
    text = greet(client)
    assert "device echo 0x10200000 0x1000\ndevice compute 0x10300000 0x1000\n" in text
    assert "latency integer 1\n" in text
    client.end()
    counted = b'{"memory_reads": 1024, "memory_writes": 512}'
    client.send(request(TEXT, size=TEXT_STATISTICS, data=len(counted)) + counted)
    status, out, _ = process.finish()
    assert status == 0
    assert out.endswith(
        "Statistics:\n  Total cycles: 1\n  Memory reads: 1024\n  Memory writes: 512\n  Device transactions: 1\n"
    )
    assert json.loads(process.stats.read_text())["guest"] == {"memory_reads": 1024, "memory_writes": 512}


@pytest.mark.parametrize("text", [b"not json", b"[1]", b"\xff\xfe"])
def test_statistics_that_are_no_json_object_are_an_error(server, text):
    process = server()
    client = process.client()
    greet(client)
    client.end()
    client.send(request(TEXT, size=TEXT_STATISTICS, data=len(text)) + text)
    status, _, err = process.finish()
    assert status == 1
    assert_one_line(err, "serve: the client's statistics are not a JSON object")
    assert not process.stats.exists()


@pytest.mark.parametrize("how", ["--verbose", "VERBOSE=1"])
def test_verbose_serve_logs_every_access_and_state_change(server, how):
    process = server(*([how] if how.startswith("--") else []), environment={"VERBOSE": how.partition("=")[2]})
    client = process.client()
    client.send(request(ADVANCE, data=100) + request(WRITE, ECHO + DATA_IN, 0x3F800000))
    client.response()
    client.read(ECHO + DATA_OUT)
    client.write(ECHO + STATUS, 1)
    client.read(0x1000)
    _, out, _ = finish(process, client)
    assert out.splitlines()[1:-3] == [
        "[Cycle 0] QEMUBinary: Client connected",
        "[Cycle 100] echo: WRITE to REG_DATA_IN = 0x3F800000",
        "[Cycle 101] echo: Status -> BUSY",
        "[Cycle 102] echo: READ of REG_DATA_OUT waits: BUSY",
        "[Cycle 111] echo: Echo complete, latency=10 cycles",
        "[Cycle 111] echo: Status -> DATA_READY",
        "[Cycle 111] echo: READ from REG_DATA_OUT = 0x3F800000",
        "[Cycle 111] echo: WRITE refused: 4 bytes at offset 0x8 (register STATUS)",
        "[Cycle 112] READ of 4 bytes at 0x00001000 refused: no device there",
        "[Cycle 113] echo: WRITE to REG_DATA_IN = 0xDEADBEEF",
        "[Cycle 114] Simulation complete",
    ]


def test_verbose_serve_traces_devices_memory_accesses(server, tmp_path):
    process = server("--verbose")
    client, path = process.client(), filled_ram(tmp_path)
    memory = np.memmap(path, dtype=np.uint8, mode="r+")
    memory[LIST - RAM :][: len(packed(*LISTED))] = np.frombuffer(packed(*LISTED), np.uint8)
    text = f"{RAM:#x} {RAM_BYTES:#x} 0x0 {path}\n".encode()
    client.send(request(TEXT, size=TEXT_RAM, data=len(text)) + text)
    for register, value in ((DATA_IN, LIST), (SIZE, len(packed(*LISTED))), (CONTROL, START)):
        client.write(COMPUTE + register, value)
    client.read(COMPUTE + RESULT)
    _, out, _ = finish(process, client)
    told = ("DMA", "LOAD", "MATMUL", "STORE")
    lines = [line.partition("compute: ")[2] for line in out.splitlines()]
    assert [line for line in lines if line.startswith(told)] == [
        f"DMA READ of 512 bytes at {LIST:#x}",
        "LOAD of 4 bytes to 0x0",
        "LOAD of 4 bytes to 0x40",
        f"DMA READ of 4 bytes at {A:#x}",
        f"DMA READ of 4 bytes at {B:#x}",
        "MATMUL [1x1] @ [1x1], 48 cycles",
        "STORE of 4 bytes from 0x0",
        f"DMA WRITE of 4 bytes at {C:#x}",
    ]


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (request(READ, ECHO + STATUS)[:7], "serve: truncated frame: the client left after 7 of 20 bytes"),
        (request(77), "serve: malformed frame: type 77 is unknown"),
        (b"", "serve: the client left before the simulation ended, at cycle 0 after 0 transactions"),
    ],
)
def test_serve_ends_with_1_and_one_line_when_the_client_misbehaves(server, sent, message):
    process = server()
    client = process.client()
    client.send(sent)
    client.close()
    status, _, err = process.finish()
    assert status == 1
    assert_one_line(err, message)
    assert not process.stats.exists() and not process.socket.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("connected", [False, True])
def test_a_signal_ends_serve_promptly(server, number, connected):
    process = server()
    client = process.client() if connected else None
    if connected:
        client.read(ECHO + STATUS)
    begin = time.monotonic()
    process.process.send_signal(number)
    status, _, err = process.finish()
    assert (status, err) == (130, "")
    assert time.monotonic() - begin < 5
    assert not process.socket.exists() and not process.stats.exists()


def test_a_signal_ends_a_simulation_that_goes_on_for_ever(embedded, simulator):
    class Restless(embedded.Device):
        def write(self, register, value):
            self.set("STATUS", BUSY)
            self.tick()

        def tick(self):
            self.after(1, self.tick)

    simulator.add_device(Restless, "restless", MINE, {"access_cycles": 1})
    simulator.write(MINE + DATA_IN, 1)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    with pytest.raises(KeyboardInterrupt):
        simulator.read(MINE + RESULT)
    signal.signal(signal.SIGALRM, before)


def test_a_second_client_is_turned_away(server):
    process = server()
    client = process.client()
    client.read(ECHO + STATUS)
    with pytest.raises(ConnectionRefusedError):
        process.client()
    assert finish(process, client)[0] == 0


def test_a_live_socket_is_not_taken_and_not_disturbed(server):
    first = server()
    status, _, err = server(wait=False).finish()
    assert status == 1
    assert_one_line(err, f"serve: socket '{first.socket}' is in use by another simulator")
    client = first.client()
    client.read(ECHO + STATUS)
    assert server(wait=False).finish()[0] == 1
    assert finish(first, client)[0] == 0


def test_a_stale_socket_is_replaced(server, tmp_path):
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(tmp_path / "socket"))
    stale.close()
    process = server()
    assert finish(process, process.client())[0] == 0


def test_only_its_owner_may_connect(server):
    assert server().socket.stat().st_mode & 0o777 == 0o600


def test_a_path_that_cannot_be_a_socket_is_refused(server, tmp_path):
    (tmp_path / "socket").write_text("precious")
    status, _, err = server(wait=False).finish()
    assert status == 1
    assert_one_line(err, f"serve: '{tmp_path / 'socket'}' exists and is no socket")
    assert (tmp_path / "socket").read_text() == "precious"
    _, _, err = server(wait=False, folder=tmp_path / "nowhere").finish()
    assert_one_line(
        err, f"serve: cannot listen on '{tmp_path / 'nowhere/socket'}': No such file or directory"
    )
    _, _, err = server(wait=False, folder=tmp_path / ("x" * 120)).finish()
    assert err.startswith("serve: socket path '") and err.endswith("at most 107 are possible\n")


def test_what_serve_cannot_find_is_one_line(server, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    broken = tmp_path / "broken.so"
    broken.write_text("no library")
    for arguments, options, message in [
        (["--engine", "vax"], {}, "serve: there is no engine 'vax'; there are: embedded, sst"),
        (
            ["--engine", "sst"],
            {},
            "serve: ENGINE=sst needs SST's `sst` and `sst-config` on PATH; not found: sst, sst-config",
        ),
        (["--machine", "pdp11"], {}, "machine: no machine named 'pdp11'"),
        (
            [],
            {"library": tmp_path / "none.so"},
            f"serve: no engine at '{tmp_path}/none.so'; build it: ./run scons host",
        ),
        ([], {"library": broken}, f"serve: cannot load the engine '{broken}'"),
        (["--nonsense"], {}, "serve: unrecognized arguments: --nonsense"),
    ]:
        status, out, err = server(*arguments, wait=False, **options).finish()
        assert (status, out) == (1, "")
        assert_one_line(err, message)


def test_the_library_may_be_named_by_the_environment(server, engine_library):
    process = server(library="", environment={"ACALSIM_ENGINE": str(engine_library)})
    assert finish(process, process.client())[0] == 0


def test_serve_imports_no_numeric_library():
    code = "import sys, acalsim_backend.serve as s; sys.exit(bool({'torch', 'numpy', 'nanobind'} & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "site_scons")}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0


# --- The build -------------------------------------------------------------------------------------


def test_an_unchanged_engine_is_not_built_again(engine_library, monkeypatch):
    monkeypatch.setattr(engine.subprocess, "run", lambda *_, **__: pytest.fail("something is built again"))
    assert engine.build(ROOT / "build/tests/engine") == engine_library


def test_a_source_that_does_not_compile_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "model.cc").write_text("int x = nonsense;\n")
    monkeypatch.setattr(engine, "sources", lambda: (tmp_path / "model.cc",))
    with pytest.raises(
        ToolchainError, match=r"model-\w+\.o cannot be built: .*model\.cc:1:.*nonsense"
    ) as caught:
        engine.build(tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "out").glob("*.o"))


def test_a_missing_compiler_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "CXX", "no-such-compiler")
    with pytest.raises(ToolchainError, match="no C\\+\\+ compiler 'no-such-compiler'"):
        engine.build(tmp_path)


def test_a_library_that_is_none_is_refused(tmp_path):
    (tmp_path / "x.so").write_text("no library")
    with pytest.raises(ServeError, match="cannot load the engine"):
        engine.load(tmp_path / "x.so")
