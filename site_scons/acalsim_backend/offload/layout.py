# SPDX-License-Identifier: Apache-2.0
"""How the blocks of a product lie in the scratchpad and in the accumulator memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..alignment import aligned
from .operand import Image, Range
from .product import Product
from .tile import Tiling

Array = npt.NDArray[Any]


def pooled_range(product: Product, out: Range, axis: int) -> tuple[Range, int, int]:
    """The rows (axis 0) or columns (axis 1) of C that a range of the result needs.

    Behind them how many of the border come before them and after them.
    """
    if product.pool is None:
        return out, 0, 0
    size, stride, border = product.pool.size[axis], product.pool.stride, product.pool.padding[axis]
    first, end = out[0] * stride - border, (out[1] - 1) * stride - border + size
    limit = (product.rows, product.columns)[axis]
    return (max(0, first), min(limit, end)), max(0, -first), max(0, end - limit)


def pooled_size(product: Product, sizes: Array, axis: int) -> Array:
    if product.pool is None:
        return sizes
    limit = (product.rows, product.columns)[axis]
    needed: Array = np.minimum(limit, (sizes - 1) * product.pool.stride + product.pool.size[axis])
    return needed


@dataclass(frozen=True)
class ScratchpadLayout:
    """Where the scratchpad's and the accumulator memory's blocks begin; sizes in bytes."""

    vector_bytes: int
    a_bytes: int
    b_bytes: int
    residual_bytes: int
    c_bytes: int
    tiling: Tiling
    base: int = 0
    sums: int = 0
    """Where the blocks begin in the scratchpad and in the accumulator memory."""

    @property
    def scratchpad_bytes(self) -> int:
        return self.residual(0) + 2 * self.residual_bytes - self.base

    @property
    def accumulator_bytes(self) -> int:
        return self.tiling.c_slots * self.c_bytes

    def a(self, slot: int) -> int:
        return self.base + self.vector_bytes + slot * self.a_bytes

    def b(self, slot: int) -> int:
        return self.a(self.tiling.a_slots) + slot * self.b_bytes

    def residual(self, slot: int) -> int:
        return self.b(self.tiling.b_slots) + slot * self.residual_bytes

    def c(self, slot: int) -> int:
        return self.sums + slot * self.c_bytes


@dataclass(frozen=True)
class BlockBytes:
    """Of one block of each operand and of C, in bytes: numbers, or arrays of them."""

    a: Any
    b: Any
    c: Any
    residual: Any


def block_bytes(product: Product, batches: Any, m: Any, rows: Any, columns: Any, k: Any) -> BlockBytes:
    """The bytes of blocks of so many batches and m, of so many rows and columns of C, and of k."""
    b = product.b
    in_b = b.bytes(batches, rows, columns, k) if isinstance(b, Image) else b.bytes(batches, columns, k)
    c = 4 * batches * m * rows * columns
    residual = c // 4 * product.residual.item_bytes if product.residual else 0 * c
    return BlockBytes(product.a.bytes(batches, m, k), in_b, c, residual)


def layout(product: Product, tiling: Tiling, base: int = 0, sums: int = 0) -> ScratchpadLayout:
    rows, columns = (
        int(pooled_size(product, np.array(size), axis))
        for axis, size in ((0, tiling.rows), (1, tiling.columns))
    )
    of = block_bytes(product, tiling.batches, tiling.m, rows, columns, tiling.k)
    return ScratchpadLayout(
        vector_bytes(product), aligned(of.a), aligned(of.b), aligned(of.residual), of.c, tiling, base, sums
    )


def vector_bytes(product: Product) -> int:
    """Of scales and bias, all of which stay in the scratchpad."""
    count = product.batches * product.m if product.along == "rows" else product.columns
    return aligned(4 * count * ((product.bias is not None) + (product.scales is not None)))
