# SPDX-License-Identifier: Apache-2.0
"""capture.json and intermediates.json: where tensors lie in a captured model's files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..alignment import aligned
from ..doors import FLAT
from ..ir.graph import HALVES

PRECISIONS = ("float32", "int8", *HALVES)
"""What a model may be captured in."""


@dataclass(frozen=True)
class StoredTensor:
    """`size_bytes` at byte `offset` of one of the capture's files."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    size_bytes: int


def sample_bytes(rows: Sequence[StoredTensor]) -> int:
    """How far behind a sample's bytes the next one's are."""
    return aligned(max((row.offset + row.size_bytes for row in rows), default=0))


@dataclass(frozen=True)
class QuantisedOp:
    """An op that computes in int8: its input's scale, 0 where it is computed when the model runs, and its own error,
    which is max|y - ref| / max|ref| of an exact input."""

    op: str
    input_scale: float
    max_rel_error: float


@dataclass(frozen=True)
class QuantisedTensor:
    """A tensor that PyTorch knows otherwise: it holds the values of tensor `of`, divided by `scale`."""

    name: str
    of: str
    scale: float


@dataclass(frozen=True)
class Quantised:
    """What quantisation did."""

    ops: tuple[QuantisedOp, ...]
    tensors: tuple[QuantisedTensor, ...]


@dataclass(frozen=True)
class Narrowed:
    """What was made a half type, and which half types there are."""

    tensors: tuple[QuantisedTensor, ...]
    types: tuple[str, ...] = ("bfloat16",)


@dataclass(frozen=True)
class Origin:
    """What a graph came from: digests of the model's source and of its parameters, and PyTorch's version."""

    model_sha256: str
    weights_sha256: str
    torch: str


@dataclass(frozen=True, kw_only=True)
class CaptureFile:
    """capture.json. `tolerance` is the largest max_rel_error that passes. The rows of inputs and outputs are those of
    the first sample; in the same files each further one has as much, behind the one before."""

    origin: Origin = field(metadata=FLAT)
    tolerance: float
    quantised: Quantised | None = None
    narrowed: Narrowed | None = None
    weights: tuple[StoredTensor, ...]
    inputs: tuple[StoredTensor, ...]
    outputs: tuple[StoredTensor, ...]
    samples: int = 1


@dataclass(frozen=True)
class IntermediatesFile:
    """intermediates.json: what PyTorch computed at every op."""

    tensors: tuple[StoredTensor, ...]
