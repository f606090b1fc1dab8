# SPDX-License-Identifier: Apache-2.0
"""Cycles of products on a scalar CPU, counted as kernels/conv.h, matmul.h and int8.h cut them into tiles.

A tile loads its factors, each a cycle, and multiplies them, each a cycle, but no faster than a sum can take
the next product. What else a tile, a round of its loop and a result take was fitted to simulated programs of
gcc 12 with the default latencies. Where gcc spills registers, a product takes up to twice as long.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .shapes import Grid, Matmul

Latency = Mapping[str, int]
CONV_ROUND, CONV_RESULT, CONV_SPILLED = 4.4, 3.65, 12
DEPTH_TILE, DEPTH_GRID, DEPTH_TAPS = 22.5, 53, 9
MATMUL_TILE, MATMUL_ROUND, MATMUL_RESULT = 22, 3.5, 3.2
COLUMNS = {1: 16, 2: 10, 3: 7, 4: 6}
"""Of a matmul's tile, by its rows."""
INT8_PIXELS = 8
INT8_TILES = {(4, 4): 79.6, (4, 1): 19.4, (1, 4): 23, (1, 1): 10}
"""Cycles of one step of k, by rows and columns of a tile."""
INT8_VECTOR_TILES = {(4, 4): 10.9, (4, 1): 1.4, (1, 4): 5.7, (1, 1): 1.6}
"""The same where clang makes vectors along k."""
INT8_TILE, INT8_VECTOR_RESULT = 33, 30
HALF_TILES = {
    ("bfloat16", False): {(4, 4): 55, (4, 1): 21.5, (1, 4): 21.5, (1, 1): 9.4},
    ("bfloat16", True): {(4, 4): 64.5, (4, 1): 36.5, (1, 4): 36, (1, 1): 15.3},
    ("float16", False): {(4, 4): 100.5, (4, 1): 60.5, (1, 4): 59, (1, 1): 26},
    ("float16", True): {(4, 4): 187.5, (4, 1): 62, (1, 4): 62, (1, 1): 25},
}
"""Of half types; and where the program is compiled for a CPU with vectors, which it does not use here."""
HALF_TAPS = {
    ("bfloat16", False): 3.5,
    ("bfloat16", True): 4.4,
    ("float16", False): 14.9,
    ("float16", True): 14,
}
"""Of a convolution's multiply-accumulate."""
INT8_FULL, INT8_REST, INT8_NARROW = 36.9, (20.3, 5.9), (2.8, 4.15)
"""Of a tap of eight neighbours; (fixed, each) of fewer behind eight, and of rows that are shorter."""
INT8_RESULT = 6


def blocks(size: int, most: int) -> Iterator[tuple[int, int]]:
    """(how many, of what size) when `size` is cut in pieces of `most` and a rest."""
    whole, rest = divmod(size, most)
    yield from ((count, each) for count, each in ((whole, most), (1, rest)) if count and each)


def matmul_cycles(product: Matmul, latency: Latency) -> float:
    total = 0.0
    for row_count, rows in blocks(product.m, 4):
        unrolled = 8 if rows == 1 and product.k % 8 == 0 else 4
        for count, columns in blocks(product.n, COLUMNS[rows]):
            step = max(rows + columns + rows * columns, latency["f32_multiply"])
            tile = MATMUL_TILE + product.k * step + product.k // unrolled * MATMUL_ROUND
            total += row_count * count * (tile + rows * columns * MATMUL_RESULT)
    return product.batches * total


def conv_cycles(grid: Grid, latency: Latency) -> float:
    if grid.channels_in == grid.channels_out == 1 and grid.taps <= DEPTH_TAPS:
        return _depth_cycles(grid)
    total = grid.channels_out * grid.rows * grid.columns * CONV_RESULT
    for count, channels, rows, columns in _conv_tiles(grid):
        total += count * grid.channels_in * _conv_step(grid, channels, rows, columns, latency)
    return total


def _conv_step(grid: Grid, channels: int, rows: int, columns: int, latency: Latency) -> float:
    """Of one input channel in a tile. Neighbouring taps of stride 1 share what they load."""
    loaded = columns * grid.tap_columns
    if grid.stride == 1:
        loaded = min(loaded, columns - 1 + grid.tap_columns)
    points, taps = rows * columns, grid.taps
    issued = taps * channels * (1 + points) + grid.tap_rows * rows * loaded
    is_unrolled = taps == 1 and grid.channels_in % 4 == 0
    rounds = 0.25 if is_unrolled else 1 if taps <= DEPTH_TAPS else grid.tap_rows
    spilled = CONV_SPILLED if is_unrolled and channels * points == 24 else 0
    return max(issued, taps * latency["f32_multiply"]) + spilled + rounds * CONV_ROUND


def _conv_tiles(grid: Grid) -> Iterator[tuple[int, int, int, int]]:
    """(how many, channels, rows, columns) of the tiles of a grid."""
    points = 5 if grid.tap_columns > 1 else 6
    whole, rest = divmod(grid.columns, points)
    shapes = [(whole * grid.rows, 1, points)]
    if rest:
        high = points // rest
        shapes += [(grid.rows // high, high, rest), (1, grid.rows % high, rest)]
    for count, rows, columns in shapes:
        if count and rows:
            for number, channels in blocks(grid.channels_out, 4 if rows * columns >= 5 else 5):
                yield count * number, channels, rows, columns


def _depth_cycles(grid: Grid) -> float:
    """One channel in and out: the taps stay in registers."""
    total, tiles = float(DEPTH_GRID), -(-grid.columns // 4)
    for row_count, rows in blocks(grid.rows, 3):
        for count, columns in (
            (grid.columns % tiles, grid.columns // tiles + 1),
            (tiles - grid.columns % tiles, grid.columns // tiles),
        ):
            high, wide = (
                (n - 1) * grid.stride + k for n, k in ((rows, grid.tap_rows), (columns, grid.tap_columns))
            )
            total += row_count * count * (high * wide + rows * columns * grid.taps + DEPTH_TILE)
    return total


def matmul_i8_cycles(product: Matmul, has_vectors: bool) -> float:
    total = 0.0
    for row_count, rows in ((product.m // 4, 4), (product.m % 4, 1)):
        for count, columns in ((product.n // 4, 4), (product.n % 4, 1)):
            tile = INT8_TILE + product.k * INT8_TILES[rows, columns]
            if has_vectors:
                tile = product.k * INT8_VECTOR_TILES[rows, columns] + rows * columns * INT8_VECTOR_RESULT
            total += row_count * count * tile
    return product.batches * total


def matmul_half_cycles(product: Matmul, half: str, has_vectors: bool) -> float:
    tiles, total = HALF_TILES[half, has_vectors], 0.0
    for row_count, rows in ((product.m // 4, 4), (product.m % 4, 1)):
        for count, columns in ((product.n // 4, 4), (product.n % 4, 1)):
            total += row_count * count * (INT8_TILE + product.k * tiles[rows, columns])
    return product.batches * total


def conv_half_cycles(grid: Grid, half: str, has_vectors: bool) -> float:
    taps = grid.channels_out * grid.rows * grid.columns * grid.channels_in * grid.taps
    return taps * HALF_TAPS[half, has_vectors]


def conv_i8_cycles(grid: Grid) -> float:
    whole, rest = divmod(grid.columns, INT8_PIXELS)
    fixed, each = INT8_REST if whole else INT8_NARROW
    tap = whole * INT8_FULL + (fixed + each * rest if rest else 0)
    steps = grid.channels_in * grid.taps
    return grid.channels_out * grid.rows * (steps * tap + grid.columns * INT8_RESULT)
