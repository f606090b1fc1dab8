# SPDX-License-Identifier: Apache-2.0
"""The command list of one product in one tiling."""

from __future__ import annotations

from collections.abc import Iterator

from .command import Address, Command
from .layout import ScratchpadLayout, layout, pooled_range
from .operand import Block, Image, Matrix, Walk, command_type, count, residual_fields
from .product import Product, Result
from .tile import Tiling
from .tiling import blocks_of


class Slots:
    """Blocks of one operand in the scratchpad, each in the slot that was filled longest ago."""

    def __init__(self, slots: int):
        self.held: list[tuple[object, ...] | None] = [None] * slots
        self.next = 0

    def place(self, key: tuple[object, ...]) -> tuple[int, bool]:
        """The slot of a block, and whether it has to be loaded."""
        if key in self.held:
            return self.held.index(key), False
        slot, self.next = self.next, (self.next + 1) % len(self.held)
        self.held[slot] = key
        return slot, True


class _Program:
    def __init__(self, product: Product, tiling: Tiling, part: tuple[int, int], base: int, sums: int):
        self.product, self.tiling = product, tiling
        blocks, (number, parts) = list(self._all_blocks()), part
        self.blocks = blocks[-(-len(blocks) * number // parts) : -(-len(blocks) * (number + 1) // parts)]
        self.layout: ScratchpadLayout = layout(product, tiling, base, sums)
        self.a, self.b = Slots(tiling.a_slots), Slots(tiling.b_slots)
        self.commands: list[Command] = []
        self.turn = 0

    def write(self) -> list[Command]:
        if self.blocks:
            self._load_vectors()
        for block in self.blocks:
            self._block(block)
        return self.commands

    def _load_vectors(self) -> None:
        """Scales and bias, all at once; where there are both, those of a block are next to each other."""
        product = self.product
        vectors = [each for each in (product.scales, product.bias) if each]
        count = product.batches * product.m if product.along == "rows" else product.columns
        ranges = (
            list(dict.fromkeys(map(self._vector_range, self.blocks))) if len(vectors) > 1 else [(0, count)]
        )
        for first, end in ranges if vectors else ():
            for number, (storage, offset) in enumerate(vectors):
                fields = {
                    "a": self._vector_place(first) + 4 * number * (end - first),
                    "rows": 1,
                    "row_bytes": 4 * (end - first),
                }
                self.commands.append(Command("COMMAND_LOAD", fields, Address(storage, 4 * (offset + first))))

    def _vector_range(self, block: Block) -> tuple[int, int]:
        """Which numbers of a vector belong to a block."""
        if self.product.along == "columns":
            return block.columns
        first = block.batches[0] * self.product.m + block.m[0]
        return first, first + count(block.batches) * count(block.m)

    def _vector_place(self, first: int) -> int:
        return self.layout.base + 4 * first * (
            (self.product.scales is not None) + (self.product.bias is not None)
        )

    def _all_blocks(self) -> Iterator[Block]:
        """Blocks of the result, in order."""
        product, tiling = self.product, self.tiling
        ms = list(blocks_of(product.m, tiling.m))
        ns = [
            (rows, columns)
            for rows in blocks_of(product.out[0], tiling.rows)
            for columns in blocks_of(product.out[1], tiling.columns)
        ]
        for image in range(product.images):
            for batches in blocks_of(product.batches, tiling.batches):
                pairs = (
                    [(m, n) for m in ms for n in ns]
                    if tiling.order == "m"
                    else [(m, n) for n in ns for m in ms]
                )
                for m, (rows, columns) in pairs:
                    yield Block(image, batches, m, rows, columns, (0, product.k))

    def _block(self, out: Block) -> None:
        product, tiling = self.product, self.tiling
        (rows, above, below), (columns, left, right) = (
            pooled_range(product, each, axis) for axis, each in enumerate((out.rows, out.columns))
        )
        c_slot = self.turn % tiling.c_slots
        for k in blocks_of(product.k, tiling.k):
            self._sum(Block(out.image, out.batches, out.m, rows, columns, k), self.layout.c(c_slot))
        residual = self.layout.residual(self.turn % 2)
        if product.residual:
            self.commands.append(product.residual.load(out, residual))
        self.turn += 1
        for result in product.results:
            border = {"pad_top": above, "pad_bottom": below, "pad_left": left, "pad_right": right}
            self._store(
                result,
                out,
                Block(out.image, out.batches, out.m, rows, columns, (0, product.k)),
                self.layout.c(c_slot),
                residual,
                border,
            )

    def _sum(self, block: Block, c: int) -> None:
        """C's block = or += one piece of the sum."""
        product = self.product
        batches, m, n = count(block.batches), count(block.m), count(block.rows) * count(block.columns)
        a = self._load_a(block)
        b = self._load_b(block)
        walk_a = product.a.walk(m, count(block.k))
        walk_b = self._b_walk(block)
        taps = {}
        if isinstance(product.b, Image):
            taps = {
                "n_inner": count(block.columns),
                "k_inner": product.b.kernel[1],
                "k_middle": product.b.kernel[0],
            }
        for batch in range(batches):
            fields = {
                "m": m,
                "n": n,
                "k": count(block.k),
                **taps,
                "a": a + batch * walk_a.batch,
                "b": b + batch * walk_b.batch,
                "c": c + batch * m * n * 4,
                "c_row_stride": 4 * n,
                "a_inner_stride": walk_a.inner,
                **self._a_k_strides(walk_a),
                "b_outer_stride": walk_b.outer,
                "b_inner_stride": walk_b.inner,
                "b_k_outer_stride": walk_b.k_outer,
                "b_k_middle_stride": walk_b.k_middle,
                "b_k_inner_stride": walk_b.k_inner,
            }
            flags = ("FLAG_ACCUMULATE",) if block.k[0] else ()
            self.commands.append(
                Command(
                    "COMMAND_MATMUL",
                    fields,
                    type=f"TYPE_{product.type.upper()}",
                    flags=flags,
                )
            )

    def _a_k_strides(self, walk: Walk) -> dict[str, int]:
        """A is a matrix; where k has levels, they are in one stride."""
        if not isinstance(self.product.b, Image):
            return {"a_k_inner_stride": walk.k_inner}
        rows, columns = self.product.b.kernel
        return {
            "a_k_inner_stride": walk.k_inner,
            "a_k_middle_stride": columns * walk.k_inner,
            "a_k_outer_stride": rows * columns * walk.k_inner,
        }

    def _load_a(self, block: Block) -> int:
        if self.product.a.home is not None:
            return self.product.a.at_home(block.batches, block.m, block.k)
        slot, missing = self.a.place((block.batches, block.m, block.k))
        address = self.layout.a(slot)
        if missing:
            self.commands.append(self.product.a.load(block.batches, block.m, block.k, address))
        return address

    def _load_b(self, block: Block) -> int:
        if isinstance(self.product.b, Matrix) and self.product.b.home is not None:
            return self.product.b.at_home(block.batches, block.columns, block.k)
        slot, missing = self.b.place((block.image, block.batches, block.rows, block.columns, block.k))
        address, b = self.layout.b(slot), self.product.b
        if missing:
            load = (
                b.load(block, address)
                if isinstance(b, Image)
                else b.load(block.batches, block.columns, block.k, address)
            )
            self.commands.append(load)
        return address

    def _b_walk(self, block: Block) -> Walk:
        b = self.product.b
        if isinstance(b, Image):
            return b.walk(count(block.rows), count(block.columns), count(block.k))
        return b.walk(count(block.columns), count(block.k))

    def _store(
        self, result: Result, out: Block, conv: Block, c: int, residual: int, border: dict[str, int]
    ) -> None:
        product, epilogue = self.product, result.epilogue
        m, n = count(conv.batches) * count(conv.m), count(conv.rows) * count(conv.columns)
        address, place = result.tile.place(out if epilogue.pool else conv)
        fields: dict[str, int | float] = {"m": m, "n": n, "c": c, "c_row_stride": 4 * n, **place}
        fields |= epilogue.fields()
        if epilogue.scales or epilogue.bias:
            fields["b"] = self._vector_place(self._vector_range(conv)[0])
        if product.residual and epilogue.residual:
            fields |= residual_fields(result.tile, out, residual, product.residual.item_bytes)
        if epilogue.pool:
            fields |= {"n_inner": count(conv.columns), **border}
        kind = command_type(result.tile.dtype)
        flags = epilogue.flags(product.type == "int8")
        self.commands.append(
            Command("COMMAND_STORE", fields, address, kind, flags, function=epilogue.function)
        )


def program(
    product: Product, tiling: Tiling, part: tuple[int, int] = (0, 1), base: int = 0, sums: int = 0
) -> list[Command]:
    """LOADs where a block is not there yet, MATMULs, and a STORE of each result for each block of C.

    `part` is (i, n) for the i-th of n equal shares of these blocks. `base` and `sums` are where the program's
    share of the scratchpad and of the accumulator memory begin.
    """
    return _Program(product, tiling, part, base, sums).write()


def fits(product: Product, tiling: Tiling) -> bool:
    """Whether each block is moved by one command."""
    b = product.b
    ok = product.a.packed or product.a.may_load(tiling.batches, tiling.m, tiling.k)
    ok = ok and (
        isinstance(b, Image) or bool(b.packed) or b.may_load(tiling.batches, tiling.columns, tiling.k)
    )
    tiles = [result.tile for result in product.results] + ([product.residual] if product.residual else [])
    return ok and all(tile.may_place(tiling.batches, tiling.m, tiling.rows, tiling.columns) for tile in tiles)
