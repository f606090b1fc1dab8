# SPDX-License-Identifier: Apache-2.0
"""NAME.trace.json: a run in the Trace Event Format, held to the report and to the format's rules."""

import json
import re
from collections import defaultdict

import pytest
from pipeline_fixtures import MODELS, report_of
from trace_event_format import NotOfTheFormat, read_trace


@pytest.fixture(scope="module")
def traces(host_tree):
    return {name: json.loads((host_tree / f"build/reports/{name}.trace.json").read_text()) for name in MODELS}


@pytest.fixture(scope="module")
def reports(host_tree):
    return {name: report_of(host_tree, name) for name in MODELS}


def spans_of(trace):
    return [event for event in trace["traceEvents"] if event["ph"] == "X"]


def threads_of(trace):
    """(process, thread) names by their numbers."""
    processes = {e["pid"]: e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "process_name"}
    return {
        (e["pid"], e["tid"]): (processes[e["pid"]], e["args"]["name"])
        for e in trace["traceEvents"]
        if e["name"] == "thread_name"
    }


def test_every_event_is_one_of_the_format(traces):
    for trace in traces.values():
        named = threads_of(trace)
        for event in trace["traceEvents"]:
            assert event["ph"] in "MX" and event["pid"] > 0
            if event["ph"] == "X":
                assert event["ts"] >= 0 and event["dur"] > 0 and event["name"]
                assert (event["pid"], event["tid"]) in named


def test_a_reader_of_the_published_format_takes_every_trace(host_tree, traces):
    for name, trace in traces.items():
        found = read_trace((host_tree / f"build/reports/{name}.trace.json").read_text())
        assert sum(map(len, found.spans.values())) == len(spans_of(trace)) > 0
        assert found.processes[1] == "CPU" and "compute" in found.processes.values()


SPAN = {"ph": "X", "name": "a", "pid": 1, "tid": 1, "ts": 5, "dur": 10}
NAMES = [
    {"ph": "M", "name": f"{what}_name", "pid": 1, "tid": 1, "args": {"name": "it"}}
    for what in ("process", "thread")
]


@pytest.mark.parametrize(
    "events, line",
    [
        ([SPAN], "has no name"),
        ([*NAMES, {**SPAN, "dur": -1}], "event 2"),
        ([*NAMES, {**SPAN, "ts": "5"}], "event 2"),
        ([*NAMES, {**SPAN, "ph": "Q"}], "phase 'Q'"),
        ([*NAMES, {**SPAN, "colour": "red"}], "event 2"),
        ([*NAMES, SPAN, {**SPAN, "ts": 9}], "crosses another"),
    ],
)
def test_that_reader_refuses_what_the_format_does_not_have(events, line):
    with pytest.raises(NotOfTheFormat, match=line):
        read_trace(json.dumps({"traceEvents": events}))


def test_events_of_a_thread_never_overlap(traces):
    for trace in traces.values():
        rows = defaultdict(list)
        for event in spans_of(trace):
            rows[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
        for spans in rows.values():
            spans.sort()
            assert all(end <= begin for (_, end), (begin, _) in zip(spans, spans[1:], strict=False))


def test_the_ops_of_the_trace_take_the_reports_cycles(traces, reports):
    """Ops that follow each other in one command list are one event, named after the first."""
    for name in MODELS:
        report, found = reports[name], []
        cycles = {op["name"]: op["cycles"] for op in report["ops"]}
        for event in spans_of(traces[name]):
            if (event["pid"], event["tid"]) == (1, 1):
                first, _, more = event["name"].partition(" and ")
                found.append((first, int(more.partition(" ")[0] or 0), event["dur"]))
        names = list(cycles)
        for first, more, duration in found:
            if first != "overhead":
                place = names.index(first)
                assert sum(cycles[each] for each in names[place : place + more + 1]) == duration
        assert sum(1 + more for first, more, _ in found if first != "overhead") == len(names)
        rest = sum(duration for first, _, duration in found if first == "overhead")
        assert rest == report["overhead_cycles"]
        assert traces[name]["otherData"]["total_cycles"] == report["total_cycles"]


def test_a_device_has_all_its_commands_and_bytes_and_knows_their_ops(traces, reports):
    for name in MODELS:
        counters, named = reports[name]["devices"]["compute"], threads_of(traces[name])
        ops = {op["name"]: op for op in reports[name]["ops"]}
        commands, moved, macs, seen = [], 0, 0, set()
        for event in spans_of(traces[name]):
            process, thread = named[event["pid"], event["tid"]]
            if process != "compute":
                continue
            facts = event["args"]
            assert ops[facts["op"]]["placed_on"] == "compute"
            if thread.startswith("DMA"):
                moved += facts["bytes"]
                continue
            commands.append((facts["list"], facts["command"]))
            seen.add(facts["op"])
            if event["name"] == "MATMUL":
                m, k, n = map(int, re.fullmatch(r"(\d+)x(\d+) @ \d+x(\d+)", facts["tile"]).groups())
                macs += m * k * n
        assert seen == ops.keys()
        assert len(set(commands)) == len(commands) <= counters["commands"]
        assert moved == counters["dma_bytes_read"] + counters["dma_bytes_written"]
        assert macs == counters["macs"]


def test_every_access_of_the_cpu_is_there(traces, reports):
    for name in MODELS:
        accesses = [e for e in spans_of(traces[name]) if e["pid"] == 1 and e["tid"] > 1]
        assert len(accesses) == reports[name]["device_transactions"]
        assert {"write CONTROL", "read RESULT", "write DATA_IN"} <= {event["name"] for event in accesses}


def test_a_trace_is_the_same_from_run_to_run(tree):
    before = (tree / "build/reports/mlp.trace.json").read_bytes()
    (tree / "build/mlp/run/run.json").unlink()
    tree.scons("sim-mlp")
    assert (tree / "build/reports/mlp.trace.json").read_bytes() == before
