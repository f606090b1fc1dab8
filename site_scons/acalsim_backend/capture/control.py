# SPDX-License-Identifier: Apache-2.0
"""Control flow, attention with functions of the user's in it, and the user's own ops, as plain ops.

Dynamo leaves torch.cond, while_loop, map, scan and flex_attention in a graph as calls with subgraphs. A program
here is one list of ops: both branches of a cond are computed and one result is taken, loops are unrolled. It leaves
what torch.library.custom_op registered as a call, too, in whose place its Python body is traced. What cannot be said
so stays as it is; it has no row in the op table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .decompositions.experts import grouped_mm
from .rounds import rounds_of

if TYPE_CHECKING:
    from torch import fx

Plain = Callable[..., tuple[Any, ...]]


def plain(gm: fx.GraphModule) -> fx.GraphModule:
    """The graph with such calls as calls of functions that compute the same by plain ops."""
    from torch import fx

    if not any(_name(node) or _own_op(node) for node in gm.graph.nodes):
        return gm
    graph = fx.Graph()
    graph.output(graph.graph_copy(gm.graph, {}))
    found = fx.GraphModule(gm, graph)
    found.meta.update(gm.meta)
    for node in found.graph.nodes:
        function = _PLAIN[_name(node)](found, list(node.args)) if _name(node) else _body(node)
        if function is not None:
            node.target = function
            node.args = tuple(None if _is_graph(each) else each for each in node.args)
    return found


def _own_op(node: fx.Node) -> str:
    """`library::name` of the op of the user's that a node calls; empty if it calls none."""
    from torch._library.custom_ops import OPDEFS
    from torch._ops import OpOverload, OpOverloadPacket

    packet = node.target.overloadpacket if isinstance(node.target, OpOverload) else node.target
    name = packet._qualified_op_name if isinstance(packet, OpOverloadPacket) else ""
    return name if name in OPDEFS else ""


def _body(node: fx.Node) -> Callable[..., Any] | None:
    """What an op of the user's computes on a CPU; where that is not made of torch ops alone, the op itself."""
    from torch._library.custom_ops import OPDEFS

    name = _own_op(node)
    if not name:
        return None
    op: Any = node.target
    kernels = OPDEFS[name]._backend_fns
    kernel = _WRITTEN_ANEW.get(name) or kernels.get("cpu") or kernels.get(None)

    def body(*args: Any, **options: Any) -> Any:
        try:
            return kernel(*args, **options) if kernel else op(*args, **options)
        except Exception:
            return op(*args, **options)

    return body


def _name(node: fx.Node) -> str:
    """The name in `_PLAIN` of what a node calls; empty if it is not there."""
    from torch._ops import HigherOrderOperator

    name = node.target.name() if isinstance(node.target, HigherOrderOperator) else ""
    return name if name in _PLAIN else ""


def _is_graph(value: Any) -> bool:
    from torch import fx

    return isinstance(value, fx.Node) and value.op == "get_attr"


def _graph(gm: fx.GraphModule, node: Any) -> Plain:
    """A node's subgraph as a function whose ops keep their own lines."""
    from torch import fx

    inner = plain(gm.get_submodule(node.target))
    return lambda *values: fx.Interpreter(inner).run(*values)


def _cond(gm: fx.GraphModule, args: Sequence[Any]) -> Plain:
    when, otherwise = _graph(gm, args[1]), _graph(gm, args[2])

    def cond(condition: Any, _when: None, _otherwise: None, operands: Sequence[Any]) -> tuple[Any, ...]:
        import torch

        if not isinstance(condition, torch.Tensor):
            return when(*operands) if condition else otherwise(*operands)
        both = zip(when(*operands), otherwise(*operands), strict=True)
        return tuple(torch.where(condition.reshape(()), one, other) for one, other in both)

    return cond


def _map(gm: fx.GraphModule, args: Sequence[Any]) -> Plain:
    body = _graph(gm, args[0])

    def mapped(_body: None, tensors: Sequence[Any], more: Sequence[Any]) -> tuple[Any, ...]:
        import torch

        rows = zip(*(tensor.unbind(0) for tensor in tensors), strict=True)
        return tuple(map(torch.stack, zip(*(body(*row, *more) for row in rows), strict=True)))

    return mapped


def _scan(gm: fx.GraphModule, args: Sequence[Any]) -> Plain:
    combine = _graph(gm, args[0])

    def scan(
        _combine: None, carried: Sequence[Any], tensors: Sequence[Any], more: Sequence[Any]
    ) -> tuple[Any, ...]:
        import torch

        count, results = len(carried), []
        for row in zip(*(tensor.unbind(0) for tensor in tensors), strict=True):
            found = combine(*carried, *row, *more)
            carried = found[:count]
            results.append(found[count:])
        return (*carried, *map(torch.stack, zip(*results, strict=True)))

    return scan


def _while_loop(gm: fx.GraphModule, args: Sequence[Any]) -> Plain | None:
    rounds = rounds_of(gm, args)
    if rounds is None:
        return None
    body = _graph(gm, args[1])

    def while_loop(
        _condition: None, _body: None, carried: Sequence[Any], more: Sequence[Any]
    ) -> tuple[Any, ...]:
        for _ in range(rounds):
            carried = body(*carried, *more)
        return tuple(carried)

    return while_loop


def _flex_attention(gm: fx.GraphModule, args: Sequence[Any]) -> Plain:
    from torch._higher_order_ops.flex_attention import math_attention

    score, mask = _graph(gm, args[3]), _graph(gm, args[4][-1])

    def flex_attention(
        query: Any, key: Any, value: Any, _score: None, block_mask: Sequence[Any], *more: Any
    ) -> tuple[Any, ...]:
        return math_attention(query, key, value, score, (*block_mask[:-1], mask), *more)

    return flex_attention


_WRITTEN_ANEW = {"transformers::grouped_mm_fallback": grouped_mm}
"""Ops of libraries whose bodies look at values."""
_PLAIN: Mapping[str, Callable[[fx.GraphModule, Sequence[Any]], Plain | None]] = {
    "cond": _cond,
    "map_impl": _map,
    "scan": _scan,
    "while_loop": _while_loop,
    "flex_attention": _flex_attention,
}
"""By the name of the higher-order op."""
