# SPDX-License-Identifier: Apache-2.0
"""Ways to make a run's lists that pay together or not at all: which is best only the time of the whole run tells."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..machine.machine import Device
from .layout import layout
from .neighbours import is_legal
from .operand import Matrix
from .product import Product
from .tile import Tiling

BLOCKS = 4
"""In which a product is cut, so that what follows begins with the first ones."""


@dataclass(frozen=True)
class Variant:
    """With `deep`, constant operands take as many slots as there is room for, so that they are loaded early.

    `fine` cuts products along "m" or along "n", and what the vector unit does likewise, so that a kernel begins
    before all of the one before is done. With `whole`, a product may take all of what is left of the memories.
    """

    deep: bool = False
    fine: str = ""
    whole: bool = False

    def tiling(self, product: Product, tiling: Tiling, device: Device) -> Tiling:
        """What becomes of the tiling of a product on a device with as much memory as there is room."""
        if self.fine:
            tiling = _finer(product, tiling, device, self.fine)
        return _deeper(product, tiling, device) if self.deep else tiling


def variants() -> Iterator[Variant]:
    """Those that are tried. Blocks that are small pay only where all they need is there early, so both are tried together."""
    yield from (Variant(deep, fine) for deep in (False, True) for fine in ("", "m", "n"))


def _finer(product: Product, tiling: Tiling, device: Device, along: str) -> Tiling:
    whole, now, unit = (
        (product.m, tiling.m, device.parameters["rows"])
        if along == "m"
        else (product.out[1], tiling.columns, device.parameters["columns"])
    )
    size = -(-math.ceil(whole / BLOCKS) // unit) * unit
    if size >= now or (along == "n" and not isinstance(product.b, Matrix)):
        return tiling
    pieces = -(-min(now, whole) // size)
    found = (
        replace(tiling, m=size, c_slots=2, a_slots=tiling.a_slots * pieces)
        if along == "m"
        else replace(tiling, columns=size, c_slots=2, b_slots=tiling.b_slots * pieces)
    )
    return found if is_legal(product, found, device) else tiling


def _deeper(product: Product, tiling: Tiling, device: Device) -> Tiling:
    """As many slots for a constant operand as there is room for, at most one for each of its blocks."""
    places, deep = layout(product, tiling), -(-product.k // tiling.k) * -(-product.batches // tiling.batches)
    blocks = {"a": -(-product.m // tiling.m) * deep, "b": -(-product.out[1] // tiling.columns) * deep}
    free = device.parameters["scratchpad_bytes"] - places.scratchpad_bytes
    for name, size in (("b", places.b_bytes), ("a", places.a_bytes)):
        operand, slots = getattr(product, name), getattr(tiling, f"{name}_slots")
        if isinstance(operand, Matrix) and operand.is_constant and operand.home is None and size:
            more = max(0, min(blocks[name] - slots, free // size))
            free -= more * size
            tiling = replace(tiling, **{f"{name}_slots": slots + more})
    return tiling
