# SPDX-License-Identifier: Apache-2.0
"""Commands that are valid field by field and would take the host's memory, or its time."""

import os
import signal
import subprocess
import sys
import time

import pytest
from acalsim_backend.paths import PYTHONPATH
from compute_fixtures import DEFAULTS, ERRORS, LIST, RAM_BYTES, A, C, load, matmul, packed, store
from simulator_fixtures import (
    COMPUTE,
    CONTROL,
    DATA_IN,
    RAM,
    RESULT,
    SIZE,
    START,
    TEXT,
    TEXT_RAM,
    Client,
    request,
)

MOST = 65535


OVERLAPPING = {
    "LOAD of 2^48 bytes": load(0, A, (MOST, MOST, 16384), strides=(0, 0), target_strides=(1, 1)),
    "LOAD with padding": load(
        0, A, (1, MOST, 1), strides=(0, 0), padding=(0, MOST, 0, 16000), target_strides=(1, 1)
    ),
    "STORE": store(8000, 1024, C, c_row_stride=4, dram_row_stride=4),
}


@pytest.mark.parametrize("what", OVERLAPPING)
def test_a_tile_that_lies_over_itself_beyond_what_memory_holds_is_refused(matrices, what):
    assert matrices.run(OVERLAPPING[what])[0] == ERRORS["ERROR_SIZE"]


def test_a_tile_may_lie_over_itself_as_long_as_there_is_room(matrices):
    rows = DEFAULTS["scratchpad_bytes"] // 64
    assert matrices.run(load(0, A, (rows, 16), target_strides=(4, 4)))[0] == 0
    assert matrices.run(load(0, A, (rows + 1, 16), target_strides=(4, 4)))[0] == ERRORS["ERROR_SIZE"]


ENDLESS = matmul(
    8000,
    8000,
    MOST,
    c_row_stride=4,
    a_inner_stride=4,
    a_k_inner_stride=4,
    b_inner_stride=4,
    b_k_inner_stride=4,
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_product_of_hours_does_not_keep_serve_from_a_signal(engine_library, tmp_path, number):
    ram, socket = tmp_path / "ram", tmp_path / "socket"
    data = packed(ENDLESS)
    ram.write_bytes(bytes(LIST - RAM) + data + bytes(RAM_BYTES))
    command = [sys.executable, "-m", "acalsim_backend.serve", "--socket", socket, "--library", engine_library]
    environment = {**os.environ, "PYTHONPATH": str(PYTHONPATH)}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True
    )
    assert "listening" in process.stdout.readline()
    client = Client(socket)
    text = f"{RAM:x} {RAM_BYTES:x} 0 {ram}".encode()
    client.send(request(TEXT, size=TEXT_RAM, data=len(text)) + text)
    client.write(COMPUTE + DATA_IN, LIST)
    client.write(COMPUTE + SIZE, len(data))
    client.write(COMPUTE + CONTROL, START)
    client.send(request(0, COMPUTE + RESULT))
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130 and err == "" and not socket.exists()
