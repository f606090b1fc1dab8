# SPDX-License-Identifier: Apache-2.0
"""SST gives the embedded engine's numbers to the cycle."""

import json

import numpy as np
import pytest
from compute_fixtures import NOP, command, load, matmul, packed, store
from simulator_fixtures import (
    ADVANCE,
    COMPUTE,
    CONTROL,
    DATA_IN,
    ECHO,
    RAM,
    RESULT,
    SIZE,
    START,
    TEXT,
    TEXT_RAM,
    WAIT,
    WRITE,
    Client,
    request,
)
from sst_fixtures import INTERRUPT, LATENCY, MACHINE, OTHER, needs_sst, outcome, start
from vector_fixtures import NUMBERS, reduce, rows, save


@needs_sst
def test_a_matmul_in_sst_equals_numpy(sst_server, ram):
    path, shared, list_bytes, (a, b) = ram
    process = sst_server()
    client = process.client()
    client.send(shared)
    client.write(COMPUTE + DATA_IN, RAM)
    client.write(COMPUTE + SIZE, list_bytes)
    client.write(COMPUTE + CONTROL, START)
    assert client.read(COMPUTE + RESULT)[:2] == (1, 0)
    client.end()
    assert process.finish()[0] == 0
    result = np.frombuffer(path.read_bytes(), np.float32, 33 * 17, 0x6000).reshape(33, 17)
    np.testing.assert_allclose(result, a @ b, rtol=1e-4, atol=1e-5)


@needs_sst
@pytest.mark.parametrize(("seed", "options"), [(0, ()), (1, ()), (2, ()), (3, ("-n", "2")), (4, ("-n", "2"))])
def test_random_sessions_are_the_embedded_engines_to_the_cycle(
    config, server, ram, two_computes, seed, options
):
    sst = config(*options, ours=["--machine", two_computes])
    in_sst = outcome(sst, Client(sst.socket), ram, seed)
    reference = server("--machine", two_computes)
    reference.process.stats = reference.stats
    assert in_sst == outcome(reference.process, reference.client(), ram, seed)


@needs_sst
def test_devices_that_ask_for_dma_in_one_cycle_have_the_same_order(config, server, tmp_path):
    """The upper device's 16 NOPs take as long as the lower one's list, which is fetched after them."""
    machine, path = tmp_path / "tie.toml", tmp_path / "ram"
    machine.write_text(MACHINE[MACHINE.index("[devices.echo]") :])
    upper, lower = [*[NOP] * 16, load(0, RAM, (64, 16))], [load(0, RAM, (32, 16))]
    path.write_bytes((packed(*upper) + packed(*lower)).ljust(0x10000, b"\0"))
    text = f"{RAM:#x} 0x10000 0x0 {path}".encode()

    def stalls(client):
        client.send(request(TEXT, size=TEXT_RAM, data=len(text)) + text)
        for base, address, commands in ((OTHER, RAM, upper), (COMPUTE, RAM + len(packed(*upper)), lower)):
            for register, value in ((DATA_IN, address), (SIZE, len(packed(*commands))), (CONTROL, START)):
                client.write(base + register, value)
        seen = [client.read(COMPUTE + RESULT), client.read(OTHER + RESULT), client.end()]
        return [stall for _, _, stall, _ in seen]

    started, lists, latency, decoded = 3, 18 * 16, 20, 1
    expected = [lists + latency + decoded - started + 256 + latency, 512, 1]
    sst = config(ours=["--machine", machine])
    assert stalls(Client(sst.socket)) == stalls(server("--machine", machine).client()) == expected


@needs_sst
@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one thread", "two threads"])
@pytest.mark.parametrize("sleeps", [False, True], ids=["stalled", "asleep"])
def test_devices_send_each_other_tiles_and_signals_in_the_same_cycles(
    config, server, two_computes, tmp_path, options, sleeps
):
    """(A B) B by way of the other device's scratchpad, and a signal back."""
    path = tmp_path / "ram"
    rng = np.random.default_rng(7)
    a, b = rng.standard_normal((12, 10), np.float32), rng.standard_normal((10, 10), np.float32)
    to_other, to_first = command("SIGNAL", dram=OTHER << 32), command("SIGNAL", dram=COMPUTE << 32)
    first = [
        load(0, RAM + 0x4000, a.shape),
        load(0x1000, RAM + 0x5000, b.shape),
        matmul(12, 10, 10, b=0x1000),
    ]
    first += [store(12, 10, OTHER << 32 | 0x2000), to_other, command("AWAIT", m=1)]
    other = [
        load(0x1000, RAM + 0x5000, b.shape),
        command("AWAIT", m=1),
        matmul(12, 10, 10, a=0x2000, b=0x1000),
    ]
    other += [store(12, 10, RAM + 0x6000), to_first]
    image = bytearray(0x10000)
    for place, data in (
        (0, packed(*first)),
        (0x2000, packed(*other)),
        (0x4000, a.tobytes()),
        (0x5000, b.tobytes()),
    ):
        image[place : place + len(data)] = data
    text = f"{RAM:#x} {len(image):#x} 0x0 {path}".encode()

    def answers(client):
        path.write_bytes(image)
        client.send(request(TEXT, size=TEXT_RAM, data=len(text)) + text)
        seen = []
        for base, address, commands in ((OTHER, RAM + 0x2000, other), (COMPUTE, RAM, first)):
            for register, value in (
                (DATA_IN, address),
                (SIZE, len(packed(*commands))),
                (CONTROL, START | INTERRUPT * sleeps),
            ):
                seen.append(client.write(base + register, value))
        if sleeps:
            client.send(request(WAIT))
            seen.append(client.response())
        seen += [client.read(OTHER + RESULT), client.read(COMPUTE + RESULT), client.end()]
        return seen, np.frombuffer(path.read_bytes(), np.float32, 120, 0x6000).reshape(12, 10).copy()

    sst = config(*options, ours=["--machine", two_computes])
    (in_sst, values), (embedded, expected) = (
        answers(Client(sst.socket)),
        answers(server("--machine", two_computes).client()),
    )
    assert in_sst == embedded and np.array_equal(values, expected)
    np.testing.assert_allclose(values, a @ b @ b, rtol=1e-4, atol=1e-4)


@needs_sst
def test_a_vector_unit_is_the_embedded_engines_to_the_cycle(config, server, tmp_path):
    """Gathered rows, their softmax, a reduction, a product that becomes an operand; the list in pieces."""
    machine, path = tmp_path / "lanes.toml", tmp_path / "ram"
    lanes = "lanes = 8\nspecial_lanes = 2\nlist_buffer_bytes = 512\n"
    machine.write_text(MACHINE.replace("base = 0x10300000\n", f"base = 0x10300000\n{lanes}"))
    table, indices = np.random.default_rng(7).standard_normal((16, 10), np.float32), np.array([3, 0, -1, 3])
    rows_of = {"row_bytes": 40, "dram": RAM + 0x4000, "dram_row_stride": 40, "a_inner_stride": 40}
    x = np.zeros((4, 10), np.float32)
    commands = [
        load(0, RAM + 0x5000, (1, 4), element_bytes=8),
        command("LOAD", "GATHER", type="INT64", a=0x100, b=0, c=16, rows=4, **rows_of),
        rows("SOFTMAX", x, (x.shape, np.float32), places=(0x100, 0, 0x200)),
        matmul(4, 4, 10, a=0x200, b=0x100, b_k_inner_stride=4, b_inner_stride=40),
        store(4, 4, COMPUTE << 32 | 0x300, "ACTIVATION", k=NUMBERS["GELU"]),
        reduce("SUM", np.zeros((4, 4), np.float32), ((4,), np.float32), places=(0x300, 0, 0x400)),
        save(RAM + 0x6000, 0x400, 16),
        load(0x500, RAM + 0x6000, (1, 4)),
        save(RAM + 0x6010, 0x500, 16),
    ]
    image = bytearray(0x10000)
    for place, data in ((0, packed(*commands)), (0x4000, table.tobytes()), (0x5000, indices.tobytes())):
        image[place : place + len(data)] = data
    text = f"{RAM:#x} {len(image):#x} 0x0 {path}".encode()

    def answers(client):
        path.write_bytes(image)
        client.send(request(TEXT, size=TEXT_RAM, data=len(text)) + text)
        registers = ((DATA_IN, RAM), (SIZE, len(packed(*commands))), (CONTROL, START))
        seen = [client.write(COMPUTE + register, value) for register, value in registers]
        seen += [client.read(COMPUTE + RESULT), client.end()]
        return seen, np.frombuffer(path.read_bytes(), np.float32, 8, 0x6000).copy()

    in_sst, values = answers(Client(config(ours=["--machine", machine]).socket))
    embedded, expected = answers(server("--machine", machine).client())
    assert in_sst == embedded and in_sst[3][:2] == (1, 0)
    assert np.array_equal(values, expected) and values[:4].any() and np.array_equal(values[:4], values[4:])


@needs_sst
def test_devices_that_interrupt_in_one_cycle_wake_the_cpu_together(config, server, tmp_path):
    """The stall is booked to what the lowest one did, here no stage of an engine."""
    path = tmp_path / "ram"
    path.write_bytes(packed(NOP).ljust(0x1000, b"\0"))
    text = f"{RAM:#x} 0x1000 0x0 {path}".encode()

    def answers(process, client):
        client.send(request(TEXT, size=TEXT_RAM, data=len(text)) + text)
        start(client, COMPUTE, len(packed(NOP)))
        work = 1 + client.read(COMPUTE + RESULT)[2]
        client.write(ECHO + CONTROL, INTERRUPT)
        start(client, COMPUTE, len(packed(NOP)), INTERRUPT)
        client.send(request(ADVANCE, data=work - LATENCY - 2))
        client.write(ECHO + DATA_IN, 1)
        client.send(request(ADVANCE, 7) + request(WAIT))
        seen = [client.response(), client.end()]
        client.close()
        process.communicate(timeout=20)
        return seen, json.loads(process.stats.read_text())["stalls"]

    sst, reference = config(), server()
    reference.process.stats = reference.stats
    seen, stalls = answers(sst, Client(sst.socket))
    assert (seen, stalls) == answers(reference.process, reference.client())
    assert seen == [(1, 3 << 4, LATENCY, 0), (1, 0, 1, 1)]
    assert stalls["7"] == {
        "access": LATENCY,
        **dict.fromkeys(("fetch", "load", "compute", "vector", "store", "dram"), 0),
    }


@needs_sst
@pytest.mark.parametrize(
    "before", [b"", request(WRITE, ECHO + CONTROL, INTERRUPT)], ids=["nothing", "one before"]
)
def test_a_wait_that_nothing_could_end_is_the_same_error(sst_server, server, before):
    said = []
    for begin in (sst_server, server):
        process = begin()
        client = process.client()
        client.send(before + request(WRITE, ECHO + DATA_IN, 1) * bool(before) + request(WAIT) * 2)
        said.append(process.finish())
    status, _, err = said[0]
    assert status == 1 and err.startswith("serve: the CPU waits for an interrupt (wfi) at cycle ")
    assert err == said[1][2]
