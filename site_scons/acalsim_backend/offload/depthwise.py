# SPDX-License-Identifier: Apache-2.0
"""Depthwise convolutions on the vector unit: each plane's windows are summed with that plane's own weights.

On the array such a product keeps one column busy. Here its planes are read and written where they lie, if that is
in the scratchpad, and else in tiles of planes; border, scale, bias and bounds are the command's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..alignment import aligned
from .command import Address, Command
from .operand import Image, Range, Tile, command_type, count
from .product import LARGEST_SIZE, Product

FLOAT_BYTES = 4
LARGEST_EXACT_TAPS = 1024
"""Products of int8 that a float32 sums up exactly."""
TILES = 4
"""In which planes are cut, so that what is before and behind them is done at the same time."""


@dataclass(frozen=True)
class Layout:
    """Of the scratchpad: a row of weights, scale and bias for each plane, then slots of so many `planes`."""

    planes: int
    slots: int
    row_bytes: int
    weight_bytes: int
    """Of all rows."""
    raw_bytes: int
    """Of weights that are int8 or of a half type, which become floats."""
    in_bytes: int
    out_bytes: int
    """Of the planes in a slot, before and after; 0 where they lie in the scratchpad anyway."""

    @property
    def slot_bytes(self) -> int:
        return aligned(self.in_bytes) + aligned(self.out_bytes)

    @property
    def fixed_bytes(self) -> int:
        return aligned(self.weight_bytes) + aligned(self.raw_bytes)

    @property
    def bytes(self) -> int:
        return self.fixed_bytes + self.slots * self.slot_bytes


def is_depthwise(product: Product) -> bool:
    """Whether a POOL computes it, with all that follows."""
    image, last = product.b, product.last
    return (
        isinstance(image, Image)
        and image.channels == 1
        and product.m == 1
        and product.batches > 1
        and image.stride[0] == image.stride[1]
        and image.dilation == (1, 1)
        and image.padding[0] < image.kernel[0]
        and image.padding[1] < image.kernel[1]
        and image.taps <= LARGEST_EXACT_TAPS
        and len(product.results) == 1
        and product.residual is None
        and product.pool is None
        and not last.function
        and product.along in ("", "rows")
        and max(image.rows, image.columns, *product.out) <= LARGEST_SIZE
    )


def depthwise(
    product: Product, base: int, size: int, share: tuple[int, int] = (0, 1)
) -> tuple[list[Command], int] | None:
    """The list, and the bytes of the scratchpad from `base` on that it takes; None where no plane fits `size`.

    `share` is (i, n) for the i-th of n equal shares of the tiles.
    """
    planes = -(-product.batches // TILES)
    while (layout := _layout(product, planes)).bytes > size:
        if planes == 1:
            return None
        planes = -(-planes // 2)
    tiles = [
        (image, (first, min(first + planes, product.batches)))
        for image in range(product.images)
        for first in range(0, product.batches, planes)
    ]
    number, parts = share
    mine = tiles[-(-len(tiles) * number // parts) : -(-len(tiles) * (number + 1) // parts)]
    if not mine:
        return [], 0
    found = list(_weights(product, layout, base))
    for turn, (image, of) in enumerate(mine):
        slot = base + layout.fixed_bytes + turn % layout.slots * layout.slot_bytes
        found += _tile(product, layout, image, of, base, slot)
    return found, layout.bytes


def _layout(product: Product, planes: int) -> Layout:
    image, tile = _image(product), product.results[0].tile
    row_bytes = FLOAT_BYTES * (image.taps + (product.scales is not None) + (product.bias is not None))
    return Layout(
        planes,
        1 if planes == product.batches and product.images == 1 else 2,
        row_bytes,
        product.batches * row_bytes,
        product.batches * image.taps * product.a.item_bytes if product.a.item_bytes < FLOAT_BYTES else 0,
        planes * image.rows * image.columns * image.item_bytes if image.home is None else 0,
        planes * product.rows * product.columns * tile.item_bytes if tile.home is None else 0,
    )


def _image(product: Product) -> Image:
    assert isinstance(product.b, Image)
    return product.b


def _tile(
    product: Product, layout: Layout, image: int, of: Range, weights: int, slot: int
) -> Iterator[Command]:
    b, tile = _image(product), product.results[0].tile
    outputs = slot + aligned(layout.in_bytes)
    if b.home is None:
        source = (slot, b.rows * b.columns * b.item_bytes, b.columns * b.item_bytes)
        yield b.whole(image, of, slot)
    else:
        start = b.offset + image * b.image_stride + of[0] * b.channel_stride
        source = (b.home + start * b.item_bytes, b.channel_stride * b.item_bytes, b.row_stride * b.item_bytes)
    target = _target(tile, product, image, of, outputs)
    yield _window(product, layout, of, source, weights + of[0] * layout.row_bytes, target)
    if tile.home is None:
        yield _save(tile, product, image, of, outputs)


def _weights(product: Product, layout: Layout, base: int) -> Iterator[Command]:
    """A row of each plane: its weights, then its scale, then its bias."""
    taps, a = _image(product).taps, product.a
    raw = base + aligned(layout.weight_bytes)

    def load(target: int, stride: int, run: int, step: int, source: Address) -> Command:
        fields = {"a": target, "planes": 1, "rows": product.batches, "row_bytes": run}
        return Command("COMMAND_LOAD", {**fields, "dram_row_stride": step, "a_inner_stride": stride}, source)

    item = a.item_bytes
    target, stride = (raw, taps * item) if layout.raw_bytes else (base, layout.row_bytes)
    yield load(target, stride, taps * item, a.batch_stride * item, Address(a.storage, a.offset * item))
    vectors = [each for each in (product.scales, product.bias) if each]
    for place, (storage, offset) in enumerate(vectors, taps):
        source = Address(storage, FLOAT_BYTES * offset)
        yield load(base + FLOAT_BYTES * place, layout.row_bytes, FLOAT_BYTES, FLOAT_BYTES, source)
    if layout.raw_bytes:
        yield Command(
            "COMMAND_VECTOR",
            {
                "planes": 1,
                "rows": 1,
                "m": product.batches,
                "n": taps,
                "a": raw,
                "c": base,
                "a_k_outer_stride": taps * item,
                "a_k_inner_stride": item,
                "c_row_stride": layout.row_bytes,
            },
            types=(command_type(a.dtype), command_type(a.dtype), "TYPE_FLOAT32"),
            function="FUNCTION_COPY",
        )


def _target(tile: Tile, product: Product, image: int, of: Range, slot: int) -> tuple[int, int, int]:
    """The address of a tile's results, and the bytes from plane to plane and from row to row."""
    item = tile.item_bytes
    if tile.home is None:
        return slot, product.rows * product.columns * item, product.columns * item
    start = tile.offset + image * tile.image_stride + of[0] * tile.batch_stride
    return tile.home + start * item, tile.batch_stride * item, tile.row_stride * item


def _window(
    product: Product,
    layout: Layout,
    of: Range,
    source: tuple[int, int, int],
    weights: int,
    target: tuple[int, int, int],
) -> Command:
    image, last = _image(product), product.last
    needed = [
        (size - 1) * step + window - whole - before
        for size, step, window, whole, before in zip(
            (product.rows, product.columns),
            image.stride,
            image.kernel,
            (image.rows, image.columns),
            image.padding,
            strict=True,
        )
    ]
    behind = [max(0, each) for each in needed]
    fields = {
        "planes": count(of),
        "m": image.rows,
        "n": image.columns,
        "a": source[0],
        "a_outer_stride": source[1],
        "a_inner_stride": source[2],
        "b": weights,
        "b_outer_stride": layout.row_bytes,
        "c": target[0],
        "dram_plane_stride": target[1],
        "c_row_stride": target[2],
        "k_middle": image.kernel[0],
        "k_inner": image.kernel[1],
        "pool_stride": image.stride[0],
        "pad_top": image.padding[0],
        "pad_left": image.padding[1],
        "pad_bottom": behind[0],
        "pad_right": behind[1],
        **last.fields(),
    }
    kept = {"FLAG_SCALE", "FLAG_RELU", "FLAG_CLAMP"}
    flags = [flag for flag in last.flags(False) if flag in kept]
    flags += ["FLAG_GAMMA"] if product.scales else []
    flags += ["FLAG_BETA"] if product.bias else []
    result = command_type(product.results[0].tile.dtype)
    flags += ["FLAG_ROUND"] if result == "TYPE_INT8" else []
    return Command(
        "COMMAND_POOL",
        fields,
        flags=tuple(flags),
        types=(command_type(image.dtype), "TYPE_FLOAT32", result),
        function="FUNCTION_WEIGHTED",
    )


def _save(tile: Tile, product: Product, image: int, of: Range, slot: int) -> Command:
    item = tile.item_bytes
    row, planes = product.columns * item, count(of)
    start = tile.offset + image * tile.image_stride + of[0] * tile.batch_stride
    return Command(
        "COMMAND_SAVE",
        {
            "a": slot,
            "a_outer_stride": product.rows * row,
            "a_inner_stride": row,
            "planes": planes,
            "rows": product.rows,
            "row_bytes": row,
            "dram_plane_stride": tile.batch_stride * item,
            "dram_row_stride": tile.row_stride * item,
        },
        Address(tile.storage, start * item),
    )


def part(product: Product, batches: Range) -> Product:
    """The product of some of its batches."""
    first, b = batches[0], _image(product)

    def behind(vector: tuple[str, int] | None) -> tuple[str, int] | None:
        return vector and (vector[0], vector[1] + first * product.m)

    def moved(tile: Tile) -> Tile:
        return replace(tile, offset=tile.offset + first * tile.batch_stride)

    offset = product.a.offset + first * product.a.batch_stride
    return replace(
        product,
        batches=count(batches),
        a=replace(product.a, offset=offset, is_constant=False),
        b=replace(b, offset=b.offset + first * b.channels * b.channel_stride),
        results=tuple(replace(each, tile=moved(each.tile)) for each in product.results),
        scales=behind(product.scales),
        bias=behind(product.bias),
    )
