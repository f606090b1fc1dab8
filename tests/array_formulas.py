# SPDX-License-Identifier: Apache-2.0
"""The array's cycles by closed formulas and recurrences, written down once more in Python.

Nothing is taken from the model. The formulas of operands always ready, and the recurrences of both
double-buffered dataflows behind a DMA channel, are those that were confirmed on RTL (docs/timing.md); the
ones without overlap follow from the same rules.
"""

import itertools

DATAFLOWS, OVERLAPS = ("ws", "os"), ("serial", "single", "double")
MODES = list(itertools.product(DATAFLOWS, OVERLAPS))
NO_FETCH = (0, 0, 2)


def ceil_divide(a, b):
    return -(-a // b)


def tiles_of(dataflow, rows, cols, M, N, K, tile_m):
    """The streamed slots of every tile: columns outermost, then tile_m, then K."""
    slots = []
    for _ in range(0, N, cols):
        for first in range(0, M, tile_m or (M if dataflow == "ws" else rows)):
            chunk = min(tile_m or (M if dataflow == "ws" else rows), M - first)
            if dataflow == "ws":
                slots += [chunk for _ in range(0, K, rows)]
            else:
                slots += [K for _ in range(0, chunk, rows)]
    return slots


FORMULAS = {
    ("ws", "serial"): lambda R, C, t: sum(2 * R + C + ti - 1 for ti in t),
    ("ws", "single"): lambda R, C, t: sum(R + ti for ti in t) + R + C - 1,
    ("ws", "double"): lambda R, C, t: R + sum(max(ti, R) for ti in t[:-1]) + t[-1] + R + C - 1,
    ("os", "serial"): lambda R, C, t: len(t) * (2 * R + C + t[0] - 1),
    ("os", "single"): lambda R, C, t: len(t) * (R + t[0]) + R + C - 1,
    ("os", "double"): lambda R, C, t: t[0] + (len(t) - 1) * max(t[0], R) + 2 * R + C - 1,
}


def arrivals(bandwidth, latency, depth, sizes, frees):
    """The cycle of each tile's last operand; frees grows while the caller goes on."""
    end = 0
    for i, size in enumerate(sizes):
        start = max(end, frees[i - depth] if i >= depth else 0)
        end = start + ceil_divide(size, bandwidth)
        yield end + latency


def ws_double_fetched(R, C, t, bandwidth, latency, depth):
    """load_{i+1} = max(win_i, arrival_{i+1}); win_{i+1} = max(win_i + t_i, load_{i+1} + R)"""
    frees = []
    arrival = arrivals(bandwidth, latency, depth, [R * C] * len(t), frees)
    load = next(arrival)
    win = load + R
    for previous in t[:-1]:
        frees.append(load + R)
        load = max(win, next(arrival))
        win = max(win + previous, load + R)
    return win + t[-1] + R + C - 1


def os_double_fetched(R, C, t, bandwidth, latency, depth):
    """x_i = max(win_i, arrival_i); win_{i+1} = max(x_i + K, win_i + R), no drain before the first"""
    frees, win, drained = [], 0, 0
    for K, arrival in zip(
        t, arrivals(bandwidth, latency, depth, [(R + C) * k for k in t], frees), strict=True
    ):
        x = max(win, arrival)
        win = max(x + K, drained)
        drained = win + R
        frees.append(x + K)
    return win + R + R + C - 1


def not_overlapped_fetched(dataflow, overlap, R, C, t, bandwidth, latency, depth):
    """Serial and single-buffered: a tile is in the array from its arrival, or from when it is free."""
    frees, free, last = [], 0, 0
    sizes = [R * C if dataflow == "ws" else (R + C) * slots for slots in t]
    for slots, arrival in zip(t, arrivals(bandwidth, latency, depth, sizes, frees), strict=True):
        enters = max(free, arrival)
        frees.append(enters + (R if dataflow == "ws" else slots))
        last = enters + R + slots + R + C - 1
        free = enters + R + slots if overlap == "single" else last
    return last


def expected(dataflow, overlap, R, C, M, N, K, tile_m, bandwidth, latency, depth):
    t = tiles_of(dataflow, R, C, M, N, K, tile_m)
    if not bandwidth:
        return FORMULAS[dataflow, overlap](R, C, t)
    if overlap == "double":
        fetched = ws_double_fetched if dataflow == "ws" else os_double_fetched
        return fetched(R, C, t, bandwidth, latency, depth)
    return not_overlapped_fetched(dataflow, overlap, R, C, t, bandwidth, latency, depth)
