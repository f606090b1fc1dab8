# SPDX-License-Identifier: Apache-2.0
"""Cycles of float32 products on a CPU with vectors, counted as conv_vector.h and matmul_vector.h cut them.

A vector instruction keeps the unit for as long as its elements need to go through the datapath; the loads of
scalar factors go on while the last of them does (sim/qemu/cost.c). What else a tile, a step and a row of
sums take was fitted to simulated programs of clang 16 with 256-bit vectors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..machine.machine import Cpu
from .scalar import blocks
from .shapes import Grid, Matmul

LONGEST_IMMEDIATE = 31
"""A longer vector's length is in a register, and the cost model takes it for the longest there is."""
CONV_STEP, CONV_SUMS = 12, 17
MATMUL_TILE, MATMUL_ROUND = 91, 5
DOT_TILE, DOT_ROUND, DOT_SUM = 15, 6, 11
DOTS = 4


@dataclass(frozen=True)
class Vectors:
    """The vector unit of a CPU; lengths in float32."""

    cpu: Cpu

    @property
    def lanes(self) -> int:
        return self.cpu.vlen // 32

    @property
    def most(self) -> int:
        return 8 * self.lanes

    def group(self, elements: int) -> int:
        """How many registers are grouped for a vector of so many elements."""
        return next((group for group in (1, 2, 4) if elements <= group * self.lanes), 8)

    def sums(self, elements: int) -> int:
        """The most sums of so many elements in a tile."""
        return {8: 3, 4: 6}.get(self.group(elements), 8)

    def length(self, elements: int) -> int:
        return elements if elements <= LONGEST_IMMEDIATE else self.group(elements) * self.lanes

    def pass_cycles(self, elements: int) -> int:
        """Of one instruction on so many elements."""
        return max(1, -(-self.length(elements) * 32 // self.cpu.vector_bits))

    def step(self, sums: int, elements: int, is_strided: bool) -> int:
        """Of the product of `sums` scalars with a vector that is loaded; strided, an element a cycle."""
        each, latency = self.pass_cycles(elements), self.cpu.latency["vector"]
        load = self.length(elements) if is_strided else each
        wait = latency - 1 if is_strided else max(0, latency - load)
        return load + wait + sums * each + max(0, sums - (each - 1))


def conv_cycles(grid: Grid, cpu: Cpu) -> float:
    unit, total = Vectors(cpu), 0.0
    for count, columns in blocks(grid.columns, unit.most):
        for number, sums in blocks(grid.channels_out, unit.sums(columns)):
            step = grid.taps * unit.step(sums, columns, grid.stride > 1)
            rounds = 0.25 if grid.taps == 1 and grid.channels_in % 4 == 0 else 1
            tile = grid.channels_in * (step + rounds * CONV_STEP) + sums * CONV_SUMS
            total += count * number * grid.rows * tile
    return total


def matmul_cycles(product: Matmul, cpu: Cpu) -> float:
    unit, lines = Vectors(cpu), product.is_transposed
    if product.k >= 4 * unit.lanes and (product.n == 1 or lines and product.m < DOTS):
        return product.batches * product.m * _dots(product, unit)
    total = 0.0
    for count, rows, columns, vectors in _matmul_tiles(product, unit):
        each = unit.pass_cycles(columns)
        step = unit.step(rows, columns, lines)
        if vectors > 1:
            step = vectors * (each + (unit.length(columns) if lines else each))
        total += count * (MATMUL_TILE + product.k * step + product.k // 4 * MATMUL_ROUND)
    return product.batches * total


def _matmul_tiles(product: Matmul, unit: Vectors) -> Iterator[tuple[int, int, int, int]]:
    """(how many, rows, columns, vectors in a row) of a product's tiles."""
    lanes = unit.most // 2 if product.is_transposed and product.m > 1 else unit.most
    whole, rest = divmod(product.n, lanes)
    if product.m == 1:
        yield from ((count, 1, lanes, vectors) for count, vectors in blocks(whole, unit.sums(unit.most)))
    for count, columns in ((whole if product.m > 1 else 0, lanes), (1, rest)):
        if count and columns:
            for number, rows in blocks(product.m, unit.sums(columns)):
                yield count * number, rows, columns, 1


def _dots(product: Matmul, unit: Vectors) -> float:
    """Of one row by vectors along k."""
    length = 4 * unit.lanes
    each, steps = unit.pass_cycles(length), -(-product.k // length)
    total = 0.0
    for count, columns in blocks(product.n, DOTS):
        step = each + unit.cpu.latency["vector"] - 1 + columns * 2 * each + DOT_ROUND
        total += count * (DOT_TILE + steps * step + columns * DOT_SUM)
    return total
