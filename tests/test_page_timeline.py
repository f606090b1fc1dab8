# SPDX-License-Identifier: Apache-2.0
"""The timeline of a page: every command of a run, how busy each unit was, and what is done where there are too many."""

import json

import numpy as np
import pytest
from acalsim_backend.report.page import timeline as shown
from acalsim_backend.report.page.occupancy import busy_share, moved_bytes
from acalsim_backend.report.timeline import Lane, side_by_side
from acalsim_backend.simulate.span_file import SPAN
from browser_fixtures import needs_chromium
from hypothesis import given
from hypothesis import strategies as st
from page_fixtures import reported_op, subject_of, timeline_of
from pipeline_fixtures import report_of

MARKS = """[charts.timeline.spec.marks.map((mark) => [mark.lines[0], mark.x, mark.fill, mark.lines]),
    charts.occupancy.spec.marks.map((mark) => [mark.lines[0], mark.x, mark.y[1] - mark.y[0]])]"""
SPANS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 90), st.integers(1, 2000)), min_size=1, max_size=30
)


def spans_of(rows):
    found = np.zeros(len(rows), SPAN)
    for place, (begin, length, size) in enumerate(sorted(rows)):
        found[place]["begin"], found[place]["end"], found[place]["bytes"] = begin, begin + length, size
    return found


@needs_chromium
def test_the_timeline_has_every_command_of_the_trace(host_tree, look):
    seen = look(host_tree / "build/reports/mlp.html", MARKS)
    marks, _ = seen.found
    assert seen.console == []
    trace = json.loads((host_tree / "build/reports/mlp.trace.json").read_text())["traceEvents"]
    device = next(e["pid"] for e in trace if e["name"] == "process_name" and e["args"]["name"] == "compute")
    spans = [e for e in trace if e["ph"] == "X" and e["pid"] == device]
    commands = [e for e in spans if "command" in e["args"]]
    wanted = [
        (
            f"{e['name']} {e['args']['command']}",
            [e["ts"], e["ts"] + e["dur"]],
            f"of {e['args']['op']}",
            e["args"]["tile"],
        )
        for e in commands
    ]
    verbs = {event["name"] for event in commands}
    drawn = [(name, x, lines[1], lines[2]) for name, x, _, lines in marks if name.split()[0] in verbs]
    assert sorted(drawn) == sorted(wanted)
    moved = [
        line for name, _, _, lines in marks if name.startswith("DMA") for line in lines if "bytes" in line
    ]
    assert len(moved) == len(spans) - len(commands)
    at_work = sum(x[1] - x[0] for name, x, _, _ in marks if name.startswith("gemm"))
    assert at_work == sum(op["cycles"] for op in report_of(host_tree, "mlp")["ops"])


@needs_chromium
def test_how_busy_a_unit_was_adds_up_to_its_busy_cycles(host_tree, look):
    _, bars = look(host_tree / "build/reports/mlp.html", MARKS).found
    report = report_of(host_tree, "mlp")
    counters = report["devices"]["compute"]
    for unit in ("load", "compute", "store"):
        cycles = sum((x[1] - x[0]) * y / 0.9 for name, x, y in bars if name == f"compute {unit}")
        assert cycles == pytest.approx(counters[f"{unit}_busy_cycles"], abs=len(bars) * 0.01)
    moved = sum((x[1] - x[0]) * 32 * y / 0.9 for name, x, y in bars if name == "DMA")
    assert moved == pytest.approx(counters["dma_bytes_read"] + counters["dma_bytes_written"], rel=0.01)
    at_work = sum((x[1] - x[0]) * y / 0.9 for name, x, y in bars if name == "CPU")
    assert at_work == pytest.approx(report["cpu_cycles"], abs=5)


def test_a_long_run_is_shown_in_as_many_marks_as_a_page_has_room_for():
    subject = subject_of([reported_op(index, placed_on="compute") for index in range(9000)])
    data = shown.timeline(subject.timeline)
    assert sum(len(lane["begin"]) for lane in data["lanes"]) <= shown.MOST_MARKS + 3 * 9000
    load = next(lane for lane in data["lanes"] if lane["title"] == "compute load")
    assert sum(load["count"]) == 18000 and sum(load["bytes"]) == 18000 * 640
    assert load["rows"] == 1 and max(load["count"]) == 2


def test_spans_are_merged_only_within_an_op_and_a_piece_of_time():
    begin, ops = np.array([0, 1, 2, 3, 90]), np.array([0, 0, 1, 1, 1])
    assert shown.runs(begin, ops, 100, 10).tolist() == [0, 2, 4]
    assert shown.runs(begin, ops, 100, 100).tolist() == [0, 1, 2, 3, 4]


@given(SPANS, st.integers(1, 40))
def test_busy_cycles_are_those_in_which_there_is_a_span(rows, bins):
    spans, edges = spans_of(rows), np.array([500 * index // bins for index in range(bins + 1)])
    at_work = np.zeros(500)
    for begin, length, _ in rows:
        at_work[begin : begin + length] = 1
    wanted = [at_work[first:last].mean() for first, last in zip(edges, edges[1:], strict=False)]
    np.testing.assert_allclose(busy_share(spans, edges), wanted, atol=1e-9)


@given(SPANS, st.integers(1, 40))
def test_bytes_are_all_there_and_never_more_than_ram_can_move(rows, bins):
    edges = np.array([500 * index // bins for index in range(bins + 1)])
    moved = moved_bytes([spans_of(rows)], edges, 64, 20)
    np.testing.assert_allclose((moved * np.diff(edges)).sum(), sum(size for _, _, size in rows))
    assert (moved[1:] <= 64 + 1e-6).all()


@given(SPANS)
def test_spans_side_by_side_never_overlap_in_a_row(rows):
    spans = spans_of(rows)
    ends = {}
    for span, row in zip(spans, side_by_side(spans), strict=True):
        assert span["begin"] >= ends.get(row, 0)
        ends[row] = span["end"]


def test_a_run_without_devices_has_the_cpus_row_only():
    subject = subject_of([reported_op(0), reported_op(2)])
    data = shown.timeline(timeline_of(subject.report))
    assert data["lanes"] == [] and [lane["title"] for lane in data["occupancy"]["lanes"]] == ["CPU"]
    assert Lane(np.zeros(0, SPAN), np.zeros(0, np.int64)).spans.size == 0
