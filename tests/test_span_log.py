# SPDX-License-Identifier: Apache-2.0
"""What happened when: the simulator's recording of accesses, transfers and commands."""

import json
import socket
import threading

import numpy as np
import pytest
from acalsim_backend.errors import SimulateError
from acalsim_backend.machine.file import load_machine
from acalsim_backend.simulate.span_file import (
    ACCESSES,
    FIRST_UNIT,
    READS,
    SLEEPS,
    TRANSFERS,
    WRITES,
    read_spans,
)
from compute_fixtures import (
    CODES,
    LATENCY,
    LIST,
    MODES,
    A,
    B,
    C,
    Matrices,
    array_formula,
    beats,
    load,
    matmul,
    packed,
    parameters,
    store,
)
from simulator_fixtures import ADVANCE, COMPUTE, CONTROL, END, Client, request, simulator_of

pytestmark = pytest.mark.quick
COMMANDS = [load(0, A, (20, 30)), load(4096, B, (30, 8)), matmul(20, 8, 30, b=4096), store(20, 8, C)]


@pytest.fixture
def recorded(embedded, tmp_path):
    """Runs commands on a compute device, once with recording and once without; returns both and what was recorded."""

    def run(*commands, records=True, **given):
        simulator = embedded.Engine(latency_cycles=LATENCY, bytes_per_cycle=8)
        simulator.add_device("compute", "compute", COMPUTE, parameters(**given))
        if records:
            simulator.keep_spans()
        outcome = Matrices(simulator, tmp_path).run(*commands)
        path = tmp_path / "spans.bin"
        path.write_bytes(simulator.spans())
        return outcome, simulator.result(), read_spans(path)

    return run


def unit_spans(recording, unit):
    spans = recording.devices["compute"]
    return spans[spans["track"] == FIRST_UNIT + recording.units.index(unit)]


def test_each_unit_has_its_commands_with_their_tiles(recorded):
    _, result, recording = recorded(*COMMANDS)
    first, second = unit_spans(recording, "load")
    assert [int(first[name]) for name in ("code", "index", "bytes", "address", "m", "n", "k")] == [
        CODES["LOAD"], 0, 2400, A, 1, 20, 120,
    ]  # fmt: skip
    assert int(second["bytes"]) == 960 and int(second["address"]) == B and int(second["value"]) == LIST
    (product,) = unit_spans(recording, "compute")
    assert [int(product[name]) for name in ("code", "index", "bytes", "m", "n", "k")] == [
        CODES["MATMUL"], 2, 0, 20, 8, 30,
    ]  # fmt: skip
    (kept,) = unit_spans(recording, "store")
    assert int(kept["bytes"]) == 640 and int(kept["address"]) == C and int(kept["index"]) == 3
    assert int(first["begin"]) < int(product["begin"]) < int(product["end"]) == int(kept["begin"])


def test_a_load_lasts_as_long_as_its_bytes_take_and_waits_its_turn(recorded):
    _, _, recording = recorded(*COMMANDS)
    first, second = unit_spans(recording, "load")
    assert int(first["end"] - first["begin"]) == beats(2400) + LATENCY
    assert int(second["end"] - first["begin"]) == beats(2400) + beats(960) + LATENCY


@pytest.mark.parametrize(("dataflow", "overlap"), MODES)
def test_a_product_lasts_as_long_as_the_array_needs(recorded, dataflow, overlap):
    _, _, recording = recorded(*COMMANDS, dataflow=dataflow, overlap=overlap, rows=4, columns=4)
    (product,) = unit_spans(recording, "compute")
    assert int(product["end"] - product["begin"]) == array_formula(dataflow, overlap, 4, 4, 20, 8, 30)


def test_time_in_which_a_unit_has_commands_is_its_busy_time(recorded):
    _, result, recording = recorded(*COMMANDS)
    for unit in recording.units:
        at_work = set()
        for span in unit_spans(recording, unit):
            at_work.update(range(int(span["begin"]), int(span["end"])))
        assert len(at_work) == result["devices"]["compute"].get(f"{unit}_busy_cycles", 0)


def test_transfers_have_the_bytes_that_the_device_counts(recorded):
    _, result, recording = recorded(*COMMANDS)
    spans = recording.devices["compute"]
    transfers = spans[spans["track"] == TRANSFERS]
    counted = result["devices"]["compute"]
    assert int(transfers["bytes"][transfers["code"] == READS].sum()) == counted["dma_bytes_read"]
    assert int(transfers["bytes"][transfers["code"] == WRITES].sum()) == counted["dma_bytes_written"]
    fetched = transfers[0]
    assert (int(fetched["address"]), int(fetched["bytes"])) == (LIST, len(packed(*COMMANDS)))


def test_recording_changes_nothing_and_without_it_nothing_is_kept(recorded):
    with_it, without = recorded(*COMMANDS), recorded(*COMMANDS, records=False)
    assert with_it[:2] == without[:2]
    assert len(with_it[2].devices["compute"]) == 8 and len(without[2].devices["compute"]) == 0


def test_accesses_have_their_cycles_values_and_accounts(embedded, tmp_path):
    simulator = simulator_of(embedded, load_machine("default"))
    simulator.keep_spans()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    listener.listen(1)
    served = {}
    thread = threading.Thread(target=lambda: served.update(simulator.serve(listener.fileno(), "")))
    thread.start()
    client = Client(tmp_path / "socket")
    client.send(request(ADVANCE, address=7, data=100))
    client.write(COMPUTE + CONTROL, 0)
    client.send(request(ADVANCE, address=3, data=50))
    assert client.read(COMPUTE + CONTROL)[1] == 0
    client.end()
    thread.join()
    path = tmp_path / "spans.bin"
    path.write_bytes(served["spans"])
    recording = read_spans(path)
    seen = [
        [int(span[name]) for name in ("begin", "end", "code", "address", "bytes", "index", "track")]
        for span in recording.accesses
    ]
    assert seen[0] == [100, 101, WRITES, COMPUTE + CONTROL, 4, 7, ACCESSES]
    assert seen[1] == [151, 152, READS, COMPUTE + CONTROL, 4, 3, ACCESSES]
    assert int(recording.accesses[2]["value"]) == END and len(seen) == 3
    assert recording.bases["compute"] == COMPUTE and SLEEPS not in recording.accesses["code"]
    assert served["total_cycles"] == seen[2][1]


def test_a_file_that_is_no_recording_is_refused_in_one_line(recorded, tmp_path):
    recorded(*COMMANDS)
    path = tmp_path / "spans.bin"
    whole = path.read_bytes()
    for content, words in (
        (b"", "this is no recording of a run"),
        (b"\x7fELF\n", "this is no recording of a run"),
        (json.dumps({"units": []}).encode() + b"\n", "it has no key 'logs'"),
        (whole[:-1], "767 bytes of spans, where its first line says 8 of 96"),
    ):
        path.write_bytes(content)
        with pytest.raises(SimulateError, match=words) as refused:
            read_spans(path)
        assert str(refused.value).startswith(f"{path}: ") and "\n" not in str(refused.value)
    with pytest.raises(SimulateError, match="cannot be read: No such file"):
        read_spans(tmp_path / "none.bin")


def test_spans_are_as_the_simulator_lays_them_out(recorded):
    _, _, recording = recorded(*COMMANDS)
    assert recording.devices["compute"].dtype.itemsize == 96
    assert np.all(recording.devices["compute"]["end"] >= recording.devices["compute"]["begin"])
