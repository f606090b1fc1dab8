# SPDX-License-Identifier: Apache-2.0
"""A complex tensor as two real ones."""

from __future__ import annotations

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
