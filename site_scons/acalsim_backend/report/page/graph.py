# SPDX-License-Identifier: Apache-2.0
"""The graph of a program's ops with their cycles, as a page draws it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from ...schedule.plan_file import PlanFile
from . import words
from .layout import Edge, Point, Sizes, lay_out

SIZES = Sizes()
SHOWN_LETTERS = 27


def graph(report: Mapping[str, Any], plan: PlanFile) -> dict[str, Any]:
    """Nodes and edges with their places, in pixels."""
    rows = report["ops"]
    layout = lay_out(len(rows), edges(plan), SIZES)
    longest = max((op["cycles"] for op in rows), default=0)
    return {
        "width": round(layout.width),
        "height": round(layout.height),
        "node": SIZES,
        "edges": "".join(dict.fromkeys(part for line in layout.lines for part in _parts(line))),
        "nodes": [
            {
                **op,
                "x": round(x),
                "y": round(y),
                "label": op["name"]
                if len(op["name"]) <= SHOWN_LETTERS
                else op["name"][: SHOWN_LETTERS - 1] + "…",
                "share": words.percent(op["cycles"], report["total_cycles"]),
                "bar": round(SIZES.width * op["cycles"] / (longest or 1), 1),
                "cause": words.largest(op["ledger"]),
            }
            for op, (x, y) in zip(rows, layout.places, strict=True)
        ],
    }


def edges(plan: PlanFile) -> list[Edge]:
    """From each op that another one needs to that one."""
    index = {op.name: op.index for op in plan.ops}
    return [(index[name], op.index) for op in plan.ops for name in op.needs]


def _parts(points: tuple[Point, ...]) -> Iterator[str]:
    """A smooth line through an edge's points, in parts that edges may share: straight in a layer, curved between two."""
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (y0 + y1) / 2
        yield f"M{x0:.0f} {y0:.0f}" + (
            f"V{y1:.0f}" if x0 == x1 else f"C{x0:.0f} {middle:.0f} {x1:.0f} {middle:.0f} {x1:.0f} {y1:.0f}"
        )
