# SPDX-License-Identifier: Apache-2.0
"""Control flow, and attention with functions of the user's in it, as plain ops.

Dynamo leaves torch.cond, while_loop, map, scan and flex_attention in a graph as calls with subgraphs. A program
here is one list of ops: both branches of a cond are computed and one result is taken, loops are unrolled. What
cannot be said so stays as it is; it has no row in the op table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .rounds import rounds_of

if TYPE_CHECKING:
    from torch import fx

Plain = Callable[..., tuple[Any, ...]]


def without_control_flow(gm: fx.GraphModule) -> fx.GraphModule:
    """The graph with such calls as calls of functions that compute the same by plain ops."""
    from torch import fx

    if not any(map(_name, gm.graph.nodes)):
        return gm
    graph = fx.Graph()
    graph.output(graph.graph_copy(gm.graph, {}))
    plain = fx.GraphModule(gm, graph)
    plain.meta.update(gm.meta)
    for node in plain.graph.nodes:
        function = _PLAIN[_name(node)](plain, list(node.args)) if _name(node) else None
        if function is not None:
            node.target = function
            node.args = tuple(None if _is_graph(each) else each for each in node.args)
    return plain


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

    inner = without_control_flow(gm.get_submodule(node.target))
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


_PLAIN: Mapping[str, Callable[[fx.GraphModule, Sequence[Any]], Plain | None]] = {
    "cond": _cond,
    "map_impl": _map,
    "scan": _scan,
    "while_loop": _while_loop,
    "flex_attention": _flex_attention,
}
"""By the name of the higher-order op."""
