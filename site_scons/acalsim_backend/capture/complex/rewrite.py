# SPDX-License-Identifier: Apache-2.0
"""Complex tensors as real ones: a graph with complex64 tensors in, one without any out.

A complex tensor of shape [...] becomes a float32 tensor of shape [..., 2], its real and imaginary parts, as
torch.view_as_real has it; a `Pair` while ops are rewritten. `PAIRED`
says for each ATen overload what computes its results from Pairs. Each is traced on its own, and the ops that it consists of take the
place of the call in the graph.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from ..decompositions.table import decompositions
from .pair import Pair
from .table import PAIRED

if TYPE_CHECKING:
    import torch
    from torch import fx

REFUSED = "complex"
"""In a node's meta: it is a call of complex tensors that nothing computes."""


def without_complex(gm: fx.GraphModule) -> fx.GraphModule:
    """The same graph of the parts of its arguments (`as_real`); the graph itself where it has no complex tensor."""
    found = any(is_complex(node.meta.get("val")) for node in gm.graph.nodes)
    return _Rewriting(gm).result() if found else gm


def is_complex(value: Any) -> bool:
    """Whether that is a complex64 tensor, or several values with one among them."""
    import torch

    if isinstance(value, list | tuple):
        return any(map(is_complex, value))
    return isinstance(value, torch.Tensor) and value.dtype == torch.complex64


def as_real(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor that is not complex, or the parts of one that is."""
    import torch

    return torch.view_as_real(tensor.resolve_conj().resolve_neg()) if is_complex(tensor) else tensor


class _Rewriting:
    def __init__(self, gm: fx.GraphModule):
        from torch import fx

        self.gm, self.graph = gm, fx.Graph()
        self.values: dict[fx.Node, Any] = {}
        """For each node of the old graph: a node of the new one, or several."""

    def result(self) -> fx.GraphModule:
        from torch import fx

        for node in self.gm.graph.nodes:
            touched = [node.meta.get("val"), *(each.meta.get("val") for each in node.all_input_nodes)]
            if any(map(is_complex, touched)):
                self.values[node] = self._rewritten(node)
            else:
                self.values[node] = self._copied(node)
        return fx.GraphModule(self.gm, self.graph)

    def _copied(self, node: fx.Node) -> fx.Node:
        return self.graph.node_copy(node, lambda each: self.values[each])

    def _rewritten(self, node: fx.Node) -> Any:
        if node.op == "output":
            return self._copied(node)
        if node.op in ("placeholder", "get_attr"):
            copy = self._copied(node)
            if node.op == "get_attr":
                copy.target = self._real_attribute(str(node.target))
            copy.meta["val"] = _pair_like(node.meta["val"]).parts
            return copy
        if node.target is operator.getitem and isinstance(self.values[node.all_input_nodes[0]], tuple):
            return self.values[node.all_input_nodes[0]][node.args[1]]
        function = PAIRED.get(str(node.target))
        made = function and self._traced(node, function)
        if made is not None:
            return made
        copy = self._copied(node)
        copy.meta[REFUSED] = True
        return copy

    def _real_attribute(self, path: str) -> str:
        """The attribute of the module that has the parts of a complex constant."""
        value: Any = self.gm
        for part in path.split("."):
            value = getattr(value, part)
        name = f"{path.replace('.', '_')}_parts"
        self.gm.register_buffer(name, as_real(value.detach()), persistent=False)
        return name

    def _traced(self, node: fx.Node, function: Callable[..., Any]) -> Any:
        """The nodes of what the function makes of a call's arguments; None where it does not compute that."""
        from torch.fx.experimental.proxy_tensor import make_fx
        from torch.fx.node import map_arg
        from torch.utils import _pytree as pytree

        operands = node.all_input_nodes
        fakes = [self.values[each].meta.get("val") for each in operands]
        is_pair = [is_complex(each.meta.get("val")) for each in operands]
        shapes: list[Any] = []

        def call(*values: Any) -> list[torch.Tensor]:
            given = {
                each: Pair(value) if paired else value
                for each, value, paired in zip(operands, values, is_pair, strict=True)
            }
            args, kwargs = map_arg((node.args, node.kwargs), lambda each: given[each])
            found = function(*args, **kwargs)
            if found is NotImplemented:
                raise _Unknown
            leaves, shape = pytree.tree_flatten(found, is_leaf=lambda each: isinstance(each, Pair))
            shapes.append(shape)
            return [each.parts if isinstance(each, Pair) else each for each in leaves]

        try:
            with _fake_mode_of(node):
                traced = make_fx(call, decomposition_table=decompositions())(*fakes)
        except _Unknown:
            return None
        new: dict[fx.Node, fx.Node] = dict(
            zip(
                traced.graph.find_nodes(op="placeholder"),
                (self.values[each] for each in operands),
                strict=True,
            )
        )
        for each in traced.graph.nodes:
            if each.op == "call_function":
                new[each] = self.graph.node_copy(each, lambda old: new[old])
                new[each].meta = {**node.meta, "val": each.meta["val"]}
            elif each.op == "get_attr":
                new[each] = self._constant(each, traced)
        (output,) = traced.graph.find_nodes(op="output")
        results = [new[each] for each in output.args[0]]
        return pytree.tree_unflatten(results, shapes[0]) if len(results) > 1 else results[0]

    def _constant(self, node: fx.Node, traced: fx.GraphModule) -> fx.Node:
        """A tensor that a function made itself."""
        value = getattr(traced, str(node.target))
        name = f"{node.target}_{len(self.graph.nodes)}"
        self.gm.register_buffer(name, value, persistent=False)
        made = self.graph.get_attr(name)
        made.meta["val"] = value
        return made


class _Unknown(Exception):
    pass


def _pair_like(value: torch.Tensor) -> Pair:
    """A pair without values in the place of a complex tensor without values."""
    import torch

    return Pair(value.new_empty((*value.shape, 2), dtype=torch.float32))


def _fake_mode_of(node: fx.Node) -> Any:
    values = (each.meta.get("val") for each in (node, *node.all_input_nodes))
    modes = [value.fake_mode for value in values if hasattr(value, "fake_mode")]
    return modes[0] if modes else nullcontext()
