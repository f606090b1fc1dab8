# SPDX-License-Identifier: Apache-2.0
"""The block in which a product goes through a device's memories."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tiling:
    """Sizes of a block; slots are blocks that the scratchpad or the accumulator memory holds at once."""

    batches: int
    m: int
    rows: int
    columns: int
    k: int
    order: str
    a_slots: int
    b_slots: int
    c_slots: int


@dataclass(frozen=True)
class Room:
    """The bytes of scratchpad and accumulator memory that blocks may take."""

    scratchpad_bytes: int
    accumulator_bytes: int
