# SPDX-License-Identifier: Apache-2.0
"""What is known of a graph's values before it runs: what only parameters, buffers and numbers in the code make.

Where shapes depend on such values, as those of x[mask] on a mask that is a buffer, the graph gets the values themselves.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import fx


class _Unknown:
    """Stands for a value that is not known."""


UNKNOWN = _Unknown()


class Known:
    """The values of a graph's nodes, as far as those of some of its placeholders tell them."""

    def __init__(self, placeholders: Mapping[fx.Node, Any] | None = None):
        self._values: dict[fx.Node, Any] = dict(placeholders or {})

    def of(self, value: Any) -> Any:
        """What a node, or whatever else is an argument of one, stands for."""
        from torch import fx

        if not isinstance(value, fx.Node):
            return value
        if value not in self._values:
            self._values[value] = self._computed(value)
        return self._values[value]

    def _computed(self, node: fx.Node) -> Any:
        from torch import fx

        if node.op not in ("call_function", "call_method") or any(map(_writes, node.users)) or _writes(node):
            return UNKNOWN
        known = {operand: self.of(operand) for operand in node.all_input_nodes}
        if any(each is UNKNOWN for each in known.values()) or _is_random(node):
            return UNKNOWN
        alone = fx.Graph()
        alone.output(alone.node_copy(node, lambda operand: alone.placeholder(operand.name)))
        return fx.Interpreter(fx.GraphModule({}, alone)).run(*known.values())


def with_known_shapes(gm: fx.GraphModule, values: Sequence[torch.Tensor]) -> fx.GraphModule:
    """The graph, where known values decide shapes, with those values; `values` are its arguments."""
    import torch
    from torch import fx
    from torch._subclasses.fake_tensor import unset_fake_temporarily

    if not any(_has_open_shape(node) for node in gm.graph.nodes):
        return gm
    graph = fx.Graph()
    graph.output(graph.graph_copy(gm.graph, {}))
    plain = fx.GraphModule(gm, graph)
    plain.meta.update(gm.meta)
    with unset_fake_temporarily(), torch.no_grad():
        known = Known(_constants(plain, values))
        for node in list(plain.graph.nodes):
            _settle(plain.graph, node, known)
    for node in plain.graph.nodes:
        node.meta.pop("unbacked_bindings", None)
    plain.recompile()
    return plain


def _constants(gm: fx.GraphModule, values: Sequence[torch.Tensor]) -> dict[fx.Node, Any]:
    """The placeholders of parameters and buffers that nothing writes to, with their values."""
    placeholders = [node for node in gm.graph.nodes if node.op == "placeholder"]
    written = {
        source for node in gm.graph.nodes if _writes(node) and node.args for source in _sources(node.args[0])
    }
    return {
        node: value
        for node, value in zip(placeholders, values, strict=True)
        if (node.meta.get("tensor_dict") or {}).get("_dynamo_static_input_type") and node not in written
    }


def _sources(node: Any) -> set[Any]:
    """All nodes that a node is made of, and it."""
    found, left = set(), [node]
    while left:
        each = left.pop()
        if each not in found and hasattr(each, "all_input_nodes"):
            found.add(each)
            left += each.all_input_nodes
    return found


def _settle(graph: fx.Graph, node: fx.Node, known: Known) -> None:
    """Put what is known in the place of a node whose shape, or number, PyTorch leaves open, or of what opens it."""
    if not _is_open(node):
        return
    if (value := known.of(node)) is not UNKNOWN:
        if isinstance(value, bool | int | float):
            _replace(graph, node, value)
        elif hasattr(value, "tolist"):
            _replace(graph, node, _constant(graph, node, value))
    elif _name(node) in _SETTLED:
        _SETTLED[_name(node)](graph, node, known)


def _settle_index(graph: fx.Graph, node: fx.Node, known: Known) -> None:
    """x[..., mask]: the places of a known mask in its stead."""
    x, place = node.args
    parts: list[Any] = []
    for part in place if isinstance(place, tuple) else (place,):
        value = known.of(part)
        is_mask = str(getattr(value, "dtype", "")) == "torch.bool" and value.dim() > 0
        places = (
            [_constant(graph, node, each) for each in value.nonzero(as_tuple=True)] if is_mask else [part]
        )
        parts += places
    node.args = (x, tuple(parts) if isinstance(place, tuple) or len(parts) != 1 else parts[0])


def _settle_selection(graph: fx.Graph, node: fx.Node, known: Known) -> None:
    """masked_select(x, mask)"""
    import torch

    x, mask = node.args
    value = known.of(mask)
    if value is not UNKNOWN:
        shape = torch.broadcast_shapes(x.meta["example_value"].shape, value.shape)  # type: ignore[union-attr]
        places = value.expand(shape).nonzero(as_tuple=True)
        constants = tuple(_constant(graph, node, each) for each in places)
        with graph.inserting_before(node):
            wide = graph.call_method("expand", (x, tuple(shape)))
            _replace(graph, node, graph.call_function(operator.getitem, (wide, constants)))


def _settle_repetition(graph: fx.Graph, node: fx.Node, known: Known) -> None:
    """repeat_interleave(x, repeats, dim)"""
    import torch

    x, repeats, *more = node.args
    dim, value = more[0] if more else node.kwargs.get("dim"), known.of(repeats)
    if isinstance(value, torch.Tensor):
        size = x.meta["example_value"].numel() if dim is None else x.meta["example_value"].shape[dim]  # type: ignore
        places = _constant(graph, node, torch.repeat_interleave(value.expand(size)))
        with graph.inserting_before(node):
            whole = graph.call_method("flatten", (x,)) if dim is None else x
            _replace(graph, node, graph.call_method("index_select", (whole, dim or 0, places)))


_SETTLED = {
    "getitem": _settle_index,
    "masked_select": _settle_selection,
    "repeat_interleave": _settle_repetition,
}
"""By the name of what is called."""


def _replace(graph: fx.Graph, node: fx.Node, value: Any) -> None:
    node.replace_all_uses_with(value)
    graph.erase_node(node)


def _constant(graph: fx.Graph, node: fx.Node, value: torch.Tensor) -> fx.Node:
    import torch

    with graph.inserting_before(node):
        made = graph.call_function(torch.tensor, (value.tolist(),), {"dtype": value.dtype})
        if 0 in value.shape:
            made = graph.call_method("reshape", (made, tuple(value.shape)))
    return made


def _has_open_shape(node: fx.Node) -> bool:
    value = node.meta.get("example_value")
    return any(not isinstance(size, int) for size in getattr(value, "shape", ()))


def _is_open(node: fx.Node) -> bool:
    import torch

    value = node.meta.get("example_value")
    return _has_open_shape(node) or isinstance(value, torch.SymInt | torch.SymFloat | torch.SymBool)


def _name(node: fx.Node) -> str:
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")


def _writes(node: fx.Node) -> bool:
    """Whether a call may write to its operands."""
    name = _name(node)
    if getattr(node.target, "__module__", "") == "_operator":
        return name == "setitem" or name in _IN_PLACE
    return name.endswith("_") and not name.endswith("__")


_IN_PLACE = {name.strip("_") for name in dir(operator) if name.startswith("__i")} - {"invert", "inv", "index"}
"""Of the module operator: iadd and its kin."""


def _is_random(node: fx.Node) -> bool:
    """Whether a call draws its result."""
    name = _name(node)
    return name.startswith(("rand", "normal", "bernoulli", "multinomial", "poisson", "dropout"))
