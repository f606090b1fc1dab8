# SPDX-License-Identifier: Apache-2.0
"""Tilings that are one step from another one, and legal on a device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..machine.machine import Device
from .command_list import fits
from .layout import layout
from .product import LARGEST_SIZE, Product
from .tile import Tiling


def neighbours(
    product: Product, tiling: Tiling, device: Device, given: Mapping[str, int | str]
) -> Iterator[Tiling]:
    """Those with one size halved, doubled or whole, one slot more or less, or the other order.

    Fields that are `given` stay as they are.
    """
    for name, values in _steps(product, tiling).items():
        for value in dict.fromkeys(values):
            near = replace(tiling, **{name: value})
            if name not in given and near != tiling and is_legal(product, near, device):
                yield near


def _steps(product: Product, tiling: Tiling) -> dict[str, list[Any]]:
    """For each field the values of its type that are one step away."""
    taps, (rows, columns) = product.taps, product.out

    def sizes(now: int, whole: int) -> list[int]:
        return [max(1, now // 2), min(whole, now * 2), whole]

    return {
        "m": sizes(tiling.m, product.m),
        "rows": sizes(tiling.rows, rows),
        "columns": sizes(tiling.columns, columns),
        "k": [each * taps for each in sizes(tiling.k // taps, product.k // taps)],
        "order": ["n" if tiling.order == "m" else "m"],
        "a_slots": [max(1, tiling.a_slots - 1), tiling.a_slots + 1],
        "b_slots": [max(1, tiling.b_slots - 1), tiling.b_slots + 1],
        "c_slots": [1, 2],
    }


def is_legal(product: Product, tiling: Tiling, device: Device) -> bool:
    """Whether a tiling fits the device, block by block."""
    places, parameters = layout(product, tiling), device.parameters
    of_c = places.c_bytes // 4 // (tiling.batches * tiling.m)
    return (
        places.scratchpad_bytes <= parameters["scratchpad_bytes"]
        and places.accumulator_bytes <= parameters["accumulator_bytes"]
        and max(tiling.batches * tiling.m, of_c, tiling.k) <= LARGEST_SIZE
        and fits(product, tiling)
    )
