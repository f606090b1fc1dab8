# SPDX-License-Identifier: Apache-2.0
"""NAME.trace.json: a run in the Trace Event Format, held to the report and to the format's rules."""

import json
from collections import defaultdict

import pytest
from pipeline_fixtures import MODELS, report_of


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


def test_events_of_a_thread_never_overlap(traces):
    for trace in traces.values():
        rows = defaultdict(list)
        for event in spans_of(trace):
            rows[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
        for spans in rows.values():
            spans.sort()
            assert all(end <= begin for (_, end), (begin, _) in zip(spans, spans[1:], strict=False))


def test_the_ops_of_the_trace_take_the_reports_cycles(traces, reports):
    for name in MODELS:
        cycles = defaultdict(int)
        for event in spans_of(traces[name]):
            if (event["pid"], event["tid"]) == (1, 1):
                cycles[event["name"]] += event["dur"]
        report = reports[name]
        wanted = {op["name"]: op["cycles"] for op in report["ops"]} | {"overhead": report["overhead_cycles"]}
        assert cycles == wanted
        assert traces[name]["otherData"]["total_cycles"] == sum(cycles.values()) == report["total_cycles"]


def test_a_device_has_all_its_commands_and_bytes_and_knows_their_ops(traces, reports):
    for name in MODELS:
        counters, named = reports[name]["devices"]["compute"], threads_of(traces[name])
        ops = {op["name"]: op for op in reports[name]["ops"]}
        commands, moved = 0, 0
        for event in spans_of(traces[name]):
            process, thread = named[event["pid"], event["tid"]]
            if process != "compute":
                continue
            op = ops[event["args"]["op"]]
            assert op["placed_on"] == "compute"
            if thread.startswith("DMA"):
                moved += event["args"]["bytes"]
            else:
                commands += 1
                assert event["name"] in ("LOAD", "MATMUL", "STORE") and event["args"]["tile"]
        assert commands == counters["commands"]
        assert moved == counters["dma_bytes_read"] + counters["dma_bytes_written"]


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
