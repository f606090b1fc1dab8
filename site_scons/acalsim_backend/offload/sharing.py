# SPDX-License-Identifier: Apache-2.0
"""Depthwise convolutions that the vector unit and the array compute together, each some of the planes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .command import Command
from .command_list import program
from .depthwise import depthwise, part
from .layout import layout
from .product import Product
from .tile import Tiling

SHARES = ((8, 8), (3, 4), (2, 3), (5, 8), (1, 2))
"""Of the planes that the vector unit may take."""


@dataclass(frozen=True)
class Sharing:
    """The first `planes` are the vector unit's; the others go through the array in `tiling`."""

    planes: int
    tiling: Tiling | None


@dataclass(frozen=True)
class Shared:
    """A list, and the bytes that it takes of the scratchpad and of the accumulator memory."""

    commands: Sequence[Command]
    scratchpad_bytes: int
    accumulator_bytes: int


def planes_of(product: Product) -> list[int]:
    """The numbers of planes that the vector unit may take, all of them first."""
    return list(dict.fromkeys(-(-product.batches * share // whole) for share, whole in SHARES))


def rest_of(product: Product, planes: int) -> Product:
    """What is left for the array."""
    return part(product, (planes, product.batches))


def shared(product: Product, sharing: Sharing, size: int, base: int = 0, sums: int = 0) -> Shared | None:
    """None where that does not fit `size` bytes of the scratchpad. The memories are used from `base` and `sums` on."""
    found = depthwise(part(product, (0, sharing.planes)), base, size)
    if found is None:
        return None
    commands, used = found
    if sharing.tiling is None:
        return Shared(commands, used, 0)
    rest = rest_of(product, sharing.planes)
    places = layout(rest, sharing.tiling)
    if used + places.scratchpad_bytes > size:
        return None
    others = program(rest, sharing.tiling, base=base + used, sums=sums)
    return Shared(_interleaved(commands, others), used + places.scratchpad_bytes, places.accumulator_bytes)


def _interleaved(one: Sequence[Command], other: Sequence[Command]) -> list[Command]:
    """Both lists in one, each in its order and at the same pace."""
    places = [
        (number / len(each), which, command)
        for which, each in enumerate((one, other))
        for number, command in enumerate(each)
    ]
    return [command for _, _, command in sorted(places, key=lambda place: place[:2])]
