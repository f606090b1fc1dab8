# SPDX-License-Identifier: Apache-2.0
"""Spans in, how much of each bin of time they fill out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...simulate.span_file import Spans

Edges = NDArray[np.int64]
"""Of bins that follow each other, in cycles."""


def busy_share(spans: Spans, edges: Edges) -> NDArray[np.float64]:
    """Of each bin the share of its cycles in which there was one of the spans, or several."""
    points = [0]
    covered = [0]
    order = np.argsort(spans["begin"], kind="stable")
    for begin, end in zip(spans["begin"][order].tolist(), spans["end"][order].tolist(), strict=True):
        begin = max(begin, points[-1])
        if end > begin:
            points += [begin, end]
            covered += [covered[-1], covered[-1] + end - begin]
    return np.diff(np.interp(edges, points, covered)) / np.maximum(np.diff(edges), 1)


def moved_bytes(transfers: Sequence[Spans], edges: Edges, peak: int, latency: int) -> NDArray[np.float64]:
    """Of each bin RAM's bytes a cycle, by all devices together.

    A transfer is known from its asking to its end. Its bytes move last, before the latency; where those of several would
    be more than `peak` a cycle, which is all that RAM's channels can move, some have moved in the bins before.
    """
    widths = np.diff(edges)
    filled = np.zeros(len(widths))
    for spans in transfers:
        begin, end, size = (spans[key].astype(np.float64) for key in ("begin", "end", "bytes"))
        last = np.maximum(end - latency, begin)
        first = np.maximum(last - size / max(peak, 1), begin)
        filled += _spread(first, np.maximum(last, first + 1), size, edges)
    room = widths * float(peak)
    for index in range(len(filled) - 1, 0, -1):
        over = max(filled[index] - room[index], 0.0)
        filled[index] -= over
        filled[index - 1] += over
    return filled / np.maximum(widths, 1)


def _spread(
    begin: NDArray[np.float64], end: NDArray[np.float64], amount: NDArray[np.float64], edges: Edges
) -> NDArray[np.float64]:
    """Amounts that flow evenly from `begin` to `end`, by bin."""
    rates = amount / (end - begin)
    points = np.concatenate([begin, end])
    order = np.argsort(points, kind="stable")
    slopes = np.cumsum(np.concatenate([rates, -rates])[order])
    points = points[order]
    if not len(points):
        return np.zeros(len(edges) - 1)
    total = np.concatenate([[0.0], np.cumsum(slopes[:-1] * np.diff(points))])
    return np.diff(np.interp(edges, points, total))
