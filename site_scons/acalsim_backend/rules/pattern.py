# SPDX-License-Identifier: Apache-2.0
"""Patterns of op types, and the chains of ops in a graph that match them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import RuleError
from ..ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType

Pattern = tuple[frozenset[ACALSimOpType], ...]
"""For each op of a chain the types that it may have."""


@dataclass(frozen=True)
class Chain:
    """Ops of which each alone reads the result of the one before; `span` has the views between them as well."""

    ops: tuple[ACALSimOp, ...]
    span: tuple[ACALSimOp, ...]

    @property
    def last(self) -> ACALSimOp:
        return self.ops[-1]

    @property
    def inside(self) -> frozenset[str]:
        """The tensors that are computed on the way."""
        return frozenset(op.outputs[0] for op in self.span) - {*self.last.outputs}


def parsed(text: str) -> Pattern:
    """Raises RuleError naming types that are near one that there is not."""
    words = text.split()
    if not words:
        raise RuleError("matches nothing; `matches` has names of op types")
    return tuple(frozenset(_type(word) for word in each.split("|")) for each in words)


def _type(name: str) -> ACALSimOpType:
    known = ACALSimOpType.__members__
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name.upper(), known, n=4, cutoff=0.5)
    there = f"; near it are {', '.join(near)}" if near else "; the types are those of ACALSimOpType"
    raise RuleError(f"there is no op type '{name}'{there}")


class Finder:
    """Finds chains in one graph."""

    def __init__(self, ir: ACALSimIR):
        self.ir, self.producers, self.readers = ir, ir.producers(), ir.readers()

    def chains(self, pattern: Pattern) -> Iterator[Chain]:
        """All that match, in the order of their first ops."""
        for op in self.ir.ops:
            chain = self._from(op, pattern)
            if chain and all(self.ir.tensors[each.outputs[0]].elements for each in chain.span):
                yield chain

    def _from(self, op: ACALSimOp, pattern: Pattern) -> Chain | None:
        ops, span = [op], [op]
        if op.op_type not in pattern[0]:
            return None
        for types in pattern[1:]:
            follower = self._sole_reader(span)
            if follower is None or follower.op_type not in types:
                return None
            ops.append(follower)
            span.append(follower)
        return Chain(tuple(ops), tuple(span))

    def _sole_reader(self, span: list[ACALSimOp]) -> ACALSimOp | None:
        """The one op that reads the last one's result; views on the way are added to the span."""
        while True:
            name = span[-1].outputs[0]
            readers = self.readers.get(name, [])
            if self.ir.tensors[name].is_output or len(readers) != 1:
                return None
            if readers[0].op_type is not ACALSimOpType.VIEW:
                return readers[0]
            span.append(readers[0])
