# SPDX-License-Identifier: Apache-2.0
"""Accesses: a tensor's place in memory, given by a storage, an offset and a stride for each dimension.

A movement op (a view, a permutation, an expansion, a slice) turns an access into another one. It costs
nothing where the reader of its result can walk the strides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

Shape = tuple[int, ...]


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of a dense tensor, in elements."""
    return tuple(math.prod(shape[dim + 1 :]) for dim in range(len(shape)))


def merged(shape: Sequence[int], steps: Sequence[tuple[int, ...]]) -> list[tuple[int, tuple[int, ...]]]:
    """The fewest dimensions that describe several walks over one shape: their (size, steps), outermost first.

    `steps` has, for each dimension, the stride of every walk. Dimensions of size 1 are dropped. Neighbouring
    dimensions become one where every walk goes through both of them with a single stride.
    """
    found: list[tuple[int, tuple[int, ...]]] = []
    for size, each in zip(shape, steps, strict=True):
        if size == 1:
            continue
        if found and all(outer == step * size for outer, step in zip(found[-1][1], each, strict=True)):
            found[-1] = (found[-1][0] * size, each)
        else:
            found.append((size, each))
    return found


@dataclass(frozen=True)
class Access:
    """Element i of a tensor is element `offset + sum(i * strides)` of the tensor `storage`.

    Offset and strides count elements.
    """

    storage: str
    shape: Shape
    strides: tuple[int, ...]
    offset: int = 0

    @classmethod
    def dense(cls, storage: str, shape: Sequence[int]) -> Access:
        return cls(storage, tuple(shape), row_major(shape))

    @property
    def is_dense(self) -> bool:
        """Whether the elements follow each other in row-major order and without gaps, from the offset on."""
        if 0 in self.shape:
            return True
        return all(
            size == 1 or step == own
            for size, step, own in zip(self.shape, self.strides, row_major(self.shape), strict=True)
        )

    def permuted(self, dims: Sequence[int]) -> Access:
        dims = [dim % len(self.shape) for dim in dims]
        return replace(
            self,
            shape=tuple(self.shape[dim] for dim in dims),
            strides=tuple(self.strides[dim] for dim in dims),
        )

    def expanded(self, shape: Sequence[int]) -> Access:
        """The elements repeated as in PyTorch's expand: along sizes of 1 and along new leading dimensions."""
        new = len(shape) - len(self.shape)
        own = tuple(0 if size == 1 else step for size, step in zip(self.shape, self.strides, strict=True))
        return replace(self, shape=tuple(shape), strides=(0,) * new + own)

    def sliced(self, dim: int, start: int, step: int, size: int) -> Access:
        """`size` of the indices of dimension `dim`: start, start + step ..."""
        shape, strides = list(self.shape), list(self.strides)
        shape[dim], strides[dim] = size, strides[dim] * step
        return Access(self.storage, tuple(shape), tuple(strides), self.offset + start * self.strides[dim])

    def without(self, dim: int) -> Access:
        """Index 0 of dimension `dim`, which is dropped."""
        keep = [each for each in range(len(self.shape)) if each != dim]
        return replace(
            self,
            shape=tuple(self.shape[each] for each in keep),
            strides=tuple(self.strides[each] for each in keep),
        )

    def seen_as(self, shape: Sequence[int]) -> Access:
        """As `viewed`, where whoever asks has made sure that strides do it."""
        found = self.viewed(shape)
        assert found is not None, f"{self} cannot be walked along {tuple(shape)}"
        return found

    def viewed(self, shape: Sequence[int]) -> Access | None:
        """The same elements, in row-major order, in another shape; None where no strides describe that."""
        shape = tuple(shape)
        if 0 in shape:
            return replace(self, shape=shape, strides=row_major(shape))
        chunks = [(size, step) for size, (step,) in merged(self.shape, [(step,) for step in self.strides])]
        strides: list[int] = []
        left, step = chunks.pop() if chunks else (1, 1)
        for size in reversed(shape):
            if size == 1:
                strides.append(0)
                continue
            if left == 1 and chunks:
                left, step = chunks.pop()
            if left % size:
                return None
            strides.append(step)
            left, step = left // size, step * size
        return replace(self, shape=shape, strides=tuple(reversed(strides)))


def inverse_permutation(dims: Sequence[int]) -> list[int]:
    """The permutation that undoes `dims`, whose numbers may be negative."""
    order = [dim % len(dims) for dim in dims]
    return [order.index(dim) for dim in range(len(order))]
