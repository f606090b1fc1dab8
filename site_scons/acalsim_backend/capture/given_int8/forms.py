# SPDX-License-Identifier: Apache-2.0
"""What a builder knows of the int8 in a model that was quantised before it came here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import fx


@dataclass(frozen=True)
class Int8Form:
    """What a parameter's values are multiples of: `values` times `scales`, one a place along `dim`, or one of all."""

    values: Any
    scales: Any
    dim: int | None


@dataclass
class GivenInt8:
    """Of the nodes and the parameters of one graph."""

    unsigned: dict[fx.Node, str] = field(default_factory=dict)
    """The int8 tensors of nodes of uint8, which hold 128 less."""
    chosen: dict[fx.Node, tuple[str, str]] = field(default_factory=dict)
    """The float32 tensors of scale and zero point that a call chooses when the model runs."""
    computed: dict[fx.Node, str] = field(default_factory=dict)
    """These by the nodes that take the results of such calls."""
    params: dict[str, Int8Form] = field(default_factory=dict)
    _whole: dict[int, tuple[Any, Any, Any, int | None]] = field(default_factory=dict)
    """By where a constant's values lie: itself, the int8 that it was made of, the scales, and their dimension."""

    def note(self, value: torch.Tensor, int8: torch.Tensor, scales: Any, axis: int | None) -> None:
        """Keep of a constant what it was dequantised from."""
        self._whole[value.data_ptr()] = value, int8, scales, axis

    def name(self, name: str, value: torch.Tensor) -> None:
        """A parameter has been made of a constant, or of a view of one."""
        if value.data_ptr() not in self._whole:
            return
        whole, int8, scales, axis = self._whole[value.data_ptr()]
        walks = list(zip(value.stride(), value.shape, strict=True))
        along = None if axis is None else (whole.stride(axis), whole.shape[axis])
        dim = walks.index(along) if along in walks else None
        values = int8.as_strided(value.shape, value.stride(), value.storage_offset()).contiguous()
        self.params[name] = Int8Form(values.numpy(), scales.reshape(-1), dim)
