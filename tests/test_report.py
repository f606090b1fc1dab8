# SPDX-License-Identifier: Apache-2.0
"""A report by itself, from a run that is made up: its keys, its sums, and what it refuses."""

from dataclasses import replace

import pytest
from acalsim_backend import doors
from acalsim_backend.errors import ReportError
from acalsim_backend.machine.file import load_machine
from acalsim_backend.report.report import Subject, build_report
from acalsim_backend.report.report_file import Check, Provenance, Report
from acalsim_backend.report.show import print_report
from acalsim_backend.schedule.plan_file import ElfRow, OpRow, PlanFile
from acalsim_backend.simulate.run_file import EngineCounters, RunFile, Statistics
from rich.console import Console

pytestmark = pytest.mark.quick

COUNTERS = {
    "instructions": 40,
    "memory_reads": 1,
    "memory_writes": 2,
    "memory_bytes_read": 8,
    "memory_bytes_written": 16,
}
GUEST = {
    "cpu_cycles": 70,
    "stall_cycles": 30,
    **COUNTERS,
    "overhead": {"cycles": 11, "stall_cycles": 1, "instructions": 5},
    "ops": [
        {"symbol": "op_mm", "account": 1, "calls": 1, "cycles": 50, "stall_cycles": 5, "instructions": 20},
        {
            "symbol": "op_mm_wait",
            "account": 2,
            "calls": 1,
            "cycles": 39,
            "stall_cycles": 24,
            "instructions": 15,
        },
    ],
}
STATISTICS = Statistics(
    total_cycles=100,
    counters=EngineCounters(7),
    ended=True,
    devices={"echo": {"transactions": 1}},
    stalls={"0": {"access": 1}, "1": {"access": 5}, "2": {"access": 4, "compute": 20}},
    guest=GUEST,
)
OP = OpRow(
    index=0,
    name="mm",
    symbol="op_mm",
    type="MATMUL",
    placed_on="compute",
    wait_symbol="op_mm_wait",
    reason="",
    macs=64,
    source="models/it.py:3",
    aten=("aten.mm.default",),
    fused=(),
)
PLAN = PlanFile("graph_0", ElfRow(64, "double", True), 1024, (), (), (OP,), (), (), {}, ())
SUBJECT = Subject("it", load_machine("default"), PLAN, (), Provenance(*"abcdefg"))
PASSED = Check(True, 0.0, 0.0, None)


def report_of(**changes):
    return build_report(SUBJECT, RunFile("embedded", replace(STATISTICS, **changes)), PASSED)


def test_an_op_has_the_cycles_of_both_its_functions():
    (op,) = report_of().ops
    assert (op.cycles, op.counters.instructions) == (89, 35)
    assert doors.as_json(op.ledger) == {
        "cpu": 60, "stall": 9, "fetch": 0, "load": 0, "compute": 20, "store": 0, "dram": 0
    }  # fmt: skip


def test_every_counter_of_the_guest_and_the_engine_is_a_key_of_the_report():
    cache = {"l1d_hits": 3}
    report = doors.as_json(report_of(guest={**GUEST, "cache": cache}))
    assert {name: report[name] for name in COUNTERS} == COUNTERS
    assert report["cache"] == cache and report["device_transactions"] == 7
    keys = list(report)
    assert keys.index("ledger") < keys.index("instructions") < keys.index("cache") < keys.index("ops")


@pytest.mark.parametrize(
    "changes, line",
    [
        ({"guest": None}, "the guest's counters are missing: QEMU's plugin sent no statistics"),
        ({"guest": GUEST | {"spills": 3}}, "the guest's counters: it has the unknown key 'spills'"),
        (
            {"guest": GUEST | {"ops": GUEST["ops"][:1]}},
            "op 'mm' was not booked: no function 'op_mm_wait' in .*",
        ),
        ({"stalls": {"2": {"sleep": 24}}}, "the simulator's stalls: it has the unknown key 'sleep'"),
        ({"total_cycles": 99}, r"cpu_cycles \+ stall_cycles is 100, where 99 cycles were simulated"),
        (
            {"guest": GUEST | {"overhead": GUEST["overhead"] | {"cycles": 12}}},
            ".* overhead_cycles is 101, .* 100 .*",
        ),
        ({"stalls": STATISTICS.stalls | {"1": {"access": 6}}}, "the ledger's sum is 101, .*"),
    ],
)
def test_a_run_that_does_not_add_up_makes_no_report(changes, line):
    with pytest.raises(ReportError, match=f"^{line}$"):
        report_of(**changes)


def test_a_report_is_printed_alike_from_the_dict_that_scripts_have():
    def printed(report):
        console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
        print_report(report, console)
        return console.export_text()

    report = report_of()
    assert printed(report) == printed(
        doors.as_json(report)
    ) and "it on default (embedded): 100 cycles" in printed(report)


def test_a_narrow_terminal_has_fewer_columns_and_whole_names():
    report = report_of()
    for width in (50, 80, 120):
        console = Console(width=width, record=True, force_terminal=True, file=open("/dev/null", "w"))  # noqa: SIM115
        print_report(report, console)
        rows = console.export_text().splitlines()
        head = next(row for row in rows if row.lstrip().startswith("op "))
        assert ("gone to" in head) == (width > 50) and ("MACs" in head) == (width == 120)
        assert any(row.split()[:1] == [report.ops[0].name] for row in rows) and "…" not in "".join(rows)


def test_a_report_reads_back():
    report = report_of()
    assert doors.from_json(doors.as_json(report), Report, "it") == report
