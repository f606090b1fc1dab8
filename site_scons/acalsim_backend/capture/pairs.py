# SPDX-License-Identifier: Apache-2.0
"""What ATen ops compute of complex tensors, in ops of their real and imaginary parts; see complex.py.

Each function has the arguments of its ATen op, with a Pair in the place of a complex tensor, and returns what the op
does, Pairs again where that is complex. It returns NotImplemented for arguments that it does not know.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

Number = int | float | complex


@dataclass(frozen=True)
class Pair:
    """A complex tensor of shape [...]: `parts` is float32 of shape [..., 2], real and imaginary parts."""

    parts: torch.Tensor

    @staticmethod
    def of(real: torch.Tensor, imag: torch.Tensor) -> Pair:
        import torch

        return Pair(torch.stack(torch.broadcast_tensors(real, imag), -1))

    @property
    def real(self) -> torch.Tensor:
        return self.parts.select(-1, 0)

    @property
    def imag(self) -> torch.Tensor:
        return self.parts.select(-1, 1)

    @property
    def rank(self) -> int:
        return self.parts.dim() - 1

    @property
    def shape(self) -> torch.Size:
        return self.parts.shape[:-1]


Operand = Any
"""A Pair, a real tensor, or a number, which may be complex."""


def pair_of(value: Operand) -> Pair:
    """Anything as a Pair."""
    import torch

    if isinstance(value, Pair):
        return value
    if isinstance(value, torch.Tensor):
        real = value.to(torch.float32)
        return Pair.of(real, torch.zeros_like(real))
    number = complex(value)
    return Pair.of(*(torch.full((), part, dtype=torch.float32) for part in (number.real, number.imag)))


def is_real(value: Operand) -> bool:
    return not isinstance(value, Pair | complex)


def each_part(value: Operand) -> Operand:
    """A real operand as it meets both parts of a Pair."""
    return value.unsqueeze(-1) if hasattr(value, "unsqueeze") else value


# --- arithmetic ---------------------------------------------------------------------------------


def added(one: Operand, other: Operand, *, alpha: Number = 1) -> Pair:
    one, other = pair_of(one), pair_of(other if alpha == 1 else multiplied(other, alpha))
    return Pair(one.parts + other.parts)


def subtracted(one: Operand, other: Operand, *, alpha: Number = 1) -> Pair:
    one, other = pair_of(one), pair_of(other if alpha == 1 else multiplied(other, alpha))
    return Pair(one.parts - other.parts)


def multiplied(one: Operand, other: Operand) -> Operand:
    if is_real(one) and is_real(other):
        return one * other
    if is_real(one) or is_real(other):
        pair, factor = (other, one) if is_real(one) else (one, other)
        return Pair(pair_of(pair).parts * each_part(factor))
    return bilinear(lambda one, other: one * other, pair_of(one), pair_of(other))


def bilinear(function: Callable[[Any, Any], Any], one: Operand, other: Operand) -> Pair:
    """A product of any kind, from that of real tensors."""
    if is_real(one):
        return Pair.of(function(one, other.real), function(one, other.imag))
    if is_real(other):
        return Pair.of(function(one.real, other), function(one.imag, other))
    real = function(one.real, other.real) - function(one.imag, other.imag)
    return Pair.of(real, function(one.real, other.imag) + function(one.imag, other.real))


def divided(one: Operand, other: Operand) -> Pair:
    if is_real(other):
        return Pair(pair_of(one).parts / each_part(other))
    other = pair_of(other)
    # Divided by the larger part first, so that no square overflows.
    scale = other.parts.abs().amax(-1, keepdim=True)
    scaled = Pair(other.parts / scale)
    quotient = multiplied(Pair(pair_of(one).parts / scale), conjugate(scaled))
    return Pair(quotient.parts / (scaled.parts * scaled.parts).sum(-1, keepdim=True))


def conjugate(x: Pair) -> Pair:
    return Pair.of(x.real, -x.imag)


def magnitude(x: Pair) -> torch.Tensor:
    import torch

    return torch.hypot(x.real, x.imag)


def angle(x: Pair) -> torch.Tensor:
    import torch

    return torch.atan2(x.imag, x.real)


def polar(size: torch.Tensor, angle: torch.Tensor) -> Pair:
    return Pair.of(size * angle.cos(), size * angle.sin())


def exponential(x: Pair) -> Pair:
    return polar(x.real.exp(), x.imag)


def logarithm(x: Pair) -> Pair:
    return Pair.of(magnitude(x).log(), angle(x))


def square_root(x: Pair) -> Pair:
    return polar(magnitude(x).sqrt(), angle(x) * 0.5)


def reciprocal(x: Pair) -> Pair:
    return divided(1, x)


def sine(x: Pair) -> Pair:
    return Pair.of(x.real.sin() * x.imag.cosh(), x.real.cos() * x.imag.sinh())


def cosine(x: Pair) -> Pair:
    return Pair.of(x.real.cos() * x.imag.cosh(), -x.real.sin() * x.imag.sinh())


def hyperbolic_sine(x: Pair) -> Pair:
    return Pair.of(x.real.sinh() * x.imag.cos(), x.real.cosh() * x.imag.sin())


def hyperbolic_cosine(x: Pair) -> Pair:
    return Pair.of(x.real.cosh() * x.imag.cos(), x.real.sinh() * x.imag.sin())


def hyperbolic_tangent(x: Pair) -> Pair:
    """1 - 2 / (exp(2x) + 1), which is what no overflow spoils."""
    return subtracted(1, divided(2, added(exponential(Pair(x.parts * 2)), 1)))


def sigmoid(x: Pair) -> Pair:
    return reciprocal(added(exponential(Pair(-x.parts)), 1))


def power(x: Operand, exponent: Operand) -> Operand:
    if isinstance(exponent, int) and 0 < abs(exponent) <= 8:
        found = functools.reduce(multiplied, [pair_of(x)] * abs(exponent))
        return found if exponent > 0 else reciprocal(found)
    return exponential(multiplied(exponent, logarithm(pair_of(x))))


def direction(x: Pair) -> Pair:
    """x / |x|, and 0 of 0."""
    import torch

    size = magnitude(x)
    return Pair(x.parts / torch.where(size == 0, 1.0, size).unsqueeze(-1))


def equal(one: Operand, other: Operand) -> torch.Tensor:
    return (pair_of(one).parts == pair_of(other).parts).all(-1)


def unequal(one: Operand, other: Operand) -> torch.Tensor:
    return (pair_of(one).parts != pair_of(other).parts).any(-1)


def is_nonzero(x: Pair) -> torch.Tensor:
    return (x.parts != 0).any(-1)


def is_infinite(x: Pair) -> torch.Tensor:
    return x.parts.isinf().any(-1)


def is_not_a_number(x: Pair) -> torch.Tensor:
    return x.parts.isnan().any(-1)


def vector_norm(
    x: Pair, order: Number = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> torch.Tensor:
    import torch

    return torch.linalg.vector_norm(magnitude(x), order, dim, keepdim)


def product(one: Operand, other: Operand) -> Pair:
    return bilinear(lambda one, other: one @ other, one, other)


def product_and_sum(
    summand: Operand, one: Operand, other: Operand, *, beta: Number = 1, alpha: Number = 1
) -> Pair:
    return added(multiplied(summand, beta), multiplied(product(one, other), alpha))


def convolution(x: Operand, weight: Operand, bias: Operand, *more: Any) -> Pair:
    import torch

    found = bilinear(lambda x, weight: torch.ops.aten.convolution(x, weight, None, *more), x, weight)
    if bias is None:
        return found
    return added(found, Pair(pair_of(bias).parts.view(-1, *[1] * len(more[0]), 2)))


# --- parts --------------------------------------------------------------------------------------


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


# --- movement -----------------------------------------------------------------------------------


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


# --- sums ---------------------------------------------------------------------------------------


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


# --- new tensors --------------------------------------------------------------------------------


def full(shape: Sequence[int], value: Operand, **options: Any) -> Pair:
    return Pair(pair_of(value).parts.expand([*shape, 2]))


def full_like(x: Operand, value: Operand, **options: Any) -> Pair:
    return full(x.shape, value)


def scalar(value: Operand, **options: Any) -> Pair:
    return pair_of(value)


PAIRED: Mapping[str, Callable[..., Any]] = {
    **dict.fromkeys(("aten.add.Tensor", "aten.add.Scalar"), added),
    **dict.fromkeys(("aten.sub.Tensor", "aten.sub.Scalar"), subtracted),
    **dict.fromkeys(("aten.mul.Tensor", "aten.mul.Scalar"), multiplied),
    **dict.fromkeys(("aten.div.Tensor", "aten.div.Scalar"), divided),
    **dict.fromkeys(("aten.eq.Tensor", "aten.eq.Scalar"), equal),
    **dict.fromkeys(("aten.ne.Tensor", "aten.ne.Scalar"), unequal),
    **dict.fromkeys(("aten.pow.Tensor_Scalar", "aten.pow.Tensor_Tensor", "aten.pow.Scalar"), power),
    **dict.fromkeys(
        ("aten._conj.default", "aten.conj_physical.default", "aten._conj_physical.default"), conjugate
    ),
    **dict.fromkeys(
        (
            *(
                "aten.clone.default",
                "aten.alias.default",
                "aten.detach.default",
                "aten.lift_fresh_copy.default",
            ),
            *("aten.resolve_conj.default", "aten.resolve_neg.default", "aten.contiguous.default"),
        ),
        copied,
    ),
    **dict.fromkeys(("aten.neg.default", "aten._neg_view.default"), lambda x: Pair(-x.parts)),
    **dict.fromkeys(
        ("aten.view.default", "aten.reshape.default", "aten._unsafe_view.default", "aten.view_copy.default"),
        viewed,
    ),
    **dict.fromkeys(("aten.mm.default", "aten.bmm.default", "aten.mv.default"), product),
    **dict.fromkeys(("aten.addmm.default", "aten.baddbmm.default", "aten.addmv.default"), product_and_sum),
    **dict.fromkeys(("aten.index.Tensor", "aten._unsafe_index.Tensor"), indexed),
    **dict.fromkeys(("aten.index_put.default", "aten._unsafe_index_put.default"), put),
    **dict.fromkeys(("aten.sum.default", "aten.sum.dim_IntList"), reduced("sum")),
    **dict.fromkeys(("aten.mean.default", "aten.mean.dim"), reduced("mean")),
    **dict.fromkeys(("aten.split.Tensor", "aten.split_with_sizes.default"), split),
    **dict.fromkeys(("aten.masked_fill.Scalar", "aten.masked_fill.Tensor"), filled),
    **{
        name: along(name)
        for name in (
            *("aten.select.int", "aten.slice.Tensor", "aten.squeeze.dim", "aten.squeeze.dims"),
            *("aten.flip.default", "aten.unbind.int", "aten.index_select.default", "aten.cumsum.default"),
        )
    },
    **{name: overwritten(name) for name in ("aten.slice_scatter.default", "aten.select_scatter.default")},
    **{
        name: part_by_part(name)
        for name in (
            "aten.tril.default",
            "aten.triu.default",
            "aten.diagonal.default",
            "aten.gather.default",
            "aten.roll.default",
            "aten.unfold.default",
        )
    },
    "aten.abs.default": magnitude,
    "aten.angle.default": angle,
    "aten.any.default": lambda x: is_nonzero(x).any(),
    "aten.cat.default": joined,
    "aten.complex.default": Pair.of,
    "aten.constant_pad_nd.default": padded,
    "aten.convolution.default": convolution,
    "aten.copy.default": copied_into,
    "aten.cos.default": cosine,
    "aten.cosh.default": hyperbolic_cosine,
    "aten.dot.default": product,
    "aten.embedding.default": embedded,
    "aten.exp.default": exponential,
    "aten.expand.default": expanded,
    "aten.full.default": full,
    "aten.full_like.default": full_like,
    "aten.imag.default": lambda x: x.imag,
    "aten.isinf.default": is_infinite,
    "aten.isnan.default": is_not_a_number,
    "aten.linalg_vector_norm.default": vector_norm,
    "aten.log.default": logarithm,
    "aten.permute.default": permuted,
    "aten.polar.default": polar,
    "aten.prod.dim_int": multiplied_along,
    "aten.real.default": lambda x: x.real,
    "aten.reciprocal.default": reciprocal,
    "aten.repeat.default": repeated,
    "aten.scalar_tensor.default": scalar,
    "aten.sgn.default": direction,
    "aten.sigmoid.default": sigmoid,
    "aten.sin.default": sine,
    "aten.sinh.default": hyperbolic_sine,
    "aten.sqrt.default": square_root,
    "aten.squeeze.default": squeezed,
    "aten.stack.default": stacked,
    "aten.t.default": lambda x: transposed(x, 0, 1) if x.rank == 2 else x,
    "aten._to_copy.default": converted,
    "aten.tanh.default": hyperbolic_tangent,
    "aten.transpose.int": transposed,
    "aten.unsqueeze.default": unsqueezed,
    "aten.view_as_complex.default": of_parts,
    "aten.view_as_real.default": parts_of,
    "aten.view.dtype": seen_as,
    "aten.where.self": chosen,
}
"""By ATen overload."""
