# SPDX-License-Identifier: Apache-2.0
"""Ops that move, join and make complex tensors, and sums of them, by those of their parts; as arithmetic.py."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .arithmetic import is_nonzero, multiplied
from .pair import Number, Operand, Pair, pair_of

if TYPE_CHECKING:
    import torch


def of_parts(x: torch.Tensor) -> Pair:
    return Pair(x)


def parts_of(x: Pair) -> torch.Tensor:
    return x.parts


def converted(x: Operand, *, dtype: Any = None, **more: Any) -> Operand:
    """To a complex type, or the real part to a real one."""
    import torch

    if dtype is None or dtype == torch.complex64:
        return pair_of(x)
    if dtype == torch.bool:
        return is_nonzero(x)
    return NotImplemented if dtype.is_complex else x.real.to(dtype)


def seen_as(x: Operand, dtype: Any) -> Operand:
    """The same bits: floats are parts, next to each other."""
    import torch

    if isinstance(x, Pair):
        return x.parts.flatten(-2) if dtype == torch.float32 and x.rank else NotImplemented
    return (
        Pair(x.unflatten(-1, (-1, 2)))
        if dtype == torch.complex64 and x.dtype == torch.float32
        else NotImplemented
    )


def along(name: str) -> Callable[..., Pair]:
    """An op whose argument 1 is a dimension, or several of them; all others stay as they are."""

    def moved(x: Pair, dims: int | Sequence[int] = 0, *more: Any, **options: Any) -> Any:
        return _with_parts(_op(name)(x.parts, _counted(x, dims), *more, **options))

    return moved


def _op(name: str) -> Any:
    import torch

    packet, _, overload = name.removeprefix("aten.").partition(".")
    return getattr(getattr(torch.ops.aten, packet), overload)


def _counted(x: Pair, dims: int | Sequence[int]) -> Any:
    """Dimensions from the first one on, as the last of the parts is another one."""
    return dims % max(x.rank, 1) if isinstance(dims, int) else [dim % max(x.rank, 1) for dim in dims]


def _with_parts(found: Any) -> Any:
    return tuple(map(Pair, found)) if isinstance(found, list | tuple) else Pair(found)


def copied(x: Pair, **options: Any) -> Pair:
    return x


def viewed(x: Pair, shape: Sequence[int]) -> Pair:
    return Pair(x.parts.reshape([*shape, 2]))


def expanded(x: Pair, shape: Sequence[int], **options: Any) -> Pair:
    return Pair(x.parts.expand([*shape, 2]))


def repeated(x: Pair, times: Sequence[int]) -> Pair:
    return Pair(x.parts.repeat([*times, 1]))


def permuted(x: Pair, dims: Sequence[int]) -> Pair:
    return Pair(x.parts.permute([*_counted(x, dims), x.rank]))


def transposed(x: Pair, one: int, other: int) -> Pair:
    return Pair(x.parts.transpose(_counted(x, one), _counted(x, other)))


def unsqueezed(x: Pair, dim: int) -> Pair:
    return Pair(x.parts.unsqueeze(dim % (x.rank + 1)))


def squeezed(x: Pair) -> Pair:
    return viewed(x, [size for size in x.shape if size != 1])


def split(x: Pair, sizes: int | Sequence[int], dim: int = 0) -> tuple[Pair, ...]:
    import torch

    return tuple(map(Pair, torch.split(x.parts, sizes, _counted(x, dim))))  # type: ignore[arg-type]


def joined(values: Sequence[Operand], dim: int = 0) -> Pair:
    import torch

    pairs = [pair_of(value) for value in values]
    return Pair(torch.cat([each.parts for each in pairs], _counted(pairs[0], dim)))


def stacked(values: Sequence[Operand], dim: int = 0) -> Pair:
    import torch

    pairs = [pair_of(value) for value in values]
    return Pair(torch.stack([each.parts for each in pairs], dim % (pairs[0].rank + 1)))


def indexed(x: Pair, indices: Sequence[Any]) -> Pair:
    import torch

    return Pair(torch.ops.aten.index(x.parts, indices))


def put(x: Pair, indices: Sequence[Any], values: Operand, accumulate: bool = False) -> Pair:
    import torch

    return Pair(torch.ops.aten.index_put(x.parts, indices, pair_of(values).parts, accumulate))


def embedded(weight: Pair, indices: torch.Tensor, *more: Any) -> Pair:
    return Pair(weight.parts[indices])


def padded(x: Pair, pad: Sequence[int], value: Number = 0) -> Operand:
    import torch

    return Pair(torch.constant_pad_nd(x.parts, [0, 0, *pad], value)) if value == 0 else NotImplemented


def overwritten(name: str) -> Callable[..., Pair]:
    """An op that writes a part of its operand over, along a dimension."""

    def written(x: Operand, source: Operand, dim: int = 0, *more: Any) -> Pair:
        pair = pair_of(x)
        return Pair(_op(name)(pair.parts, pair_of(source).parts, _counted(pair, dim), *more))

    return written


def part_by_part(name: str) -> Callable[..., Pair]:
    """An op that does with a complex tensor what it does with each of its parts."""

    def moved(x: Pair, *more: Any, **options: Any) -> Pair:
        return Pair.of(_op(name)(x.real, *more, **options), _op(name)(x.imag, *more, **options))

    return moved


def chosen(condition: torch.Tensor, one: Operand, other: Operand) -> Pair:
    import torch

    return Pair(torch.where(condition.unsqueeze(-1), pair_of(one).parts, pair_of(other).parts))


def filled(x: Operand, mask: torch.Tensor, value: Operand) -> Pair:
    return chosen(mask, value, x)


def copied_into(target: Operand, source: Operand, non_blocking: bool = False) -> Operand:
    import torch

    if not isinstance(target, Pair):
        return NotImplemented
    return Pair(torch.broadcast_to(pair_of(source).parts, target.parts.shape))


def reduced(name: str) -> Callable[..., Pair]:
    """A sum or a mean: of all dimensions unless some are given."""

    def found(x: Pair, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Pair:
        dims = [dim] if isinstance(dim, int) else list(dim or range(x.rank))
        return (
            Pair(getattr(x.parts, name)([each % max(x.rank, 1) for each in dims], keepdim)) if x.rank else x
        )

    return found


def multiplied_along(x: Pair, dim: int, keepdim: bool = False, *, dtype: Any = None) -> Pair:
    factors = x.parts.unbind(_counted(x, dim))
    found = functools.reduce(multiplied, map(Pair, factors), pair_of(1))
    return unsqueezed(found, _counted(x, dim)) if keepdim else found


def full(shape: Sequence[int], value: Operand, **options: Any) -> Pair:
    return Pair(pair_of(value).parts.expand([*shape, 2]))


def full_like(x: Operand, value: Operand, **options: Any) -> Pair:
    return full(x.shape, value)


def scalar(value: Operand, **options: Any) -> Pair:
    return pair_of(value)
