# SPDX-License-Identifier: Apache-2.0
"""`serve` as a process: its socket, its statistics, its log, and how it ends."""

import json
import signal
import socket
import time

import numpy as np
import pytest
from compute_fixtures import LIST, RAM_BYTES, packed
from conftest import modules_imported_by
from simulator_fixtures import (
    ADVANCE,
    BUSY,
    COMPUTE,
    CONTROL,
    DATA_IN,
    DATA_OUT,
    ECHO,
    RAM,
    READ,
    RESULT,
    SIZE,
    START,
    STATUS,
    TEXT,
    TEXT_RAM,
    TEXT_STATISTICS,
    WRITE,
    request,
)
from simulator_work import LISTED, MINE, A, B, C, filled_ram, greet

pytestmark = pytest.mark.quick


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
    nothing = dict.fromkeys(("fetch", "load", "compute", "vector", "store", "dram"), 0)
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
        "Statistics:\n  Total cycles: 1\n  Memory reads: 1024\n  Memory writes: 512\n"
        "  Device transactions: 1\n"
    )
    assert json.loads(process.stats.read_text())["guest"] == {"memory_reads": 1024, "memory_writes": 512}


NESTED = b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    "text", [b"not json", b"[1]", b"\xff\xfe", NESTED, NESTED[:5] + b"[" * 600 + b"]" * 600 + b"}"]
)
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


def test_statistics_that_no_terminal_can_show_are_shown_with_escapes(server):
    process = server()
    client = process.client()
    greet(client)
    client.end()
    text = b'{"memory_reads": "\\ud800\\u001b"}'
    client.send(request(TEXT, size=TEXT_STATISTICS, data=len(text)) + text)
    status, out, err = process.finish()
    assert (status, err) == (0, "")
    assert "  Memory reads: \\ud800\\x1b\n" in out


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
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
    assert not {"torch", "numpy", "nanobind"} & modules_imported_by("import acalsim_backend.serve")
