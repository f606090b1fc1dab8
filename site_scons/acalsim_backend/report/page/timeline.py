# SPDX-License-Identifier: Apache-2.0
"""A run's timeline as a page draws it: marks in lanes, and how busy each lane was by the time.

A page has room for so many marks. Where a lane has more spans than its share of them, those that follow each other
closely and are of one op become one mark, which says how many it stands for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..timeline import NO_OP, DeviceLanes, Lane, Timeline, side_by_side
from ..trace import command_name, rows_of, tile, transfer_name
from .occupancy import busy_share, moved_bytes

MOST_MARKS = 12_000
"""On one page; a mark takes some 30 bytes of it."""
MOST_BINS, BINS_OF_ALL = 300, 6_000
"""Of one lane, and of all lanes together: pieces of time that a share is given for."""
TABLE_BINS = 20
MERGED = ""
"""What a mark is called that stands for several spans."""


@dataclass(frozen=True)
class Shown:
    """A lane with its title, the colour that it is drawn in, and what its marks are called and about."""

    title: str
    fill: str
    lane: Lane
    names: Sequence[str]
    tiles: Sequence[str]


def timeline(run: Timeline) -> dict[str, Any]:
    """All that the charts need, in whole cycles."""
    shown = [each for device in run.devices for each in device_lanes(device)]
    share = max(MOST_MARKS // (len(shown) + 1), 1)
    bins = max(min(MOST_BINS, BINS_OF_ALL // (len(shown) + 2), run.total_cycles), 1)
    names: dict[str, int] = {MERGED: 0}
    return {
        "cpu": [[span.begin, span.end, span.op, span.more] for span in run.cpu],
        "lanes": [marks(each, run.total_cycles, share, names) for each in shown],
        "names": list(names),
        "left_out": run.left_out,
        "peak_bytes": run.peak_bytes,
        "occupancy": occupancy(run, shown, bins),
    }


def table(run: Timeline) -> dict[str, Any]:
    """The occupancy once more for those who read instead of looking, in larger pieces of time."""
    shown = [each for device in run.devices for each in device_lanes(device) if each.fill != "dram"]
    return occupancy(run, shown, max(min(TABLE_BINS, run.total_cycles), 1))


def device_lanes(device: DeviceLanes) -> list[Shown]:
    found = []
    for unit, lane in device.units.items():
        rows = list(rows_of(lane.spans))
        names = [f"{command_name(row)} {row['index']}" for row in rows]
        found.append(Shown(f"{device.name} {unit}", unit, lane, names, [tile(row) for row in rows]))
    if len(device.transfers.spans):
        rows = list(rows_of(device.transfers.spans))
        names = [f"DMA {transfer_name(row)}" for row in rows]
        found.append(Shown(f"{device.name} DMA", "dram", device.transfers, names, [""] * len(rows)))
    return found


def marks(shown: Shown, total: int, share: int, names: dict[str, int]) -> dict[str, Any]:
    """Columns of a lane's marks: begin, length, row, op, name, tile, bytes, and how many spans each is."""
    spans, ops = shown.lane.spans, shown.lane.ops
    begin, end, size = (spans[key].astype(np.int64) for key in ("begin", "end", "bytes"))
    first = runs(begin, ops, total, share) if len(spans) > share else np.arange(len(spans))
    count = np.diff([*first, len(spans)])
    ends = np.maximum.reduceat(end, first)
    alone = count == 1
    rows = np.zeros(len(first), np.int64) if not alone.all() else np.array(side_by_side(spans))

    def number(words: Sequence[str]) -> list[int]:
        return [
            names.setdefault(words[place] if one else MERGED, len(names))
            for place, one in zip(first.tolist(), alone.tolist(), strict=True)
        ]

    return {
        "title": shown.title,
        "fill": shown.fill,
        "rows": int(rows.max()) + 1,
        "begin": np.diff(begin[first], prepend=0).tolist(),
        "length": (ends - begin[first]).tolist(),
        "row": rows.tolist() if rows.any() else [],
        "op": ops[first].tolist(),
        "name": number(shown.names),
        "tile": number(shown.tiles),
        "bytes": np.add.reduceat(size, first).tolist(),
        "count": [] if alone.all() else count.tolist(),
    }


def runs(begin: NDArray[np.int64], ops: NDArray[np.int64], total: int, share: int) -> NDArray[np.int64]:
    """The first of each run of spans that begin in one of `share` pieces of time and are of one op."""
    piece = begin * share // max(total, 1)
    new = (np.diff(piece, prepend=-1) != 0) | (np.diff(ops, prepend=NO_OP - 1) != 0)
    return np.flatnonzero(new)


def occupancy(run: Timeline, shown: Sequence[Shown], bins: int) -> dict[str, Any]:
    """Of each bin of time the share in which the CPU and each unit were at work, and RAM's bytes a cycle.

    The CPU is at work where it waits for no access.
    """
    edges = np.array([run.total_cycles * index // bins for index in range(bins + 1)], np.int64)
    at_work = 1 - busy_share(run.accesses.spans, edges)
    lanes = [{"title": "CPU", "fill": "cpu", "values": rounded(at_work)}]
    lanes += [
        {
            "title": each.title,
            "fill": each.fill,
            "values": rounded(busy_share(each.lane.spans, edges)),
        }
        for each in shown
        if each.fill != "dram"
    ]
    transfers = [device.transfers.spans for device in run.devices]
    return {
        "edges": edges.tolist(),
        "lanes": lanes,
        "bytes": rounded(moved_bytes(transfers, edges, run.peak_bytes, run.latency_cycles)),
    }


def rounded(values: NDArray[np.float64]) -> list[float]:
    return [round(value, 3) for value in (values + 0.0).tolist()]
