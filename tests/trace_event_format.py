# SPDX-License-Identifier: Apache-2.0
"""A reader of Trace Event Format files that takes nothing but what the format's published description allows.

Of "Trace Event Format" the sections JSON Object Format, Event Descriptions, Complete Events and Metadata Events; and as
Perfetto's importer reads it: spans of one thread nest.
"""

import json
from collections import defaultdict
from dataclasses import dataclass, field

METADATA = {
    "process_name": {"name": str},
    "thread_name": {"name": str},
    "process_sort_index": {"sort_index": int},
    "thread_sort_index": {"sort_index": int},
    "process_labels": {"labels": str},
}
COMPLETE = {"name", "cat", "ph", "ts", "dur", "tts", "tdur", "pid", "tid", "args", "cname", "id"}


class NotOfTheFormat(ValueError):
    pass


@dataclass
class Read:
    """Names by number, and the spans of each (pid, tid) as (begin, end, name, args), by beginning."""

    processes: dict = field(default_factory=dict)
    threads: dict = field(default_factory=dict)
    spans: dict = field(default_factory=lambda: defaultdict(list))


def read_trace(text):
    """Raises NotOfTheFormat, naming the event."""
    whole = json.loads(text)
    hold(isinstance(whole, dict) and isinstance(whole.get("traceEvents"), list), "no JSON Object Format")
    hold(whole.get("displayTimeUnit", "ms") in ("ms", "ns"), "displayTimeUnit is ms or ns")
    found = Read()
    for place, event in enumerate(whole["traceEvents"]):
        hold(isinstance(event, dict), place)
        hold(type(event.get("pid")) is int and type(event.get("tid", 0)) is int, place)
        hold(isinstance(event.get("name"), str) and isinstance(event.get("args", {}), dict), place)
        {"X": complete, "M": metadata}.get(event.get("ph"), unknown)(found, event, place)
    for key, spans in found.spans.items():
        hold(key in found.threads and key[0] in found.processes, f"thread {key} has no name")
        spans.sort(key=lambda span: (span[0], -span[1]))
        hold_nested(spans, key)
    return found


def complete(found, event, place):
    hold(not event.keys() - COMPLETE, place)
    for name in ("ts", "dur"):
        hold(type(event.get(name)) in (int, float) and event[name] >= 0, place)
    begin = event["ts"]
    span = (begin, begin + event["dur"], event["name"], event.get("args", {}))
    found.spans[event["pid"], event.get("tid", 0)].append(span)


def metadata(found, event, place):
    wanted = METADATA.get(event["name"])
    hold(wanted is not None, place)
    for name, kind in wanted.items():
        hold(type(event["args"].get(name)) is kind, place)
    if event["name"] == "process_name":
        found.processes[event["pid"]] = event["args"]["name"]
    if event["name"] == "thread_name":
        found.threads[event["pid"], event["tid"]] = event["args"]["name"]


def unknown(found, event, place):
    raise NotOfTheFormat(f"event {place}: phase {event.get('ph')!r}")


def hold_nested(spans, key):
    """Spans of a thread lie within each other or behind each other."""
    open_until = []
    for begin, end, name, _ in spans:
        while open_until and open_until[-1] <= begin:
            open_until.pop()
        hold(not open_until or end <= open_until[-1], f"'{name}' at {begin} of thread {key} crosses another")
        open_until.append(end)


def hold(is_so, what):
    if not is_so:
        raise NotOfTheFormat(what if isinstance(what, str) else f"event {what}")
