# SPDX-License-Identifier: Apache-2.0
"""PyTorch's tensors as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..ir.constants import Bits
from ..ir.graph import HALVES
from .complex.rewrite import as_real

if TYPE_CHECKING:
    import torch


def half_of(value: Any) -> str | None:
    """The half type that a tensor is of. A graph has float32 in its place until all of it is known; see narrow.py."""
    name = str(getattr(value, "dtype", "")).removeprefix("torch.")
    return name if name in HALVES else None


def array_of(tensor: torch.Tensor) -> Any:
    """Its values as numpy has them: half types as float32, a complex tensor as its parts."""
    tensor = as_real(tensor.detach())
    return (tensor.float() if half_of(tensor) else tensor).contiguous().numpy()


def constant_of(tensor: torch.Tensor) -> Any:
    """Its values as a graph holds them: half types as their bits."""
    import torch

    half = half_of(tensor)
    if half is None:
        return array_of(tensor)
    return Bits(tensor.detach().contiguous().view(torch.uint16).numpy(), half)
