# SPDX-License-Identifier: Apache-2.0
"""From a tensor back to the tensors that it is a view of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .graph import ACALSimOp, ACALSimOpType
from .strides import Access

Producers = Mapping[str, ACALSimOp]


def viewed(name: str, producers: Producers) -> Iterator[str]:
    """The tensor itself, then the tensor that it is a view of, and so on back to one that is no view."""
    yield name
    while (op := producers.get(name)) is not None and op.op_type is ACALSimOpType.VIEW:
        name = op.inputs[0]
        yield name


def is_view(name: str, producers: Producers, access: Mapping[str, Access]) -> bool:
    """Whether a tensor is computed by a VIEW that copies nothing: it shares its operand's memory."""
    op = producers.get(name)
    return op is not None and op.op_type is ACALSimOpType.VIEW and access[name].storage != name


def source_of(name: str, producers: Producers, access: Mapping[str, Access]) -> str:
    """The tensor whose memory `name` shares through views alone; `name` itself where it is no view."""
    while is_view(name, producers, access):
        name = producers[name].inputs[0]
    return name
