# SPDX-License-Identifier: Apache-2.0
"""Products as they are timed: without the names of their storages, at places that stand for RAM and scratchpads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from .product import Product


def spread(storages: Iterable[str], origin: int) -> dict[str, int]:
    """Places for storages, far enough from each other."""
    return {name: origin + (1 + number) * (1 << 32) for number, name in enumerate(sorted(storages))}


def anonymous(product: Product) -> Product:
    """The product with storages named by their part in it: equal for all that are computed alike."""
    results = tuple(
        replace(
            each,
            tile=replace(each.tile, storage=f"c{number}", offset=0),
            epilogue=replace(
                each.epilogue,
                tensor="",
                residual=each.epilogue.residual and "r",
                scales=each.epilogue.scales and replace(each.epilogue.scales, tensor="scales"),
                bias=each.epilogue.bias and replace(each.epilogue.bias, tensor="bias"),
            ),
        )
        for number, each in enumerate(product.results)
    )
    return replace(
        product,
        a=replace(product.a, storage="a", offset=0),
        b=replace(product.b, storage="b", offset=0),
        results=results,
        scales=product.scales and ("scales", 0),
        bias=product.bias and ("bias", 0),
        residual=product.residual and replace(product.residual, storage="r", offset=0),
    )


def addresses(product: Product, origin: int, base: int) -> Callable[[str], int]:
    """Places for the storages of an anonymous product, far enough from each other.

    What lies in the scratchpad is reached through `base`, the device's own base address.
    """
    names = ["a", "b", "scales", "bias", "r", *(f"c{number}" for number in range(len(product.results)))]
    step = 1 << 32
    places = {name: origin + (1 + number) * step for number, name in enumerate(names)}
    for operand in (product.a, product.b, product.residual, *(each.tile for each in product.results)):
        if operand is not None and operand.home is not None:
            places[operand.storage] = at_home(base, operand.home)
    return places.__getitem__


def at_home(base: int, address: int) -> int:
    """How the device with base address `base` is told of an address in its own scratchpad."""
    return base << 32 | address
