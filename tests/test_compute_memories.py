# SPDX-License-Identifier: Apache-2.0
"""The compute device's memories and RAM: what is written, what stays, what is documented of commands."""

import numpy as np
import pytest
from acalsim_backend.machine.commands import COMMAND_BYTES
from compute_fixtures import (
    DEFAULTS,
    A,
    B,
    C,
    Matrices,
    command,
    load,
    matmul,
    numbers,
    product,
    small,
    store,
)
from simulator_fixtures import COMPUTE, CONTROL, RAM, RESET, RESULT

pytestmark = pytest.mark.quick


def test_a_load_of_nothing_but_padding_fills_with_zeros_and_asks_for_no_ram(matrices):
    fill = command("LOAD", a=4, pad_top=2, pad_left=8, a_inner_stride=16)
    matrices.put(A, np.arange(1, 17, dtype=np.float32))
    matrices.put(B, np.ones(1, np.float32))
    copy = matmul(16, 1, 1, a=0, b=64, a_inner_stride=4)
    assert matrices.run(load(0, A, (1, 16)), load(64, B, (1, 1)), fill, copy, store(16, 1, C))[0] == 0
    assert matrices.get(C, 16).tolist() == [1, 0, 0, 4, 5, 0, 0, *range(8, 17)]
    assert matrices.statistics["dma_bytes_read"] == 5 * COMMAND_BYTES + 64 + 4


def test_a_store_writes_its_tile_and_nothing_around_it(matrices):
    matrices.put(A, numbers((4, 8)))
    tile = {"planes": 2, "rows": 2, "row_bytes": 24, "dram_row_stride": 40, "dram_plane_stride": 256}
    commands = [load(0, A, (4, 6)), load(256, A, (6, 6)), matmul(4, 6, 6, b=256), store(4, 6, C + 8, **tile)]
    matrices.start(*commands)
    before = matrices.bytes.copy()
    matrices.simulator.read(COMPUTE + RESULT)
    changed = np.flatnonzero(matrices.bytes != before) + RAM
    rows = [C + 8 + plane * 256 + row * 40 for plane in range(2) for row in range(2)]
    assert set(changed) <= {row + byte for row in rows for byte in range(24)} and len(changed) > 80


def test_memories_keep_their_contents_until_a_reset(matrices):
    matrices.put(A, small((4, 4)))
    matrices.put(B, small((4, 4), 1))
    expected = small((4, 4)) @ small((4, 4), 1)
    half = DEFAULTS["scratchpad_bytes"] // 2
    matrices.run(*product(4, 4, 4)[:2])
    matrices.run(matmul(4, 4, 4, b=half))
    matrices.run(store(4, 4, C))
    assert np.array_equal(matrices.get(C, (4, 4)), expected)
    matrices.simulator.write(COMPUTE + CONTROL, RESET)
    matrices.run(store(4, 4, C))
    assert not matrices.get(C, (4, 4)).any()


def test_ram_may_begin_in_the_middle_of_its_file(simulator, tmp_path):
    matrices = Matrices(simulator, tmp_path, offset=0x3000)
    matrices.put(A, small((4, 4)))
    matrices.put(B, small((4, 4), 1))
    matrices.run(*product(4, 4, 4))
    assert np.array_equal(matrices.get(C, (4, 4)), small((4, 4)) @ small((4, 4), 1))
