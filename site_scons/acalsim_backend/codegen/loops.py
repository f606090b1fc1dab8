# SPDX-License-Identifier: Apache-2.0
"""Prints C loops over walks through memory, each statement in the outermost loop in which it is known."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..ir.strides import merged

LONG_ROW = 4096
"""Elements; a longer row is added up in blocks."""
BLOCK = 1024
"""Elements that are added up one after the other."""


@dataclass(frozen=True)
class Hint:
    """What stands before innermost loops.

    Vector code takes `turn` elements at a time; scalar code has none. What a loop leaves of a row, which
    would be done element by element, has a loop of its own with the hint `rest`.
    """

    each: str
    rest: str = ""
    turn: int = 0

    def loops(self, variable: str, size: int) -> Iterator[tuple[str, str]]:
        """(hint, head) of the loops that together give `variable` every value below `size`."""
        whole = size - size % self.turn if self.turn else size
        for hint, first, end in ((self.each, 0, whole), (self.rest, whole, size)):
            if first < end or size == 0:
                yield hint, Loop(variable, str(first), str(end), 1).head


@dataclass
class Item:
    """A statement within a nest of loops, which reads or writes through `pointer`, if any.

    `strides` are of the walk whose index stands for {walk} in `text`. The statement is printed in the
    outermost loop in which its walk, and what it `needs`, is known, or in the `innermost` one.
    """

    text: str
    strides: tuple[int, ...]
    needs: tuple[Item, ...] = ()
    innermost: bool = False
    pointer: str | None = None
    level: int = 0


def collapse(shape: Sequence[int], walks: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """The sizes of as few loops as can be, and the steps of each walk in them."""
    dims = merged(shape, list(zip(*walks, strict=True)) if walks else [()] * len(shape))
    return [size for size, _ in dims], [[steps[at] for _, steps in dims] for at in range(len(walks))]


def index(steps: Sequence[int], variables: Sequence[str]) -> str:
    """The C expression of a walk's element; subtracted where a walk runs backwards."""
    terms = [
        name if step == 1 else f"{name} * {step}" for step, name in zip(steps, variables, strict=True) if step
    ]
    return " + ".join(terms).replace("+ -", "- ") or "0"


def nest(shape: Sequence[int], items: Sequence[Item], hint: Hint) -> list[str]:
    """Loops i0, i1 ... over `shape`, each item at its level; `hint` stands before the innermost loop."""
    if 0 in shape:
        return []
    sizes, walks = collapse(shape, [item.strides for item in items])
    names = [f"i{dim}" for dim in range(len(sizes))]
    for item, steps in zip(items, walks, strict=True):
        own = max((dim + 1 for dim, step in enumerate(steps) if step), default=0)
        item.level = len(sizes) if item.innermost else max([own, *(other.level for other in item.needs)])

    def within(dim: int) -> list[str]:
        own = [
            item.text.format(walk=index(walks[at], names))
            for at, item in enumerate(items)
            if item.level == dim
        ]
        if dim == len(sizes):
            return own
        inner = [*_indented(within(dim + 1)), "}"]
        if dim == len(sizes) - 1:
            loops = [[text, head, *inner] for text, head in hint.loops(names[dim], sizes[dim])]
            return [*own, *(line for loop in loops for line in loop)]
        return [*own, Loop(names[dim], "0", str(sizes[dim]), 1).head, *inner]

    lines = within(0)
    return lines if sizes or len(lines) < 2 else ["{", *("    " + line for line in lines), "}"]


@dataclass(frozen=True)
class Loop:
    """From `first` to `end`, which is excluded, in steps of `step`; C expressions."""

    variable: str
    first: str
    end: str
    step: int

    @property
    def head(self) -> str:
        name = self.variable
        forward = f"{name}++" if self.step == 1 else f"{name} += {self.step}"
        return f"for (long {name} = {self.first}; {name} < {self.end}; {forward}) {{"


def _blocks(variable: str, size: int) -> Iterator[Loop]:
    """Nested loops that give `variable` every value below `size`, none of them with more than BLOCK turns."""
    first, end, span = "0", str(size), size
    while span > BLOCK:
        step = BLOCK
        while step * BLOCK < span:
            step *= BLOCK
        block = f"{variable}_from_{step}"
        yield Loop(block, first, end, step)
        first, end, span = block, f"({block} + {step} < {size} ? {block} + {step} : {size})", step
    yield Loop(variable, first, end, 1)


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]


class Rows:
    """Loops over the rows of a tensor, all its dimensions but `dims`, and within them passes over a row.

    `hint` stands before the innermost loop of a pass.
    """

    def __init__(self, hint: Hint, shape: Sequence[int], dims: Sequence[int], *items: Sequence[Item]):
        self.hint = hint
        every = [item for each in items for item in each]
        kept = [dim for dim in range(len(shape)) if dim not in dims]
        self.sizes, outer = collapse(
            [shape[dim] for dim in kept], [[item.strides[dim] for dim in kept] for item in every]
        )
        self.row_sizes, inner = collapse(
            [shape[dim] for dim in dims], [[item.strides[dim] for dim in dims] for item in every]
        )
        self._outer = {id(item): self._terms(steps, "i") for item, steps in zip(every, outer, strict=True)}
        self._inner = {id(item): self._terms(steps, "s") for item, steps in zip(every, inner, strict=True)}
        self.is_empty = 0 in [shape[dim] for dim in kept]
        self.has_empty_rows = 0 in [shape[dim] for dim in dims]

    @staticmethod
    def _terms(steps: Sequence[int], letter: str) -> str:
        return index(steps, [f"{letter}{dim}" for dim in range(len(steps))])

    def _text(self, item: Item) -> str:
        parts = [part for part in (self._outer[id(item)], self._inner[id(item)]) if part != "0"]
        return item.text.format(walk=" + ".join(parts).replace("+ -", "- ") or "0")

    def each(self, items: Sequence[Item], steps: Sequence[str], unroll: bool = True) -> list[str]:
        """One pass over a row: the items and the statements `steps` at every element."""
        if self.has_empty_rows:
            return []
        body = [*(self._text(item) for item in items), *steps]
        *outer, last = [(f"s{dim}", size) for dim, size in enumerate(self.row_sizes)] or [("", 0)]
        if last[0]:
            inner = [*_indented(body), "}"]
            heads = self.hint.loops(*last) if unroll else [("", Loop(last[0], "0", str(last[1]), 1).head)]
            body = [line for hint, head in heads for line in (*([hint] if hint else []), head, *inner)]
        for variable, size in reversed(outer):
            body = [Loop(variable, "0", str(size), 1).head, *_indented(body), "}"]
        return ["{", *_indented(["REDUCTION", *body]), "}"]

    def summed(self, items: Sequence[Item], total: str, value: str, kind: str = "float") -> list[str]:
        """One pass that adds `value` of every element to `total`, which is of the C type `kind`.

        A long row is added up in blocks, and the blocks' sums after that: the error of a float32 sum grows
        with the number of its summands.
        """
        if math.prod(self.row_sizes) <= LONG_ROW:
            return self.each(items, [f"{total} += {value};"])
        loops = [loop for dim, size in enumerate(self.row_sizes) for loop in _blocks(f"s{dim}", size)]
        texts = [self._text(item) for item in items]
        return self._sum(loops, total, texts, value, kind)

    def _sum(
        self, loops: Sequence[Loop], total: str, texts: Sequence[str], value: str, kind: str
    ) -> list[str]:
        """Nested loops, each of which adds to a sum of its own; only the innermost sum may be reordered."""
        loop, *inner = loops
        if not inner:
            element = [self.hint.each, loop.head, *_indented([*texts, f"{total} += {value};"]), "}"]
            return ["{", *_indented(["REDUCTION", *element]), "}"]
        part = f"{total}_{loop.variable}"
        body = [f"{kind} {part} = 0;", *self._sum(inner, part, texts, value, kind), f"{total} += {part};"]
        return [loop.head, *_indented(body), "}"]

    def once(self, items: Sequence[Item]) -> list[str]:
        """The items at the end of a row."""
        return [self._text(item) for item in items]

    def around(self, body: Sequence[str]) -> list[str]:
        """The loops over rows around their statements."""
        if self.is_empty:
            return []
        lines = [
            f"{'    ' * dim}for (long i{dim} = 0; i{dim} < {size}; i{dim}++) {{"
            for dim, size in enumerate(self.sizes)
        ]
        depth = "    " * len(self.sizes)
        inner = (
            [depth + line for line in body] if self.sizes else ["{", *("    " + line for line in body), "}"]
        )
        return [*lines, *inner, *("    " * dim + "}" for dim in reversed(range(len(self.sizes))))]
