# SPDX-License-Identifier: Apache-2.0
"""What ATen ops calculate of complex tensors, in ops of their real and imaginary parts.

Each function has the arguments of its ATen op, with a Pair in the place of a complex tensor, and returns what the op
does, Pairs again where that is complex. It returns NotImplemented for arguments that it does not know.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .pair import Number, Operand, Pair, each_part, is_real, pair_of

if TYPE_CHECKING:
    import torch


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
