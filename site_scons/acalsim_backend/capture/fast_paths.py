# SPDX-License-Identifier: Apache-2.0
"""Attention as PyTorch runs it without torch.compile, for Dynamo to trace.

In inference PyTorch takes fast paths through nn.TransformerEncoder, nn.TransformerEncoderLayer and
nn.MultiheadAttention. Their values are not those of the slow paths: an encoder leaves zeros where its padding
mask hides a position, and attention to nothing at all is NaN. Dynamo would trace the slow paths.
`follow_fast_paths` lets it trace what the fast ones compute; runs without torch.compile stay as they are.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@functools.cache
def follow_fast_paths() -> None:
    """Install the three functions below in torch.nn, once in a process."""
    import torch
    from torch.nn.modules import activation, transformer

    torch.compiler.substitute_in_graph(transformer._detect_is_causal_mask)(_is_causal)
    activation._is_make_fx_tracing = _blocking_tracing(activation._is_make_fx_tracing)
    torch.nn.TransformerEncoder.forward = _encoding(torch.nn.TransformerEncoder.forward)


def _is_causal(mask: Any, is_causal: bool | None = None, size: int | None = None) -> bool:
    """Whether the caller says that a mask is causal. PyTorch looks at the mask's values otherwise, which
    a graph cannot; with the mask itself attention computes the same."""
    return is_causal is True


def _blocking_tracing(original: Any) -> Any:
    """nn.MultiheadAttention asks this to keep traces off its fast path, and Dynamo always says yes."""

    def _is_make_fx_tracing() -> bool:
        return not traces() and original()

    return _is_make_fx_tracing


def traces() -> bool:
    """Whether Dynamo is tracing for torch.compile; torch.export keeps its own ways."""
    import torch

    return torch.compiler.is_dynamo_compiling() and not torch.compiler.is_exporting()


def _encoding(original: Any) -> Any:
    import torch.nn.functional as F

    @functools.wraps(original)
    def forward(
        self: Any,
        src: torch.Tensor,
        mask: torch.Tensor | None = None,
        src_key_padding_mask: torch.Tensor | None = None,
        is_causal: bool | None = None,
    ) -> torch.Tensor:
        if not traces() or mask is not None or not _takes_padding_out(self, src, src_key_padding_mask):
            return original(self, src, mask, src_key_padding_mask, is_causal)
        padding = F._canonical_mask(src_key_padding_mask, "src_key_padding_mask", None, "mask", src.dtype)
        return _without_padding(self, src, padding, is_causal is True)

    return forward


def _takes_padding_out(encoder: Any, src: torch.Tensor, padding: torch.Tensor | None) -> bool:
    """Whether nn.TransformerEncoder would make a nested tensor of `src`, if its mask allows."""
    import torch

    first = encoder.layers[0]
    return (
        padding is not None
        and torch.backends.mha.get_fastpath_enabled()
        and getattr(encoder, "use_nested_tensor", False)
        and not first.training
        and src.dim() == 3
        and not torch.is_autocast_enabled()
        and not (torch.is_grad_enabled() and any(each.requires_grad for each in (src, *first.parameters())))
    )


def _without_padding(encoder: Any, src: torch.Tensor, padding: torch.Tensor, is_causal: bool) -> torch.Tensor:
    """What nn.TransformerEncoder computes with a nested tensor: of each sequence as many positions as the mask
    leaves, zeros behind them. If it checks its mask, it does so only where these are the sequence's first."""
    import torch

    kept = padding.logical_not()
    inside = torch.arange(src.shape[1], device=src.device) < kept.sum(1, keepdim=True)
    hidden = inside.logical_not()
    if getattr(encoder, "mask_check", True):
        hidden = hidden & (inside == kept).all()
    else:
        padding = torch.zeros_like(padding).masked_fill(hidden, -torch.inf)
    output = src
    for layer in encoder.layers:
        output = layer(output, src_key_padding_mask=padding, is_causal=is_causal)
    output = output.masked_fill(hidden.unsqueeze(-1), 0.0)
    return output if encoder.norm is None else encoder.norm(output)
