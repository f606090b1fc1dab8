# SPDX-License-Identifier: Apache-2.0
"""spans.bin: what happened when, as sim/model/span_log.cc writes it. A line of JSON, then the spans."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import doors
from ..errors import AcalsimError, SimulateError

ACCESSES, TRANSFERS, FIRST_UNIT = range(3)
"""Tracks of a recording's spans."""

READS, WRITES, SLEEPS = range(3)
"""Codes of accesses and transfers."""

WORK = 0xFFFF
"""Code of a unit's span that is no command: all of an own device's work, from START to its end."""

SPAN = np.dtype(
    [(name, "<u8") for name in ("begin", "end", "bytes", "address", "value")]
    + [(f"{name}_bytes", "<u8") for name in ("scratchpad", "accumulator")]
    + [(name, "<u8") for name in ("elements", "special_elements")]
    + [("track", "u1"), ("type", "u1"), ("code", "<u2")]
    + [(name, "<u4") for name in ("op", "index", "m", "n", "k")]
)
"""struct Span; sim/model/span_log.hh says what its members mean."""

Spans = NDArray[Any]


@dataclass(frozen=True)
class LogRow:
    """Whose spans follow: those of the CPU's accesses have no name. `left_out` came when there were too many."""

    name: str
    base: int
    spans: int
    left_out: int


@dataclass(frozen=True)
class SpanFileHead:
    """The first line; a track's unit is the one of that index behind FIRST_UNIT."""

    units: tuple[str, ...]
    logs: tuple[LogRow, ...]


@dataclass(frozen=True)
class SpanLogs:
    """All of spans.bin: the accesses of the CPU, and of each device the rest by its name."""

    units: tuple[str, ...]
    accesses: Spans
    devices: dict[str, Spans]
    bases: dict[str, int]
    left_out: int


def read_spans(path: Path, error: type[AcalsimError] = SimulateError) -> SpanLogs:
    """Raises `error` naming the file where it is none, or not whole."""
    try:
        return parse_spans(path.read_bytes(), str(path), error)
    except OSError as problem:
        raise error(f"{path}: cannot be read: {problem.strerror}") from None


def parse_spans(content: bytes, path: str, error: type[AcalsimError] = SimulateError) -> SpanLogs:
    """What such a file holds; `path` is how errors name it."""
    line, _, rest = content.partition(b"\n")
    try:
        value = json.loads(line)
    except ValueError:
        raise error(f"{path}: this is no recording of a run; simulate anew") from None
    head = doors.from_json(value, SpanFileHead, path, error)
    count = sum(row.spans for row in head.logs)
    if len(rest) != count * SPAN.itemsize:
        raise error(
            f"{path}: {len(rest)} bytes of spans, where its first line says {count} of {SPAN.itemsize}; "
            "simulate anew"
        )
    ends = np.cumsum([0, *(row.spans for row in head.logs)])
    all_spans = np.frombuffer(rest, SPAN)
    spans = [all_spans[first:last] for first, last in zip(ends, ends[1:], strict=False)]
    by_name = {row.name: part for row, part in zip(head.logs, spans, strict=True)}
    return SpanLogs(
        units=head.units,
        accesses=by_name.pop("", all_spans[:0]),
        devices=by_name,
        bases={row.name: row.base for row in head.logs if row.name},
        left_out=sum(row.left_out for row in head.logs),
    )
