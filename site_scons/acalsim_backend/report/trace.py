# SPDX-License-Identifier: Apache-2.0
"""NAME.trace.json: a timeline in the Trace Event Format, which Perfetto and chrome://tracing open.

A microsecond there is a cycle here. The CPU is a process with a thread for ops and one for accesses to each
device; a device is one with threads for its units and its DMA. Things of one thread that overlap are spread
over several, since the format's complete events must not. The format: Google, "Trace Event Format", 2016.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..machine.commands import COMMANDS
from ..machine.registers import REGISTERS, WINDOW_BYTES
from ..simulate.span_file import READS, SLEEPS, WORK, Spans
from .report_file import Report
from .timeline import NO_OP, DeviceLanes, Lane, Timeline, side_by_side

COMMAND_NAMES = {command.value: command.name.removeprefix("COMMAND_") for command in COMMANDS}
REGISTER_NAMES = {register.offset: register.name for register in REGISTERS}

Event = dict[str, Any]


def trace_text(report: Report, timeline: Timeline) -> str:
    """All of the file: an event a line."""
    head: dict[str, object] = {"model": report.model, "machine": report.machine, "engine": report.engine}
    head |= {"total_cycles": report.total_cycles, "spans_left_out": timeline.left_out}
    lines = ",\n".join(json.dumps(event, separators=(",", ":")) for event in events(report, timeline))
    return f'{{"displayTimeUnit":"ms","otherData":{json.dumps(head)},\n"traceEvents":[\n{lines}\n]}}\n'


def events(report: Report, timeline: Timeline) -> Iterator[Event]:
    names = {op.index: op.name for op in report.ops} | {NO_OP: "overhead"}
    yield from process(1, "CPU")
    yield thread(1, 1, "ops")
    for span in timeline.cpu:
        name = names[span.op] + f" and {span.more} more" * bool(span.more)
        yield complete(1, 1, name, span.begin, span.end, op_facts(report, span.op))
    sleeps = timeline.accesses.spans["code"] == SLEEPS
    if sleeps.any():
        asleep = Lane(timeline.accesses.spans[sleeps], timeline.accesses.ops[sleeps])
        last = len(timeline.devices) + 2
        yield thread(1, last, "waits for an interrupt")
        yield from spread(1, last, asleep, lambda span: "sleep", names, lambda span: {})
    for index, device in enumerate(timeline.devices, 2):
        yield thread(1, index, f"accesses to {device.name}")
        yield from spread(1, index, device.accesses, access_name, names, access_facts)
        yield from device_events(index, device, names)


def device_events(pid: int, device: DeviceLanes, names: Mapping[int, str]) -> Iterator[Event]:
    yield from process(pid, device.name)
    first = 1
    for unit, lane in device.units.items():
        first = yield from threads(pid, first, unit, lane, command_name, names, command_facts)
    if len(device.transfers.spans):
        yield from threads(pid, first, "DMA", device.transfers, transfer_name, names, transfer_facts)


def threads(
    pid: int, first: int, title: str, lane: Lane, name: Any, names: Mapping[int, str], facts: Any
) -> Any:
    """The lane in as many threads as it takes; returns the number of the next one."""
    rows = side_by_side(lane.spans)
    count = max(rows, default=-1) + 1
    for row in range(count):
        yield thread(pid, first + row, title if count == 1 else f"{title} {row + 1}")
    for event, row in zip(spread(pid, first, lane, name, names, facts), rows, strict=True):
        yield event | {"tid": first + row}
    return first + count


def spread(
    pid: int, tid: int, lane: Lane, name: Any, names: Mapping[int, str], facts: Any
) -> Iterator[Event]:
    for span, op in zip(rows_of(lane.spans), lane.ops.tolist(), strict=True):
        yield complete(pid, tid, name(span), span["begin"], span["end"], {"op": names[op]} | facts(span))


def rows_of(spans: Spans) -> Iterable[dict[str, int]]:
    names = spans.dtype.names or ()
    return (dict(zip(names, row, strict=True)) for row in spans.tolist())


def process(pid: int, name: str) -> Iterator[Event]:
    yield {"ph": "M", "pid": pid, "name": "process_name", "args": {"name": name}}
    yield {"ph": "M", "pid": pid, "name": "process_sort_index", "args": {"sort_index": pid}}


def thread(pid: int, tid: int, name: str) -> Event:
    return {"ph": "M", "pid": pid, "tid": tid, "name": "thread_name", "args": {"name": name}}


def complete(pid: int, tid: int, name: str, begin: int, end: int, facts: Mapping[str, object]) -> Event:
    return {
        "ph": "X",
        "pid": pid,
        "tid": tid,
        "name": name,
        "ts": begin,
        "dur": end - begin,
        "args": dict(facts),
    }


def op_facts(report: Report, op: int) -> dict[str, object]:
    if op == NO_OP:
        return {}
    row = report.ops[op]
    return {"type": row.type, "on": row.placed_on, "macs": row.macs, "source": row.source}


def access_name(span: Mapping[str, int]) -> str:
    verb = "read" if span["code"] == READS else "write"
    return f"{verb} {REGISTER_NAMES.get(span['address'] % WINDOW_BYTES, 'no register')}"


def access_facts(span: Mapping[str, int]) -> dict[str, object]:
    return {"address": hex(span["address"]), "value": hex(span["value"]), "bytes": span["bytes"]}


def command_name(span: Mapping[str, int]) -> str:
    return "work" if span["code"] == WORK else COMMAND_NAMES.get(span["code"], f"command {span['code']}")


def command_facts(span: Mapping[str, int]) -> dict[str, object]:
    if span["code"] == WORK:
        return {}
    facts: dict[str, object] = {"command": span["index"], "list": hex(span["value"]), "tile": tile(span)}
    if span["bytes"]:
        facts |= {"bytes": span["bytes"], "address": hex(span["address"])}
    return facts


def tile(span: Mapping[str, int]) -> str:
    """Of a tile in RAM its planes, rows and bytes of a row; of a product its sizes; of any other its numbers."""
    m, n, k = span["m"], span["n"], span["k"]
    if command_name(span) == "MATMUL":
        return f"{m}x{k} @ {k}x{n}"
    if span["bytes"]:
        return f"{n} row{'s' * (n > 1)} of {k} bytes" + (f" in each of {m} planes" if m > 1 else "")
    return f"{m}x{n}" if m * n else ""


def transfer_name(span: Mapping[str, int]) -> str:
    return "read" if span["code"] == READS else "write"


def transfer_facts(span: Mapping[str, int]) -> dict[str, object]:
    return {"bytes": span["bytes"], "address": hex(span["address"])}
