# SPDX-License-Identifier: Apache-2.0
"""Guest RAM and work that tests give the simulator."""

from compute_fixtures import HEAP, RAM_BYTES, load, matmul, store
from simulator_fixtures import HELLO, request

LATENCY = 10
"""Of the default machine's Echo device; an access takes one cycle."""
A, B, C = HEAP, HEAP + 0x1000, HEAP + 0x2000


def greet(client):
    client.send(request(HELLO, 1))
    success, size, stall, flags = client.response()
    assert (success, stall, flags) == (1, 0, 0)
    return client.receive(size).decode()


LISTED = [load(0, A, (1, 1)), load(64, B, (1, 1)), matmul(1, 1, 1, b=64), store(1, 1, C)]
"""The product of two numbers."""


def filled_ram(folder, size=RAM_BYTES):
    path = folder / "ram"
    path.write_bytes(b"\xa5" * size)
    return path


MINE = 0x10400000
