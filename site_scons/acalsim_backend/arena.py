# SPDX-License-Identifier: Apache-2.0
"""Buffers that live for some steps each, laid out so that no two that live at once share a byte."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .alignment import aligned


@dataclass(frozen=True)
class Lifetime:
    """A buffer that must exist from step `first`'s start to step `last`'s end, both included."""

    name: str
    size_bytes: int
    first: int
    last: int

    def overlaps(self, other: Lifetime) -> bool:
        return self.first <= other.last and other.first <= self.last


def assign_offsets(buffers: Iterable[Lifetime]) -> dict[str, int]:
    """An offset for each buffer such that no two live at once share a byte: largest first, lowest gap.

    Greedy by size, as in Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net
    Inference", 2020.
    """
    placed: list[tuple[int, Lifetime]] = []
    for buffer in sorted(buffers, key=lambda life: (-life.size_bytes, life.first, life.name)):
        offset = 0
        for start, other in sorted(
            (item for item in placed if item[1].overlaps(buffer)), key=lambda item: item[0]
        ):
            if offset + aligned(buffer.size_bytes) <= start:
                break
            offset = max(offset, start + aligned(other.size_bytes))
        placed.append((offset, buffer))
    return {buffer.name: offset for offset, buffer in placed}


def least_bytes(buffers: Iterable[Lifetime]) -> int:
    """No plan can do with less: the largest sum of the sizes that live at once."""
    buffers = list(buffers)
    return max(
        (sum(aligned(b.size_bytes) for b in buffers if b.first <= each.first <= b.last) for each in buffers),
        default=0,
    )
