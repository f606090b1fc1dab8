# SPDX-License-Identifier: Apache-2.0
"""What a product reads and writes in RAM, and how a block of it lies in the scratchpad.

A product is C[batch, m, n] = sum over k of A[batch, m, k] B[batch, k, n], once for each image; n is
the output's rows and columns, k in a convolution the channels times the taps. Ranges are
(first, end). All sizes and strides are in elements, scratchpad strides in bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from ..ir.graph import FLOATING, ITEM_BYTES
from ..ir.strides import merged as strides_merged
from .command import Address, Command

Range = tuple[int, int]

DTYPES = (*FLOATING, "int8")
"""Of what a product reads and writes."""


def command_type(dtype: str) -> str:
    """What a command calls it."""
    return f"TYPE_{dtype.upper()}"


class Typed:
    """What has elements of one of the DTYPES."""

    dtype: str

    @property
    def item_bytes(self) -> int:
        return ITEM_BYTES[self.dtype]


def count(range: Range) -> int:
    return range[1] - range[0]


def merged(dims: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """(size, stride) of dimensions, outermost first, those in one stride merged."""
    real = [(size, (stride,)) for size, stride in dims if size != 1]
    if len(real) < 2:
        return [(size, stride) for size, (stride,) in real]
    sizes, strides = zip(*real, strict=True)
    return [(size, stride) for size, (stride,) in strides_merged(sizes, strides)]


@dataclass(frozen=True)
class Block:
    """One block of a product: of the output `image`, `batches`, `m`, `rows` and `columns`; of the sum `k`."""

    image: int
    batches: Range
    m: Range
    rows: Range
    columns: Range
    k: Range


@dataclass(frozen=True)
class Walk:
    """How a MATMUL finds the elements of an operand in the scratchpad, in bytes."""

    outer: int
    inner: int
    k_outer: int
    k_middle: int
    k_inner: int
    batch: int


@dataclass(frozen=True)
class Matrix(Typed):
    """Element [batch, line, k] of an operand: A's lines are m, B's are n. `packed` is the (lines, k) of the
    blocks in which a constant lies in RAM, each dense, one after the other."""

    storage: str
    offset: int
    batch_stride: int
    line_stride: int
    k_stride: int
    lines: int
    depth: int
    dtype: str = "float32"
    packed: tuple[int, int] | None = None
    is_constant: bool = False
    """Whether its order in RAM may be chosen."""
    home: int | None = None
    """The address in the scratchpad of its storage, where that stays there: it is read where it lies."""

    @property
    def repeats(self) -> bool:
        """Whether several elements of a block are one in memory."""
        along = ((self.lines, self.line_stride), (self.depth, self.k_stride))
        return any(size > 1 and not step for size, step in along)

    @cached_property
    def by_lines(self) -> bool:
        """Whether a line's elements are next to each other in a block."""
        return self.k_stride == 1 or (self.line_stride != 1 and self.depth > 1)

    def bytes(self, batches: int, lines: int, depth: int) -> int:
        """Of a block that is brought to the scratchpad."""
        return batches * lines * depth * (self.item_bytes if self.home is None else 0)

    def at_home(self, batches: Range, lines: Range, k: Range) -> int:
        """The address of a block of an operand that lies in the scratchpad."""
        assert self.home is not None
        return self.home + self.item_bytes * self._start(batches, lines, k)

    def load(self, batches: Range, lines: Range, k: Range, a: int) -> Command:
        """Brings a block to the scratchpad's address `a`."""
        if self.packed:
            start = self._packed_offset(lines, k)
            return _dense_load(self._at(start), [], count(lines) * count(k), a, self.item_bytes)
        start = self._start(batches, lines, k)
        along = [(count(lines), self.line_stride), (count(k), self.k_stride)]
        outer, inner = along if self.by_lines else reversed(along)
        dims = merged([(count(batches), self.batch_stride), outer, inner])
        if dims and dims[-1][1] == 1:
            return _dense_load(self._at(start), dims[:-1], dims[-1][0], a, self.item_bytes)
        return _dense_load(self._at(start), dims, 1, a, self.item_bytes)

    def may_load(self, batches: int, lines: int, depth: int) -> bool:
        """Whether one LOAD brings so much: planes of rows of adjacent elements."""
        if self.home is not None:
            return True
        along = [(lines, self.line_stride), (depth, self.k_stride)]
        outer, inner = along if self.by_lines else reversed(along)
        dims = merged([(batches, self.batch_stride), outer, inner])
        gaps = dims[:-1] if dims and dims[-1][1] == 1 else dims
        return len(gaps) <= 2 and all(size <= 0xFFFF for size, _ in gaps)

    def _start(self, batches: Range, lines: Range, k: Range) -> int:
        return (
            self.offset + batches[0] * self.batch_stride + lines[0] * self.line_stride + k[0] * self.k_stride
        )

    def _packed_offset(self, lines: Range, k: Range) -> int:
        return self.offset + lines[0] * self.depth + k[0] * count(lines)

    def _at(self, element: int) -> Address:
        return Address(self.storage, element * self.item_bytes)

    def walk(self, lines: int, depth: int) -> Walk:
        item = self.item_bytes
        if self.home is not None:
            return Walk(0, self.line_stride * item, 0, 0, self.k_stride * item, self.batch_stride * item)
        line, step = (depth * item, item) if self.by_lines else (item, lines * item)
        return Walk(0, line, 0, 0, step, lines * depth * item)


@dataclass(frozen=True)
class Image(Typed):
    """A convolution's input as its B: element [k = (channel, tap row, tap column), n = (row, column)]."""

    storage: str
    offset: int
    image_stride: int
    channel_stride: int
    row_stride: int
    rows: int
    columns: int
    channels: int
    """Of one batch; a batch's channels follow those of the one before."""
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int]
    dtype: str = "float32"
    home: int | None = None
    """The address in the scratchpad of its storage, where that stays there."""

    @property
    def repeats(self) -> bool:
        """Whether several elements of an image are one in memory."""
        along = ((self.channels, self.channel_stride), (self.rows, self.row_stride))
        return any(size > 1 and not step for size, step in along)

    @property
    def taps(self) -> int:
        return self.kernel[0] * self.kernel[1]

    @property
    def row_step(self) -> int:
        """Input rows from one scratchpad row to the next; windows of one row skip the rows between."""
        return self.stride[0] if self.kernel[0] == 1 else 1

    def height(self, rows: int) -> int:
        """Rows of the input tile that so many rows of the output need."""
        return (
            rows
            if self.kernel[0] == 1
            else (rows - 1) * self.stride[0] + (self.kernel[0] - 1) * self.dilation[0] + 1
        )

    def width(self, columns: int) -> int:
        return (columns - 1) * self.stride[1] + (self.kernel[1] - 1) * self.dilation[1] + 1

    def bytes(self, batches: int, rows: int, columns: int, depth: int) -> int:
        return batches * depth // self.taps * self.height(rows) * self.width(columns) * self.item_bytes

    def load(self, block: Block, a: int) -> Command:
        first, end = (each // self.taps for each in block.k)
        channel = block.batches[0] * self.channels + first
        planes = (count(block.batches) - 1) * self.channels + end - first
        top, high = block.rows[0] * self.stride[0] - self.padding[0], self.height(count(block.rows))
        above = min(high, max(0, -(top // self.row_step)))
        inside = max(0, min(high, -(-(self.rows - top) // self.row_step)) - above)
        left, wide = block.columns[0] * self.stride[1] - self.padding[1], self.width(count(block.columns))
        before = min(wide, max(0, -left))
        across = max(0, min(wide, self.columns - left) - before)
        if not inside or not across:
            inside = across = 0
        item, tile_row = self.item_bytes, wide * self.item_bytes
        start = (
            self.offset
            + block.image * self.image_stride
            + channel * self.channel_stride
            + max(0, top + above * self.row_step) * self.row_stride
            + max(0, left)
        )
        padding = {
            "pad_top": above if inside else 0,
            "pad_bottom": high - above - inside if inside else high,
            "pad_left": before * item if across else 0,
            "pad_right": (wide - before - across) * item if across else tile_row,
        }
        dims = merged([(planes, self.channel_stride), (inside, self.row_stride * self.row_step), (across, 1)])
        if not any(padding.values()) and len(dims) <= 1 and (not dims or dims[0][1] == 1):
            return _dense_load(Address(self.storage, start * item), [], planes * inside * across, a, item)
        fields = {
            "a": a,
            "planes": planes,
            "rows": inside,
            "row_bytes": across * item,
            "dram_plane_stride": self.channel_stride * item,
            "dram_row_stride": self.row_stride * self.row_step * item,
            "a_outer_stride": high * tile_row,
            "a_inner_stride": tile_row,
            **padding,
        }
        return Command("COMMAND_LOAD", fields, Address(self.storage, start * item))

    def whole(self, image: int, channels: Range, a: int) -> Command:
        """Brings whole channels to the scratchpad, dense, without a border."""
        start = self.offset + image * self.image_stride + channels[0] * self.channel_stride
        dims = merged(
            [(count(channels), self.channel_stride), (self.rows, self.row_stride), (self.columns, 1)]
        )
        run = dims.pop()[0] if dims and dims[-1][1] == 1 else 1
        return _dense_load(Address(self.storage, start * self.item_bytes), dims, run, a, self.item_bytes)

    def walk(self, rows: int, columns: int, depth: int) -> Walk:
        """n walks the output's columns, then its rows; k the taps' columns, their rows, then channels."""
        item = self.item_bytes
        row, step = self.width(columns) * item, self.stride[0] // self.row_step
        plane = self.height(rows) * row
        return Walk(
            step * row,
            self.stride[1] * item,
            plane,
            self.dilation[0] * row,
            self.dilation[1] * item,
            depth // self.taps * plane,
        )


@dataclass(frozen=True)
class Tile(Typed):
    """The result, or what is added to it: element [image, batch, m, row, column], columns adjacent."""

    storage: str
    offset: int
    image_stride: int
    batch_stride: int
    m_stride: int
    row_stride: int
    dtype: str = "float32"
    home: int | None = None
    """The address in the scratchpad of its storage, where that stays there."""

    def place(self, block: Block) -> tuple[Address, dict[str, int]]:
        """Where a block lies, and the fields of a LOAD or STORE that say so."""
        start = (
            self.offset
            + block.image * self.image_stride
            + block.batches[0] * self.batch_stride
            + block.m[0] * self.m_stride
            + block.rows[0] * self.row_stride
            + block.columns[0]
        )
        dims = merged([*self._dims(block), (count(block.columns), 1)])
        run = dims.pop()[0] if dims and dims[-1][1] == 1 else 1
        (planes, plane_stride), (rows, row_stride) = [*([(1, 0)] * (2 - len(dims))), *dims]
        item = self.item_bytes
        fields = {
            "planes": planes,
            "rows": rows,
            "row_bytes": run * item,
            "dram_plane_stride": plane_stride * item,
            "dram_row_stride": row_stride * item,
        }
        return Address(self.storage, start * item), fields

    def _dims(self, block: Block) -> list[tuple[int, int]]:
        return [
            (count(block.batches), self.batch_stride),
            (count(block.m), self.m_stride),
            (count(block.rows), self.row_stride),
        ]

    def may_place(self, batches: int, m: int, rows: int, columns: int) -> bool:
        """Whether one command moves such a block: planes of rows."""
        dims = merged(
            [*self._dims(Block(0, (0, batches), (0, m), (0, rows), (0, columns), (0, 1))), (columns, 1)]
        )
        gaps = dims[:-1] if dims and dims[-1][1] == 1 else dims
        return len(gaps) <= 2 and all(size <= 0xFFFF for size, _ in gaps)

    def load(self, block: Block, a: int) -> Command:
        """Brings a block to the scratchpad, dense."""
        address, fields = self.place(block)
        return Command("COMMAND_LOAD", {"a": a, **fields, **_dense(fields)}, address)


def _dense(fields: dict[str, int]) -> dict[str, int]:
    return {"a_outer_stride": fields["rows"] * fields["row_bytes"], "a_inner_stride": fields["row_bytes"]}


def residual_fields(tile: Tile, block: Block, a: int, item_bytes: int) -> dict[str, int]:
    """The fields of a STORE to `tile` whose residual lies dense at `a`, in elements of `item_bytes`."""
    fields = tile.place(block)[1]
    return {"a": a, **_dense({**fields, "row_bytes": fields["row_bytes"] // tile.item_bytes * item_bytes})}


def _dense_load(address: Address, gaps: list[tuple[int, int]], run: int, a: int, item: int) -> Command:
    """A LOAD of rows of `run` elements with up to two dimensions of gaps around, to a dense block."""
    (planes, plane_stride), (rows, row_stride) = [*([(1, 0)] * (2 - len(gaps))), *gaps]
    fields = {
        "planes": planes,
        "rows": rows,
        "row_bytes": run * item,
        "dram_plane_stride": plane_stride * item,
        "dram_row_stride": row_stride * item,
    }
    return Command("COMMAND_LOAD", {"a": a, **fields, **_dense(fields)}, address)
