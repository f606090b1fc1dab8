# SPDX-License-Identifier: Apache-2.0
"""From core ATen ops to IR: constants computed, no-ops dropped, everything unsupported told at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import getitem
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CaptureError, IRError
from ..ir.graph import ACALSimIR, ACALSimOpType
from ..ir.ops import ATEN
from ..ir.row import Row
from ..ir.verify import verify
from .builder import Builder, bytes_of, call_of, is_empty, is_number, shape_of, target_name
from .complex.rewrite import REFUSED, as_real, without_complex
from .fold import fold_affine
from .given_int8.adopt import adopt
from .given_int8.lower import DEQUANTIZING, note
from .masks import read_masks
from .rewrites import REWRITTEN
from .rules import split_sizes
from .scalars import calculate
from .sources import Sources
from .trace import is_from_dynamo, trace, trace_module

if TYPE_CHECKING:
    import torch
    from torch import fx

T = ACALSimOpType
FOLDED_BYTES = 1 << 20
"""A constant expression whose result is larger than its operands is folded up to this size."""


class ACALSimCompiler:
    """Turns graphs of core ATen ops into IR.

    Source lines are given relative to `root`; `origin` stands before the module's path where an op
    has no line of the user's, as in nn.Sequential: `models/mlp.py (module 0)`.
    """

    def __init__(self, verbose: bool = False, root: Path | None = None, origin: str = ""):
        self.verbose = verbose
        self.root = root or Path.cwd()
        self.origin = origin

    def compile(
        self, gm: fx.GraphModule, example_inputs: Sequence[torch.Tensor], graph_name: str = "graph_0"
    ) -> ACALSimIR:
        """IR of a graph as Dynamo gives it to a backend, its parameters among `example_inputs`.

        A module of fx.symbolic_trace, which has its parameters itself, is given to Dynamo first.
        """
        found: list[ACALSimIR] = []

        def finish(graph: fx.GraphModule, constants: dict[int, torch.Tensor]) -> Callable[..., Any]:
            found.append(self.lower(graph, constants, graph_name)[0])
            return lambda values: list(graph.forward(*values))

        if is_from_dynamo(gm):
            trace(gm, example_inputs, finish)
        else:
            trace_module(gm, example_inputs, finish)
        return found[0]

    def lower(
        self, gm: fx.GraphModule, constants: dict[int, torch.Tensor], graph_name: str = "graph_0"
    ) -> tuple[ACALSimIR, list[int], dict[str, str]]:
        """IR of `gm`, the positions of the arguments that are its inputs, and its tensors by the names of the
        nodes of `without_complex(gm)`.

        Ops whose operands are all constants are computed here. Raises CaptureError with one line for
        every op, dtype or shape that is not supported, each with the user's source line.
        """
        builder = self.builder(graph_name)
        self.walk(builder, gm, constants)
        ir = self.finish(builder)
        adopt(ir, builder.given_int8.params)
        names = {node.name: name for node, name in builder.names.items() if name in ir.tensors}
        return ir, builder.arguments, names

    def builder(self, graph_name: str = "graph_0") -> Builder:
        """Of an IR that graphs are added to."""
        return Builder(ACALSimIR(graph_name), Sources(self.root, self.origin))

    @staticmethod
    def walk(builder: Builder, gm: fx.GraphModule, constants: dict[int, torch.Tensor]) -> None:
        """Add a graph's ops. What is not supported is complained of in `finish`."""
        parts = {position: as_real(tensor) for position, tensor in constants.items()}
        _Walk(builder, parts).over(without_complex(gm))

    def finish(self, builder: Builder) -> ACALSimIR:
        """The IR as it is when nothing is added to it any more."""
        if builder.complaints:
            raise CaptureError("\n".join(dict.fromkeys(builder.complaints)))
        try:
            fold_affine(verify(builder.ir))
            read_masks(builder.ir)
            ir = verify(builder.ir)
        except IRError as error:
            raise CaptureError(str(error)) from None
        if self.verbose:
            print(ir, end="")
        return ir


class _Walk:
    """Gives a graph's nodes to a builder, one after the other."""

    def __init__(self, builder: Builder, constants: dict[int, torch.Tensor]):
        self.builder = builder
        self._given = constants
        self._position = 0

    def over(self, gm: fx.GraphModule) -> None:
        for node in _live(gm):
            match node.op:
                case "placeholder":
                    self._placeholder(node)
                case "get_attr":
                    self.builder.constants[node] = _attribute(gm, str(node.target))
                case "call_function":
                    self._call(node)
                case "output":
                    self._output(node)

    def _placeholder(self, node: fx.Node) -> None:
        builder, value = self.builder, node.meta["val"]
        position, self._position = self._position, self._position + 1
        if position in self._given:
            builder.constants[node] = self._given[position].detach()
        elif not hasattr(value, "shape"):
            kind = type(value).__name__
            builder.complain(node, f"input '{node.name}' is a {kind}, not a tensor of fixed shape")
        elif is_empty(value):
            builder.constants[node] = _nothing(value)
        else:
            builder.arguments.append(position)
            builder.names[node] = builder.new(node, "input", value, is_input=True)

    def _call(self, node: fx.Node) -> None:
        builder, name = self.builder, target_name(node)
        row = ATEN.get(name)
        if node in builder.names:  # as an op before it has said
            return
        if self._fold(node, row) or self._follows_refused(node) or _has_parts(node):
            return
        if REFUSED in node.meta:
            builder.refuse(node, f"op {name} of complex tensors is not supported")
            builder.declare(node)
        elif node.target is getitem:
            self._part(node)
        elif name in REWRITTEN:
            REWRITTEN[name](builder, node)
        elif row is None:
            if not (is_number(node.meta.get("val")) and calculate(builder, node)):
                builder.refuse_op(node)
        elif _changes_nothing(node, row):
            builder.names[node] = builder.name(node.all_input_nodes[0])
        else:
            builder.add_call(node, row)

    def _part(self, node: fx.Node) -> None:
        builder, call = self.builder, call_of(node)
        number: Any = node.args[1]
        name = f"{call.target}#{number}"
        if name in REWRITTEN:
            REWRITTEN[name](builder, node)
        elif name in ATEN:
            builder.add_call(node, ATEN[name])
        elif (split := split_sizes(call)) is not None:
            dim, sizes = split
            start, whole = sum(sizes[:number]), (builder.name(call.all_input_nodes[0]),)
            if sizes:
                bounds = {"dim": dim, "start": start, "end": start + sizes[number]}
                builder.add_op(node, T.SLICE, whole, bounds)
            else:
                builder.add_op(node, T.SELECT, whole, {"dim": dim, "index": number})
        else:
            builder.refuse(node, f"result {number} of op {call.target} is not supported")
            builder.declare(node)

    def _follows_refused(self, node: fx.Node) -> bool:
        """Whether a node only takes a refused node's results apart; the complaint about that one is enough."""
        refused = node.target is getitem and node.args[0] in self.builder.refused
        if refused:
            self.builder.refused.add(node)
            self.builder.declare(node)
        return refused

    def _fold(self, node: fx.Node, row: Row | None) -> bool:
        """Compute a node of constants now, or one without elements; True when done."""
        from torch import Tag
        from torch.fx.node import map_arg

        constants, operands = self.builder.constants, node.all_input_nodes
        if is_empty(node.meta.get("val")):
            constants[node] = _nothing(node.meta["val"])
            return True
        if not all(operand in constants for operand in operands) or Tag.nondeterministic_seeded in _tags(
            node
        ):
            return False
        if row is not None and operands and bytes_of(node) > max(FOLDED_BYTES, *map(bytes_of, operands)):
            return False
        function: Any = node.target
        given, options = map_arg((node.args, node.kwargs), lambda operand: constants[operand])
        try:
            constants[node] = function(*given, **options)
        except Exception as error:
            text = " ".join(str(error).split())
            self.builder.refuse(node, f"op {target_name(node)} raised {type(error).__name__}: {text}")
            self.builder.declare(node)
        else:
            if target_name(node).startswith(DEQUANTIZING):
                note(self.builder, node, constants[node])
        return True

    def _output(self, node: fx.Node) -> None:
        builder, results = self.builder, node.args[0]
        assert isinstance(results, list | tuple)
        for result in results:
            if hasattr(result, "meta") and result not in builder.refused:
                name = self._own(result)
                builder.ir.outputs.append(name)
                builder.ir.tensors[name] = replace(builder.ir.tensors[name], is_output=True)

    def _own(self, node: fx.Node) -> str:
        """The tensor of a result; an input or a parameter is copied, so that outputs have memory of their own."""
        name = self.builder.name(node)
        desc = self.builder.ir.tensors[name]
        if desc.is_input or desc.is_param:
            self.builder.add_op(node, T.COPY, (name,), {})
        return self.builder.names[node]


def _live(gm: fx.GraphModule) -> list[fx.Node]:
    """The nodes that results are computed from, and all inputs. PyTorch has held the example inputs to what
    the model asserts, so that assertions, and what only they read, are left out."""
    live: set[fx.Node] = set()
    for node in reversed(gm.graph.nodes):
        if node.op in ("placeholder", "output") or node in live:
            live.update((node, *node.all_input_nodes))
    return [node for node in gm.graph.nodes if node in live]


def _attribute(gm: fx.GraphModule, path: str) -> Any:
    value: Any = gm
    for part in path.split("."):
        value = getattr(value, part)
    return value.detach() if hasattr(value, "detach") else value


def _nothing(value: Any) -> torch.Tensor:
    """The tensor without elements that `value` stands for."""
    import torch

    return torch.empty(value.shape, dtype=value.dtype)


def _has_parts(node: fx.Node) -> bool:
    """Whether a call has several results, which are ops of their own where they are taken."""
    first = f"{node.target}#0"
    return (
        first in ATEN or first in REWRITTEN or (node.target is not getitem and split_sizes(node) is not None)
    )


def _tags(node: fx.Node) -> Sequence[Any]:
    return getattr(node.target, "tags", ())


def _changes_nothing(node: fx.Node, row: Row) -> bool:
    """A copy, a view or an expansion to the same shape, or a border of no width."""
    if row.type is T.PAD and not any(node.args[1]):  # type: ignore[arg-type]
        return True
    source: Any = node.all_input_nodes[0].meta["val"] if node.all_input_nodes else None
    if row.type not in (T.VIEW, T.COPY, T.EXPAND, T.CAST) or not hasattr(source, "shape"):
        return False
    return shape_of(source) == shape_of(node.meta["val"]) and source.dtype == node.meta["val"].dtype
