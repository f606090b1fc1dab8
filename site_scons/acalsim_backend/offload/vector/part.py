# SPDX-License-Identifier: Apache-2.0
"""A kernel for the vector unit: walks over memory, each a few steps on every element or every row."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ...ir.strides import Shape


@dataclass(frozen=True)
class Walk:
    """A tensor in memory along a part's space: element `offset` + sum of index times stride of a storage.

    Strides and offset count elements. A stride of 0 repeats. With `index`, a walk over integers of the same
    space, what is read are rows of a table: element + index times `row_stride`, of `rows` rows.
    """

    storage: str
    offset: int
    strides: tuple[int, ...]
    dtype: str
    index: Walk | None = None
    row_stride: int = 0
    rows: int = 0


@dataclass(frozen=True)
class Step:
    """A command on all elements of a tile, or on all its rows: `result` = function(a, b).

    Values are numbered: first the part's loads, then the results of its steps. `b` may be a number instead, or
    nothing. `onto` is a value that the step changes in place of making a new one.
    """

    command: str
    function: str
    a: int
    dtype: str
    b: int | float | None = None
    b_is_number: bool = False
    is_whole: bool = False
    """Whether it computes in integers."""
    onto: int | None = None
    flags: tuple[str, ...] = ()
    fields: Mapping[str, float] = field(default_factory=dict)
    vectors: tuple[int, ...] = ()
    """Loads that lie one behind the other for a row command: weight and bias."""


@dataclass(frozen=True)
class Part:
    """One walk. The last `rows` dimensions of `space` are a row, which is never cut; 0: elements by themselves.

    `reduced` are the values that have one element a row. `stores` says which values go where.
    """

    space: Shape
    rows: int
    loads: tuple[Walk, ...]
    steps: tuple[Step, ...]
    stores: tuple[tuple[int, Walk], ...]
    reduced: frozenset[int] = frozenset()

    @property
    def tables(self) -> set[str]:
        """The storages that rows are gathered from, which takes RAM."""
        return {walk.storage for walk in self.loads if walk.index}

    def written(self) -> Iterator[tuple[Walk, int]]:
        """Where results go, and how many elements each has."""
        for value, walk in self.stores:
            cut = len(self.space) - (self.rows if value in self.reduced else 0)
            yield walk, math.prod(self.space[:cut])
