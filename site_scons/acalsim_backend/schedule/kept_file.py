# SPDX-License-Identifier: Apache-2.0
"""kept.json: where each op of a program that keeps every result left it in the output block."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KeptRow:
    """A tensor at byte `offset` of the output block, its strides in elements; function `symbol` computes it."""

    tensor: str
    op: str
    type: str
    source: str
    aten: tuple[str, ...]
    symbol: str
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int


@dataclass(frozen=True)
class KeptFile:
    """All of kept.json, in order of execution."""

    tensors: tuple[KeptRow, ...]
