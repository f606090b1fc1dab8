# SPDX-License-Identifier: Apache-2.0
"""as_strided and its kin, which say where elements lie in memory: as ops on tensors that lie densely.

Every tensor of the IR is dense and row-major. In PyTorch the tensor that owns the memory may lie otherwise
(channels last, transposed), and the one that as_strided is called on may be a view of it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..ir.graph import ACALSimOpType
from .builder import Builder, call_of, shape_of

if TYPE_CHECKING:
    import torch
    from torch import fx

T = ACALSimOpType


def strided(builder: Builder, node: fx.Node) -> None:
    """aten.as_strided and as_strided_copy: elements out of the memory of the tensor that owns it."""
    given = builder.given(node)
    owner = owner_of(given["self"])
    lying, order = owner.meta["val"], _order(owner.meta["val"])
    size, stride, offset = list(given["size"]), list(given["stride"]), _offset(given, lying)
    last = offset + sum((count - 1) * step for count, step in zip(size, stride, strict=True))
    if order is None or offset < 0 or last >= lying.numel():
        builder.refuse(node, _refusal(owner))
        builder.declare(node)
        return
    name = _permuted(builder, node, builder.name(owner), order)
    if [offset, *stride] != [0, *_dense(size)] or math.prod(size) != lying.numel():
        attrs = {"size": size, "stride": stride, **({"storage_offset": offset} if offset else {})}
        builder.add_op(node, T.AS_STRIDED, (name,), attrs)
    elif list(builder.ir.tensors[name].shape) == size:
        builder.names[node] = name
    else:
        builder.add_op(node, T.VIEW, (name,), {"shape": size})


def _offset(given: dict[str, Any], lying: torch.Tensor) -> int:
    """How far behind the first element of `lying` as_strided begins."""
    offset = given.get("storage_offset")
    return (given["self"].meta["val"].storage_offset() if offset is None else offset) - lying.storage_offset()


def strided_scatter(builder: Builder, node: fx.Node) -> None:
    """aten.as_strided_scatter: the tensor, with `src` written to the places that as_strided would read."""
    import torch

    given, value = builder.given(node), node.meta["val"]
    order = _order(given["self"].meta["val"])
    places = _places(given["size"], given["stride"], _offset(given, given["self"].meta["val"]))
    if order is None or not all(0 <= place < value.numel() for place in places):
        builder.refuse(node, _refusal(given["self"]))
        builder.declare(node)
        return
    if len(set(places)) < len(places):
        builder.refuse(node, "writing to elements that as_strided has twice is not supported")
        builder.declare(node)
        return
    size = [value.numel()]
    name = _permuted(builder, node, builder.name(given["self"]), order)
    turned = builder.ir.tensors[name].shape
    name = builder.step(node, T.VIEW, name, size, {"shape": size})
    source = builder.step(node, T.VIEW, builder.name(given["src"]), [len(places)], {"shape": [len(places)]})
    indices = builder.param(node, torch.tensor(places))
    name = builder.step(node, T.INDEX_PUT, name, size, {"dims": [0]}, more=(source, indices))
    name = builder.step(node, T.VIEW, name, turned, {"shape": list(turned)})
    builder.names[node] = _permuted(builder, node, name, [order.index(dim) for dim in range(len(order))])


def _refusal(owner: fx.Node) -> str:
    value = owner.meta["val"]
    return (
        f"as_strided of memory that {shape_of(value)} with strides {tuple(value.stride())} does not cover "
        "is not supported"
    )


def read_as_they_lie(graph: fx.Graph) -> set[fx.Node]:
    """The nodes whose memory some as_strided of the graph reads or writes."""
    calls = (node for node in graph.nodes if "as_strided" in str(node.target))
    return {owner_of(call.all_input_nodes[0]) for call in calls}


def owner_of(node: fx.Node) -> fx.Node:
    """The node whose memory a node's value lies in."""
    while _is_view(node):
        node = call_of(node).all_input_nodes[0]
    return node


def _is_view(node: fx.Node) -> bool:
    schema: Any = getattr(call_of(node).target, "_schema", None)
    returns: Sequence[Any] = schema.returns if schema else ()
    return bool(returns) and returns[0].alias_info is not None


def _order(value: torch.Tensor) -> list[int] | None:
    """The dimensions in the order in which they lie in memory; None where other elements lie between."""
    strides, sizes = value.stride(), value.shape
    order = sorted(range(value.dim()), key=lambda dim: (-strides[dim], dim))
    expected = 1
    for dim in reversed([dim for dim in order if sizes[dim] != 1]):
        if strides[dim] != expected:
            return None
        expected *= sizes[dim]
    return order


def _permuted(builder: Builder, node: fx.Node, name: str, order: Sequence[int]) -> str:
    if list(order) == sorted(order):
        return name
    shape = [builder.ir.tensors[name].shape[dim] for dim in order]
    return builder.step(node, T.PERMUTE, name, shape, {"dims": list(order)})


def _dense(size: Sequence[int]) -> list[int]:
    """The strides of a row-major tensor."""
    return [math.prod(size[dim + 1 :]) for dim in range(len(size))]


def _places(size: Sequence[int], stride: Sequence[int], offset: int) -> list[int]:
    """Where each element of an as_strided lies, in order."""
    steps: Any = [[index * step for index in range(count)] for count, step in zip(size, stride, strict=True)]
    return [offset + sum(place) for place in itertools.product(*steps)]
