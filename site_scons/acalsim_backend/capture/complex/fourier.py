# SPDX-License-Identifier: Apache-2.0
"""Fourier transforms of complex tensors as pairs, by products with constant matrices of sines and cosines."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from .pair import Pair, pair_of

if TYPE_CHECKING:
    import torch

MOST_REAL, MOST_COMPLEX = 512, 256
"""A transform of more elements is made of shorter ones, whose lengths are factors of its own."""
MOST_BYTES = 1 << 20
"""A larger matrix is made in blocks of columns: larger ones are not computed before the program runs (lower.py)."""


def real_to_complex(x: torch.Tensor, dim: Sequence[int], normalization: int, onesided: bool) -> Pair:
    """Over the last of the dimensions, whose second half, the first one's conjugate, may be left out; then the others."""
    *others, last = dim
    size = x.shape[last]
    scale = _scale(normalization, math.prod(x.shape[each] for each in dim))
    kept = size // 2 + 1 if onesided else size
    rows = x.movedim(last, -1)
    if size <= MOST_REAL:
        found = Pair(_product(rows, kept, 2, partial(_from_real, size, scale)).unflatten(-1, (kept, 2)))
    else:
        found = Pair(_transformed(pair_of(rows), -1, scale).parts[..., :kept, :])
    return _over(_moved(found, -1, last), others, -1, 1.0)


def complex_to_complex(x: Pair, dim: Sequence[int], normalization: int, forward: bool) -> Pair:
    scale = _scale(normalization, math.prod(x.shape[each] for each in dim))
    return _over(x, dim, -1 if forward else 1, scale)


def complex_to_real(x: Pair, dim: Sequence[int], normalization: int, last_dim_size: int) -> torch.Tensor:
    """The inverse of real_to_complex, of `last_dim_size` elements along the last of the dimensions."""
    *others, last = dim
    size = last_dim_size
    scale = _scale(normalization, size * math.prod(x.shape[each] for each in others))
    rows = _moved(_over(x, others, 1, 1.0), last, -1)
    kept = size // 2 + 1
    rows = Pair(rows.parts[..., :kept, :])
    if size <= MOST_REAL:
        found = _product(rows.parts.flatten(-2), size, 1, partial(_to_real, size, scale))
    else:
        mirrored = rows.parts[..., 1 : (size + 1) // 2, :].flip(-2)
        whole = Pair(_joined(rows, Pair.of(mirrored[..., 0], -mirrored[..., 1])))
        found = _transformed(whole, 1, scale).real
    return found.movedim(-1, last)


def _scale(normalization: int, count: int) -> float:
    """ATen's fft_norm_mode: none, by the root of the number of elements, by that number."""
    return (1.0, count**-0.5, 1 / count)[normalization]


def _moved(x: Pair, start: int, end: int) -> Pair:
    """movedim of a complex tensor."""
    rank = x.rank
    return Pair(x.parts.movedim(start % rank, end % rank))


def _joined(one: Pair, other: Pair) -> torch.Tensor:
    """One complex row behind the other, as parts."""
    import torch

    return torch.cat([one.parts, other.parts], -2)


def _over(x: Pair, dims: Sequence[int], sign: int, scale: float) -> Pair:
    """The transform over each of the dimensions; the sums are multiplied with `scale`."""
    for number, dim in enumerate(dims):
        found = _transformed(_moved(x, dim, -1), sign, scale if number == 0 else 1.0)
        x = _moved(found, -1, dim)
    return x


def _transformed(x: Pair, sign: int, scale: float) -> Pair:
    """y[k] = scale * sum over j of x[j] exp(sign 2 pi i j k / n), along the last dimension.

    With n = a b, j = b j1 + j2 and k = k1 + a k2 these are b transforms of length a over j1, a factor for each (k1, j2),
    and a transforms of length b over j2.
    """
    size = x.shape[-1]
    first = _factor(size)
    if size <= MOST_COMPLEX or first == 1:
        found = _product(x.parts.flatten(-2), size, 2, partial(_from_complex, size, sign, scale))
        return Pair(found.unflatten(-1, (size, 2)))
    second = size // first
    rows = Pair(x.parts.unflatten(-2, (first, second)).transpose(-3, -2))
    inner = _moved(_transformed(rows, sign, scale), -1, -2)
    cosine, sine = _circle(size, _outer(range(first), range(second), size), sign)
    turned = Pair.of(inner.real * cosine - inner.imag * sine, inner.real * sine + inner.imag * cosine)
    return Pair(_transformed(turned, sign, 1.0).parts.transpose(-3, -2).flatten(-3, -2))


def _factor(size: int) -> int:
    """The largest factor up to the root."""
    return next(each for each in range(math.isqrt(size), 0, -1) if size % each == 0)


def _product(
    x: torch.Tensor, count: int, width: int, matrix: Callable[[range], torch.Tensor]
) -> torch.Tensor:
    """x times the matrix of `count` results, `width` columns each; `matrix` makes the columns of some of them."""
    import torch

    most = max(1, MOST_BYTES // (4 * width * x.shape[-1]))
    blocks = [range(start, min(start + most, count)) for start in range(0, count, most)]
    parts = [x @ matrix(block) for block in blocks]
    return parts[0] if len(parts) == 1 else torch.cat(parts, -1)


def _outer(rows: range, columns: range, size: int) -> torch.Tensor:
    """j k modulo `size`, [rows, columns]."""
    import torch

    j, k = (torch.arange(each.start, each.stop, dtype=torch.int32) for each in (rows, columns))
    return j.unsqueeze(1) * k % size


def _circle(size: int, turns: torch.Tensor, sign: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosine and sine of sign 2 pi turns / size."""
    import torch

    angles = torch.arange(size, dtype=torch.float64) * (sign * 2 * math.pi / size)
    return angles.cos().to(torch.float32)[turns], angles.sin().to(torch.float32)[turns]


def _from_real(size: int, scale: float, kept: range) -> torch.Tensor:
    """The matrix from reals [size] to parts [kept 2]."""
    import torch

    return torch.stack(_circle(size, _outer(range(size), kept, size), -1), -1).flatten(-2) * scale


def _from_complex(size: int, sign: int, scale: float, kept: range) -> torch.Tensor:
    """The matrix from parts [size 2] to parts [kept 2]."""
    import torch

    cosine, sine = _circle(size, _outer(range(size), kept, size), sign)
    of_real, of_imag = torch.stack([cosine, sine], -1), torch.stack([-sine, cosine], -1)
    return torch.stack([of_real, of_imag], 1).view(2 * size, 2 * len(kept)) * scale


def _to_real(size: int, scale: float, kept: range) -> torch.Tensor:
    """The matrix from the first half's parts to reals [kept]: all but the first, and the middle, stand for their
    conjugates, too."""
    import torch

    half = range(size // 2 + 1)
    cosine, sine = _circle(size, _outer(half, kept, size), 1)
    place = torch.arange(len(half)).unsqueeze(1)
    weight = torch.where((place == 0) | (2 * place == size), scale, 2 * scale)
    return torch.stack([cosine * weight, -sine * weight], 1).view(2 * len(half), len(kept))
