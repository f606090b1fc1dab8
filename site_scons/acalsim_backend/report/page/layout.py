# SPDX-License-Identifier: Apache-2.0
"""A directed graph in, places of its nodes and lines of its edges out: in layers from top to bottom.

After Sugiyama: every node below those that it needs, edges through the layers between, crossings lessened by ordering
each layer by the middle of its neighbours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

SWEEPS = 6

Edge = tuple[int, int]
Point = tuple[float, float]


@dataclass(frozen=True)
class Sizes:
    """In pixels; an edge on its way through a layer takes `lane`."""

    width: int = 214
    height: int = 40
    lane: int = 16
    gap: int = 18
    layer_gap: int = 26


@dataclass(frozen=True)
class Layout:
    """`places` are the upper left corners of the nodes, `lines` the points of each edge."""

    width: float
    height: float
    places: tuple[Point, ...]
    lines: tuple[tuple[Point, ...], ...]


def lay_out(count: int, edges: Sequence[Edge], sizes: Sizes) -> Layout:
    """Of the nodes 0 to count - 1, whose order every edge follows."""
    layers = _layers(count, edges)
    chains, rows = _with_lanes(count, edges, layers)
    links = list({pair: None for chain in chains for pair in pairwise(chain)})
    _order(rows, links)
    middles = _middles(rows, links, lambda node: sizes.width if node < count else sizes.lane, sizes.gap)
    layer_of = {node: index for index, row in enumerate(rows) for node in row}
    step = sizes.height + sizes.layer_gap

    def points(chain: Sequence[int]) -> Iterable[Point]:
        for node in chain:
            top = layer_of[node] * step
            if node != chain[0]:
                yield middles[node], top
            if node != chain[-1]:
                yield middles[node], top + sizes.height

    return Layout(
        width=max((middles[node] for node in range(count)), default=0) + sizes.width / 2,
        height=len(rows) * step - sizes.layer_gap if rows else 0,
        places=tuple((middles[node] - sizes.width / 2, layer_of[node] * step) for node in range(count)),
        lines=tuple(tuple(points(chain)) for chain in chains),
    )


def _layers(count: int, edges: Sequence[Edge]) -> list[int]:
    """The longest way to each node; one that needs none stands right above the first that needs it."""
    layers = [0] * count
    for source, target in sorted(edges, key=lambda edge: edge[1]):
        layers[target] = max(layers[target], layers[source] + 1)
    needing = {target for _, target in edges}
    for node in set(range(count)) - needing:
        layers[node] = min((layers[target] - 1 for source, target in edges if source == node), default=0)
    return layers


def _with_lanes(
    count: int, edges: Sequence[Edge], layers: Sequence[int]
) -> tuple[list[list[int]], list[list[int]]]:
    """Each edge as a chain with a lane in every layer that it passes, and the nodes and lanes of each layer.

    Edges of one source share their lanes.
    """
    rows: list[list[int]] = [[] for _ in range(max(layers, default=-1) + 1)]
    for node, layer in enumerate(layers):
        rows[layer].append(node)
    lanes: dict[Edge, int] = {}
    chains = []
    for source, target in edges:
        passed = range(layers[source] + 1, layers[target])
        for layer in passed:
            if (source, layer) not in lanes:
                lanes[source, layer] = count + len(lanes)
                rows[layer].append(lanes[source, layer])
        chains.append([source, *(lanes[source, layer] for layer in passed), target])
    return chains, rows


def _neighbours(links: Iterable[Edge]) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    above: dict[int, list[int]] = defaultdict(list)
    below: dict[int, list[int]] = defaultdict(list)
    for upper, lower in links:
        above[lower].append(upper)
        below[upper].append(lower)
    return above, below


def _order(rows: list[list[int]], links: Sequence[Edge]) -> None:
    """Sorts each layer by the mean place of its neighbours, downwards and upwards in turn."""
    above, below = _neighbours(links)
    for sweep in range(SWEEPS):
        neighbours, order = (above, rows) if sweep % 2 == 0 else (below, rows[::-1])
        place = {node: index / max(len(row), 1) for row in rows for index, node in enumerate(row)}
        for row in order:
            row.sort(key=lambda node: _mean([place[each] for each in neighbours[node]], place[node]))
            place |= {node: index / len(row) for index, node in enumerate(row)}


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _middles(
    rows: Sequence[Sequence[int]], links: Sequence[Edge], width_of: Callable[[int], int], gap: int
) -> dict[int, float]:
    """Where each node's middle is across: near its neighbours', in its layer's order, not over another."""
    above, below = _neighbours(links)
    middles: dict[int, float] = dict.fromkeys((node for row in rows for node in row), 0.0)
    for sweep in range(SWEEPS + 1):
        neighbours, order = (above, rows) if sweep % 2 == 0 else (below, rows[::-1])
        for row in order:
            wanted = [_mean([middles[each] for each in neighbours[node]], middles[node]) for node in row]
            widths = [width_of(node) + gap for node in row]
            for node, middle in zip(row, _apart(wanted, widths), strict=True):
                middles[node] = middle
    left = min((middle - width_of(node) / 2 for node, middle in middles.items()), default=0.0)
    return {node: middle - left for node, middle in middles.items()}


def _apart(wanted: Sequence[float], widths: Sequence[int]) -> list[float]:
    """The middles of boxes of these widths that are as near as can be to the wanted ones without overlapping.

    Boxes that would overlap form a block, which lies where the mean of what its boxes want is.
    """
    blocks: list[tuple[list[int], float]] = []  # boxes, and the middle of the first
    for index, middle in enumerate(wanted):
        boxes, first = [index], middle
        while blocks and blocks[-1][1] + _reach(blocks[-1][0], widths) + widths[boxes[0]] / 2 > first:
            boxes = [*blocks.pop()[0], *boxes]
            offsets = _offsets(boxes, widths)
            first = sum(wanted[box] - offset for box, offset in zip(boxes, offsets, strict=True)) / len(boxes)
        blocks.append((boxes, first))
    return [first + offset for boxes, first in blocks for offset in _offsets(boxes, widths)]


def _offsets(boxes: Sequence[int], widths: Sequence[int]) -> list[float]:
    """How far each box's middle is from the first one's."""
    offsets = [0.0]
    for left, right in pairwise(boxes):
        offsets.append(offsets[-1] + (widths[left] + widths[right]) / 2)
    return offsets


def _reach(boxes: Sequence[int], widths: Sequence[int]) -> float:
    """From the first box's middle to the block's right end."""
    return _offsets(boxes, widths)[-1] + widths[boxes[-1]] / 2
