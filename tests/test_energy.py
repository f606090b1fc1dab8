# SPDX-License-Identifier: Apache-2.0
"""Energy by op: sums that are exact, counts worked out by hand, and nothing where the machine file says nothing."""

from dataclasses import asdict, replace

import pytest
from acalsim_backend import doors
from acalsim_backend.errors import MachineError, ReportError
from acalsim_backend.machine.file import load_machine
from acalsim_backend.machine.rows import ENERGY
from acalsim_backend.paths import MACHINES
from acalsim_backend.report.energy import with_energy
from acalsim_backend.report.page.page import page
from acalsim_backend.simulate.run_file import Account, Counters, Guest, OpCounters
from compute_fixtures import A, B, C, load, matmul, store
from page_fixtures import reported_op, subject_of
from test_span_log import recorded  # noqa: F401

pytestmark = pytest.mark.quick
PRICES = {row.name: row.default for row in ENERGY}


def machine_with(folder, text):
    path = folder / "mine.toml"
    path.write_text((MACHINES / "default.toml").read_text() + f"\n{text}\n")
    return load_machine(str(path))


def priced(prices=PRICES, **changes):
    """A report of three ops, on the CPU and on the device, with energy."""
    subject = subject_of([reported_op(index) for index in range(3)], **changes)
    guest = Guest(0, 0, Counters(0, 0, 0, 0, 0), Account(1000, 17, OpCounters(0)), ())
    return subject, with_energy(subject.report, guest, subject.timeline, prices)


def test_every_ledger_sums_and_the_ops_sum_to_the_run():
    _, report = priced({name: 3 * place + 1 for place, name in enumerate(PRICES)})
    parts = [report.overhead_energy, *(op.energy for op in report.ops)]
    assert all(part.total_pj == sum(asdict(part.ledger).values()) for part in (report.energy, *parts))
    assert report.energy.total_pj == sum(part.total_pj for part in parts) > 0
    for name, taken in asdict(report.energy.ledger).items():
        assert taken == sum(asdict(part.ledger)[name] for part in parts)


def test_an_op_takes_what_its_events_take():
    """op_1 is on the device: a MATMUL 4x8x16 and a transfer of 640 bytes; 354 cycles of which the CPU works 11."""
    _, report = priced(PRICES | {"idle_cycle": 2000})
    ledger = report.ops[1].energy.ledger
    assert (ledger.mac, ledger.dram) == (round(4 * 8 * 16 * 4.6), round(640 * 162.5))
    assert (ledger.cpu, ledger.idle) == (20 * 70, (354 - 11) * 2)
    assert report.ops[0].energy.ledger.dram == report.ops[0].energy.ledger.mac == 0
    assert report.overhead_energy.ledger.cpu == (5000 - 60) * 70
    assert report.overhead_energy.ledger.idle == 17 * 2


def test_a_recording_that_is_not_whole_has_no_energy():
    subject, _ = priced()
    guest = Guest(0, 0, Counters(0, 0, 0, 0, 0), Account(1000, 17, OpCounters(0)), ())
    with pytest.raises(ReportError, match=r"the recording lacks 3 accesses, transfers and commands"):
        with_energy(subject.report, guest, replace(subject.timeline, left_out=3), PRICES)


@pytest.mark.parametrize(
    "dataflow, scratchpad, accumulator",
    [
        # A 20x30 for each of 2 strips of 4 columns, B once; 8 strips of K write sums, all but the first read them.
        ("ws", 4 * (20 * 30 * 2 + 30 * 8), 4 * 20 * 8 * (2 * 8 - 1)),
        # B for each of 5 strips of 4 rows; each sum is written once.
        ("os", 4 * (20 * 30 * 2 + 30 * 8 * 5), 4 * 20 * 8),
    ],
)
def test_bytes_of_the_memories_are_those_that_the_array_touches(
    recorded,  # noqa: F811
    dataflow,
    scratchpad,
    accumulator,
):
    commands = [load(0, A, (20, 30)), load(4096, B, (30, 8)), matmul(20, 8, 30, b=4096), store(20, 8, C)]
    _, _, recording = recorded(*commands, dataflow=dataflow, rows=4, columns=4)
    spans = {int(span["index"]): span for span in recording.devices["compute"] if span["track"] >= 2}
    found = [(int(spans[i]["scratchpad_bytes"]), int(spans[i]["accumulator_bytes"])) for i in range(4)]
    assert found == [(2400, 0), (960, 0), (scratchpad, accumulator), (0, 640)]


def test_the_table_says_picojoules_and_has_defaults(tmp_path):
    assert load_machine("default").energy is None
    assert machine_with(tmp_path, "[energy]").energy == PRICES
    energy = machine_with(tmp_path, "[energy]\nmac_int8 = 0.125\nidle_cycle = 3").energy
    assert (energy["mac_int8"], energy["idle_cycle"], energy["dram_byte"]) == (125, 3000, 162_500)


@pytest.mark.parametrize(
    "text, words",
    [
        ("[energy]\nmac = 1", "unknown key 'energy.mac'; known are mac_float32, mac_int8"),
        ("[energy]\nmac_int8 = -1", "energy.mac_int8 is -1; it lies between 0 and"),
        ("[energy]\nmac_int8 = 0.0001", "energy.mac_int8 is 0.0001; .* with three decimals at most"),
        ("[energy]\nmac_int8 = nan", "energy.mac_int8 is nan"),
        ("[energy]\nmac_int8 = 'much'", "energy.mac_int8 is 'much'; it is a number of picojoules"),
        ("[energy]\nmac_int8 = true", "energy.mac_int8 is True; it is a number of picojoules"),
    ],
)
def test_a_wrong_table_is_refused_in_one_line(tmp_path, text, words):
    with pytest.raises(MachineError, match=words) as refused:
        machine_with(tmp_path, text)
    assert "mine.toml: " in str(refused.value) and "\n" not in str(refused.value)


def test_without_the_table_no_energy_appears_anywhere():
    subject, report = priced()
    assert "energy" not in str(doors.as_json(subject.report)) and "Energy" not in page(subject)
    shown = page(replace(subject, report=report))
    assert f'<td class="num" data-value="{report.energy.total_pj}">' in shown and 'href="#energy"' in shown


def test_energy_changes_no_program():
    """Prices are no part of what the compiler sees."""
    machine = load_machine("default")
    assert replace(machine, energy=PRICES).compile_view() == machine.compile_view()
