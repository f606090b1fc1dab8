# SPDX-License-Identifier: Apache-2.0
"""What follows HELLO: the machine's description, statistics, guest RAM."""

import numpy as np
import pytest
from compute_fixtures import LIST, RAM_BYTES, packed
from simulator_fixtures import (
    COMPUTE,
    CONTROL,
    DATA_IN,
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
    request,
)
from simulator_work import LISTED, A, B, C, filled_ram, greet

pytestmark = pytest.mark.quick

# --- HELLO and TEXT -------------------------------------------------------------------------------


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


# --- Guest RAM ------------------------------------------------------------------------------------


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
