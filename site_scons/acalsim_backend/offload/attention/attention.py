# SPDX-License-Identifier: Apache-2.0
"""What an attention kernel reads and writes, and the tiles in which it goes through a device's memories."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ...ir.graph import ITEM_BYTES
from ...ir.strides import Shape
from ..operand import Range
from ..vector.part import Walk
from ..vector.transfer import Homes


@dataclass(frozen=True)
class Attention:
    """out[lead, i] = sum over j of softmax(scale query[lead, i] key[lead, j] + mask[lead, i, j]) value[lead, j].

    The last of `lead` are heads, and the queries' heads that share one of the keys and values. Walks go along
    (*lead, queries, depth), (*lead, keys, depth), (*lead, keys, width), (*lead, queries, keys) and
    (*lead, queries, width). With `causal` = c the mask hides all j > i + c. With `safe` a row of which
    everything is hidden is 0. Queries, keys and values are float32 or bfloat16, and so are the weights.
    """

    lead: Shape
    queries: int
    keys: int
    depth: int
    width: int
    query: Walk
    key: Walk
    value: Walk
    mask: Walk | None
    out: Walk
    scale: float = 1.0
    safe: bool = False
    causal: int | None = None
    result_scale: float = 1.0
    """Of a result of int8, before it is rounded."""

    @property
    def heads(self) -> int:
        return self.lead[-2]

    @property
    def group(self) -> int:
        return self.lead[-1]

    @property
    def dtype(self) -> str:
        """Of queries, keys, values and weights."""
        return self.value.dtype

    @property
    def item(self) -> int:
        """Bytes of an element of these."""
        return ITEM_BYTES[self.dtype]

    def seen(self, first: int, end: int) -> int:
        """How many keys the queries of a range need."""
        return self.keys if self.causal is None else max(1, min(self.keys, end + self.causal))

    def written(self) -> Iterator[tuple[Walk, int]]:
        """Where results go, and how many elements there are."""
        yield self.out, math.prod(self.lead) * self.queries * self.width

    def anonymous(self) -> Attention:
        """With storages named by their part in it: equal for all that are computed alike."""
        named = {name: getattr(self, name) for name in ("query", "key", "value", "mask", "out")}
        return replace(
            self, **{name: walk and replace(walk, storage=name, offset=0) for name, walk in named.items()}
        )

    def homes(self, homes: Homes) -> dict[str, int]:
        """Of an anonymous attention: where its operands lie in the scratchpad, with what lies before them."""
        walks = [(name, getattr(self, name)) for name in ("query", "key", "value", "mask", "out")]
        return {
            name: homes[walk.storage] + ITEM_BYTES[walk.dtype] * walk.offset
            for name, walk in walks
            if walk and walk.storage in homes
        }


@dataclass(frozen=True)
class AttentionTiling:
    """A tile: so many heads, heads of a group, queries and keys; `slots` of each that memories hold at once."""

    heads: int
    group: int
    queries: int
    keys: int
    slots: int


@dataclass(frozen=True)
class Unit:
    """The queries of a tile against one tile of their keys, of which they need those in `keys`."""

    lead: tuple[Range, ...]
    queries: Range
    loaded: Range
    keys: Range
    is_first: bool
    is_last: bool
    number: int
    """Of the tile of queries."""

    @property
    def heads(self) -> int:
        return self.lead[-2][1] - self.lead[-2][0]

    @property
    def rows(self) -> int:
        """Of queries, of one head of the keys."""
        return (self.lead[-1][1] - self.lead[-1][0]) * (self.queries[1] - self.queries[0])

    @property
    def is_whole(self) -> bool:
        return self.is_first and self.is_last
