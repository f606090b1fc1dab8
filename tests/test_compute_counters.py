# SPDX-License-Identifier: Apache-2.0
"""Hazards, counters and stalls of the compute device, on random lists of commands, too."""

import random
import re
import time

import numpy as np
import pytest
from acalsim_backend.machine.commands import (
    COMMAND_BYTES,
    COMMAND_FIELDS,
    COMMAND_FLAGS,
    COMMANDS,
    ELEMENT_TYPES,
    ERROR_CODES,
)
from acalsim_backend.machine.functions import FUNCTIONS
from acalsim_backend.machine.models import DEVICE_MODELS
from compute_fixtures import (
    DEFAULTS,
    HEAP,
    LATENCY,
    MODES,
    NOP,
    SYNC,
    A,
    B,
    C,
    Reference,
    array_formula,
    beats,
    command,
    load,
    machine_of,
    matmul,
    product,
    relaxed,
    store,
)
from hypothesis import given
from hypothesis import strategies as st
from simulator_fixtures import BUSY, COMPUTE, DATA_OUT, DATA_READY, RESULT, ROOT, STATUS

pytestmark = pytest.mark.quick

# --- Hazards and counters -------------------------------------------------------------------------


WAITS = {
    "load": ("busy", "wait_load", "wait_compute", "wait_store", "idle"),
    "compute": ("busy", "wait_load", "wait_store", "idle"),
    "store": ("busy", "wait_load", "wait_compute", "idle"),
}


def assert_units_account_for_every_cycle(statistics):
    for unit, states in WAITS.items():
        assert sum(statistics[f"{unit}_{state}_cycles"] for state in states) == statistics["busy_cycles"], (
            unit
        )


def random_command(choose):
    """A legal command on crowded memories, so that most of them conflict with some before."""
    kind = choose.choice(["load", "load", "matmul", "matmul", "store", "nop", "sync"])
    spot, sum_spot = 256 * choose.randrange(6), 256 * choose.randrange(4)
    if kind == "load":
        shape = [choose.randrange(1, 3), choose.randrange(1, 5), choose.randrange(1, 6)]
        padding = tuple(choose.randrange(2) for _ in range(4))
        return load(spot, A + 4 * choose.randrange(200), shape, padding=padding)
    m, n, k = (choose.randrange(1, 7) for _ in range(3))
    if kind == "matmul":
        more = {"m_inner": 2, "a_outer_stride": 4 * k * 3} if choose.random() < 0.3 else {}
        flags = ["ACCUMULATE"][: choose.randrange(2)]
        return matmul(m, n, k, *flags, a=spot, b=256 * choose.randrange(6), c=sum_spot, **more)
    if kind == "store":
        flags = [flag for flag in ("BIAS_ROWS", "RESIDUAL", "RELU") if choose.random() < 0.3]
        return store(
            m, n, C + 256 * choose.randrange(64), *flags, a=spot, b=256 * choose.randrange(6), c=sum_spot
        )
    return SYNC if kind == "sync" else NOP


@given(
    seed=st.integers(0, 2**32),
    mode=st.sampled_from(MODES),
    depths=st.tuples(*[st.integers(1, 6)] * 3),
    port=st.sampled_from([1, 8, 64]),
    channels=st.integers(1, 2),
)
@relaxed
def test_random_lists_give_the_values_of_one_after_the_other(
    embedded, tmp_path, seed, mode, depths, port, channels
):
    choose = random.Random(seed)
    commands = [random_command(choose) for _ in range(choose.randrange(1, 40))]
    # STOREs to one place in RAM have no order of their own: each gets its place.
    for index, one in enumerate(commands):
        if one["code"] == store(1, 1, 0)["code"]:
            one["dram"] = C + 256 * index
    queues = dict(zip(("load_queue_depth", "compute_queue_depth", "store_queue_depth"), depths, strict=True))
    options = {
        "dataflow": mode[0],
        "overlap": mode[1],
        "rows": 4,
        "columns": 3,
        "scratchpad_bytes_per_cycle": port,
    }
    matrices = machine_of(
        embedded, tmp_path, ram={"channels": channels, "interleave_bytes": 64}, **options, **queues
    )
    matrices.put(A, np.random.default_rng(seed).integers(-1, 2, 2048).astype(np.float32))
    matrices.start(*commands)
    expected = Reference(matrices.bytes).run(*commands).ram
    _, error, stall = matrices.simulator.read(COMPUTE + RESULT)
    assert error == 0
    assert np.array_equal(matrices.bytes, expected)
    assert_units_account_for_every_cycle(matrices.statistics)
    wait = matrices.simulator.last_wait
    assert sum(wait.values()) == stall - ACCESS
    assert wait["compute"] == matrices.statistics["compute_busy_cycles"]
    assert wait["dram"] + wait["load"] + wait["store"] <= sum(
        matrices.statistics[f"{unit}_busy_cycles"] for unit in ("load", "store")
    )
    moved = sum(matrices.statistics[f"dma_bytes_{way}"] for way in ("read", "written"))
    if moved == COMMAND_BYTES * len(commands):
        assert wait["dram"] == 0


def test_counters_say_what_happened(embedded, tmp_path):
    matrices = machine_of(embedded, tmp_path, lanes=0, special_lanes=0)
    m, n, k = 20, 30, 50
    _, _, stall = matrices.run(*product(m, n, k))
    fetched = 4 * COMMAND_BYTES
    array = array_formula("ws", "double", 16, 16, m, n, k)
    operands = beats(4 * m * k) + beats(4 * k * n) + LATENCY
    written = beats(4 * m * n) + LATENCY
    list_cycles = beats(fetched) + LATENCY
    assert stall == list_cycles + 1 + operands + array + written
    assert matrices.statistics == {
        "busy_cycles": stall,
        "transactions": 5,
        "commands": 4,
        "macs": m * n * k,
        "array_cycles": 4 * 2 * m,
        "peak_macs_per_cycle": 256,
        "dma_bytes_read": fetched + 4 * (m * k + k * n),
        "dma_bytes_written": 4 * m * n,
        "peer_bytes_sent": 0,
        "load_busy_cycles": operands,
        "load_wait_load_cycles": 0,
        "load_wait_compute_cycles": 0,
        "load_wait_store_cycles": 0,
        "load_idle_cycles": stall - operands,
        "compute_busy_cycles": array,
        "compute_wait_load_cycles": operands - 2,
        "compute_wait_store_cycles": 0,
        "compute_idle_cycles": stall - array - operands + 2,
        "store_busy_cycles": written,
        "store_wait_load_cycles": 0,
        "store_wait_compute_cycles": operands + array - 3,
        "store_idle_cycles": stall - operands - array - written + 3,
    }
    assert_units_account_for_every_cycle(matrices.statistics)


# --- Where a stall goes ---------------------------------------------------------------------------


ACCESS = DEFAULTS["access_cycles"]


def stages(matrices, *commands):
    """The stages of the wait for a list, but for `fetch` beyond that of the list and of one command."""
    matrices.start(*commands)
    _, error, stall = matrices.simulator.read(COMPUTE + RESULT)
    assert error == 0
    wait = matrices.simulator.last_wait
    assert sum(wait.values()) == stall - ACCESS
    wait["fetch"] -= beats(COMMAND_BYTES * len(commands)) + LATENCY + 1 - ACCESS
    return {stage: cycles for stage, cycles in wait.items() if cycles}


def test_a_stall_is_what_the_device_does_meanwhile(machine):
    matrices = machine()
    array = array_formula("ws", "double", 16, 16, 20, 30, 50)
    moved = beats(4 * 20 * 50) + beats(4 * 50 * 30) + LATENCY + beats(4 * 20 * 30) + LATENCY
    assert stages(matrices, NOP) == {}
    assert stages(matrices, NOP, NOP, SYNC) == {"fetch": 2}
    assert stages(matrices, load(0, A, (20, 30))) == {"dram": beats(2400) + LATENCY}
    assert stages(matrices, matmul(20, 30, 50, b=0x8000)) == {"compute": array}
    assert stages(matrices, store(20, 30, C)) == {"dram": beats(2400) + LATENCY}
    assert stages(matrices, *product(20, 30, 50)) == {"dram": moved, "compute": array}


def test_ports_count_where_ram_does_not(machine):
    matrices = machine(scratchpad_bytes_per_cycle=4)
    ram, port = beats(2400) + LATENCY, beats(2400, 4)
    fill = command("LOAD", a=0x8000, pad_top=4, pad_left=16, a_inner_stride=16)
    assert stages(matrices, load(0, A, (20, 30))) == {"dram": ram, "load": port - ram}
    assert stages(matrices, fill) == {"load": 16}
    assert stages(matrices, store(20, 30, C)) == {"dram": ram, "store": port - ram}
    assert stages(matrices, load(0, A, (20, 30)), fill) == {"dram": ram, "load": port + 16 - ram}


def test_the_array_counts_before_ram_and_ram_before_the_ports(machine):
    matrices = machine(scratchpad_bytes_per_cycle=4)
    array, ram, port = (
        array_formula("ws", "double", 16, 16, 64, 16, 16),
        beats(2400) + LATENCY,
        beats(2400, 4),
    )
    both = stages(matrices, matmul(64, 16, 16, b=0x4000), load(0x8000, A, (20, 30)))
    assert both == {"compute": array, "dram": 1 + ram - array, "load": port - ram}
    assert stages(matrices, load(0x8000, A, (20, 30)), store(20, 30, C)) == {
        "dram": 2 * beats(2400) + LATENCY
    }
    assert stages(matrices, NOP, matmul(64, 16, 16, b=0x4000), SYNC, NOP) == {"fetch": 2, "compute": array}


def test_only_what_waits_for_the_device_is_its_time(matrices):
    matrices.start(*product(20, 30, 50))
    assert matrices.simulator.read(COMPUTE + STATUS)[2] == ACCESS
    assert sum(matrices.simulator.last_wait.values()) == 0, "STATUS does not wait"
    _, _, stall = matrices.simulator.read(COMPUTE + RESULT, advance_cycles=500)
    assert sum(matrices.simulator.last_wait.values()) == stall - ACCESS
    assert "fetch" not in {stage for stage, cycles in matrices.simulator.last_wait.items() if cycles}
    matrices.simulator.read(COMPUTE + RESULT)
    assert sum(matrices.simulator.last_wait.values()) == 0, "it is done"


def test_a_refused_list_was_fetched_and_no_more(matrices):
    matrices.start(load(0, A, (20, 30)), command("MATMUL", m=1))
    _, error, stall = matrices.simulator.read(COMPUTE + RESULT)
    assert error and matrices.simulator.last_wait["fetch"] == stall - ACCESS


def test_counters_in_the_middle_of_work_add_up_too(matrices):
    matrices.start(*product(40, 40, 40))
    for _ in range(20):
        assert matrices.simulator.read(COMPUTE + STATUS, advance_cycles=97)[1] in (BUSY, DATA_READY)
        assert_units_account_for_every_cycle(matrices.statistics)


def test_a_load_waits_for_whoever_reads_what_it_overwrites(matrices):
    matrices.run(matmul(64, 16, 16, b=0x4000), load(0x4000, B, (16, 16)))
    assert matrices.statistics["load_wait_compute_cycles"] == 15
    matrices.run(matmul(64, 16, 16, b=0x4000), load(0, A, (64, 16)))
    assert matrices.statistics["load_wait_compute_cycles"] == 15 + 16 + 64 - 1


def test_long_lists_of_short_commands_run(matrices):
    count = 5_000
    assert matrices.run(*[NOP] * count, address=HEAP)[0] == 0
    assert matrices.simulator.read(COMPUTE + DATA_OUT)[1] == count


def test_the_host_computes_a_large_product_in_no_time(machine):
    """240 million multiply-accumulates a second were asked for; a crowded host gets half of that."""
    matrices = machine(scratchpad_bytes=1 << 20, accumulator_bytes=1 << 20)
    commands = [matmul(256, 256, 256, "ACCUMULATE", b=1 << 18, c_row_stride=1024)] * 8
    begin = time.process_time()
    assert matrices.run(*commands)[0] == 0
    seconds = time.process_time() - begin
    assert 8 * 256**3 / seconds > 120e6


def test_every_command_type_flag_field_and_function_is_documented():
    text = (ROOT / "docs/device.md").read_text()
    rows = (
        *COMMANDS,
        *ELEMENT_TYPES,
        *COMMAND_FLAGS,
        *ERROR_CODES,
        *COMMAND_FIELDS,
        *FUNCTIONS,
    )
    parts = [*rows, *DEVICE_MODELS["compute"].parameters]
    assert [part.name for part in parts if not re.search(rf"\b{part.name}\b", text)] == []
