# SPDX-License-Identifier: Apache-2.0
"""From core ATen ops to IR: constants computed, no-ops dropped, everything unsupported told at once."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import getitem
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CaptureError, IRError
from ..ir import ITEM_BYTES, ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from ..ops import ATEN, ROWS, Row
from .trace import trace

if TYPE_CHECKING:
    import torch
    from torch import fx

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
        """IR of a graph as Dynamo gives it to a backend, its parameters among `example_inputs`."""
        found: list[ACALSimIR] = []

        def finish(graph: fx.GraphModule, constants: dict[int, torch.Tensor]) -> Callable:
            found.append(self.lower(graph, constants, graph_name)[0])
            return lambda values: list(gm.forward(*values))

        trace(gm, example_inputs, finish)
        return found[0]

    def lower(
        self, gm: fx.GraphModule, constants: dict[int, torch.Tensor], graph_name: str = "graph_0"
    ) -> tuple[ACALSimIR, list[int]]:
        """IR of `gm`, and the positions of the arguments that are the IR's inputs.

        Ops whose operands are all constants are computed here. Raises CaptureError with one line for
        every op, dtype or shape that is not supported, each with the user's source line.
        """
        builder = _Builder(ACALSimIR(graph_name), constants, self.root, self.origin)
        for node in gm.graph.nodes:
            builder.add(node)
        if builder.complaints:
            raise CaptureError("\n".join(dict.fromkeys(builder.complaints)))
        try:
            ir = builder.ir.verify()
        except IRError as error:
            raise CaptureError(str(error)) from None
        if self.verbose:
            print(ir, end="")
        return ir, builder.arguments


class _Builder:
    """Walks one graph and collects tensors, ops and complaints.

    A node is known by its value while that is a constant (`_constants`), and by its tensor's name
    (`_names`) once it has one. Nothing is written twice in a graph, so a clone is its source.
    """

    def __init__(self, ir: ACALSimIR, constants: dict[int, torch.Tensor], root: Path, origin: str):
        self.ir, self.root, self.origin = ir, root, origin
        self.arguments: list[int] = []
        self.complaints: list[str] = []
        self._given = constants
        self._constants: dict[fx.Node, Any] = {}
        self._names: dict[fx.Node, str] = {}
        self._params: dict[tuple, str] = {}
        self._refused: set[fx.Node] = set()
        self._distorted: set[str] = set()
        """Dtypes and shapes that stand in the graph as something else, so that its ops can't be verified."""
        self._position = 0

    def add(self, node: fx.Node) -> None:
        {
            "placeholder": self._placeholder,
            "get_attr": self._get_attr,
            "call_function": self._call,
            "output": self._output,
        }[node.op](node)

    def _new(self, node: fx.Node, prefix: str, value: torch.Tensor, **roles) -> str:
        """Declare a tensor for a node under the next free number."""
        dtype = str(value.dtype).removeprefix("torch.")
        if dtype not in ITEM_BYTES:
            if dtype not in self._distorted:
                subject = f"input {len(self.arguments) - 1}" if node.op == "placeholder" else f"the result of {node.target}"
                self._complain(node, f"dtype {dtype} of {subject} is not supported; known are {', '.join(ITEM_BYTES)}")
            self._distorted.add(dtype)
            dtype = "float32"
        if not all(isinstance(size, int) for size in value.shape):
            self._complain(node, f"the shape {_shape(value)} of the result of {node.target} depends on values")
            self._distorted.add("shape")
        name = f"{prefix}_{len(self.ir.tensors)}"
        self.ir.add_tensor(TensorDesc(name, tuple(size if isinstance(size, int) else 0 for size in value.shape), dtype, **roles))
        return name

    def _placeholder(self, node: fx.Node) -> None:
        position, self._position = self._position, self._position + 1
        value = node.meta["val"]
        if position in self._given:
            self._constants[node] = self._given[position].detach()
        elif not hasattr(value, "shape"):
            self._complain(node, f"input '{node.name}' is a {type(value).__name__}, not a tensor of fixed shape")
        else:
            self.arguments.append(position)
            self._names[node] = self._new(node, "input", value, is_input=True)

    def _get_attr(self, node: fx.Node) -> None:
        value = node.graph.owning_module
        for part in node.target.split("."):
            value = getattr(value, part)
        self._constants[node] = value.detach()

    def _call(self, node: fx.Node) -> None:
        row = ATEN.get(str(node.target))
        if self._fold(node, row) or self._follows_refused(node):
            return
        if row is None:
            self._refuse_op(node)
        elif _changes_nothing(node, row):
            self._names[node] = self._name(node.all_input_nodes[0])
        else:
            self._add_op(node, row, *self._bind(node, row))

    def _add_op(self, node: fx.Node, row: Row, operands: tuple[str, ...], attrs: dict[str, Any]) -> None:
        output = self._names[node] = self._new(node, "t", node.meta["val"])
        name = f"{row.type.name.lower()}_{len(self.ir.ops)}"
        op = ACALSimOp(row.type, name, operands, (output,), attrs, source=self._source(node))
        try:
            if not self._distorted:
                row.verify(self.ir, op)
                op = replace(op, compute_cycles=row.work(self.ir, op))
        except IRError as error:
            self._refuse(node, str(error))
        self.ir.add_op(op)

    def _follows_refused(self, node: fx.Node) -> bool:
        """Whether a node only takes a refused node's results apart; the complaint about that one is enough."""
        refused = node.target is getitem and node.args[0] in self._refused
        if refused:
            self._refused.add(node)
            self._declare(node)
        return refused

    def _declare(self, node: fx.Node) -> None:
        """A tensor for a refused node, so that what comes after it is looked at too."""
        if hasattr(node.meta.get("val"), "shape"):
            self._names[node] = self._new(node, "t", node.meta["val"])

    def _fold(self, node: fx.Node, row: Row | None) -> bool:
        """Compute a node of constants now; True when done."""
        from torch import Tag
        from torch.fx.node import map_arg

        operands = node.all_input_nodes
        if not all(operand in self._constants for operand in operands) or Tag.nondeterministic_seeded in _tags(node):
            return False
        if row is not None and operands and _bytes(node) > max(FOLDED_BYTES, *map(_bytes, operands)):
            return False
        arguments, options = map_arg((node.args, node.kwargs), lambda operand: self._constants[operand])
        self._constants[node] = node.target(*arguments, **options)
        return True

    def _bind(self, node: fx.Node, row: Row) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Operand tensors in the row's order, and the attrs that differ from the schema's defaults."""
        from torch.fx import Node

        schema = {argument.name: argument for argument in node.target._schema.arguments}
        given = {**dict(zip(schema, node.args, strict=False)), **node.kwargs}
        numbers = {name: given[name] for name in row.operands if not isinstance(given[name], Node)}
        operands = tuple(self._name(given[name]) for name in row.operands if name not in numbers)
        attrs = {name: given[name] for name in row.attrs if name in given and given[name] != schema[name].default_value}
        if "shape" in row.attrs:
            attrs["shape"] = node.meta["val"].shape
        attrs = {name: list(value) if isinstance(value, list | tuple) else value for name, value in attrs.items()}
        return operands, {**numbers, **attrs}

    def _name(self, node: fx.Node) -> str:
        """The tensor of a node; a constant becomes a parameter at its first use."""
        if node not in self._names:
            value = self._constants[node]
            same = (value.data_ptr(), value.dtype, value.shape, value.stride(), node if not value.numel() else None)
            if same not in self._params:
                self._params[same] = self._new(node, "param", value, is_param=True)
                if str(value.dtype).removeprefix("torch.") in ITEM_BYTES:  # else refused, and numpy may not know it
                    self.ir.constants[self._params[same]] = value.resolve_conj().contiguous().numpy()
            self._names[node] = self._params[same]
        return self._names[node]

    def _output(self, node: fx.Node) -> None:
        for result in node.args[0]:
            if result is not None and result not in self._refused:
                name = self._own(result)
                self.ir.outputs.append(name)
                self.ir.tensors[name] = replace(self.ir.tensors[name], is_output=True)

    def _own(self, node: fx.Node) -> str:
        """The tensor of a result; an input or a parameter is copied, so that outputs have memory of their own."""
        name = self._name(node)
        desc = self.ir.tensors[name]
        if desc.is_input or desc.is_param:
            self._add_op(node, ROWS[ACALSimOpType.COPY], (name,), {})
        return self._names[node]

    def _source(self, node: fx.Node) -> str:
        """The user's line, `models/mlp.py:17`, relative to the root where it lies below it."""
        trace = node.meta.get("stack_trace") or ""
        frames = [frame for frame in re.findall(r'File "([^"]+)", line (\d+)', trace) if _is_users(frame[0])]
        if not frames:
            modules = [path for path, _ in (node.meta.get("nn_module_stack") or {}).values()]
            module = f"module {_module_path(modules[-1])}" if modules else ""
            return f"{self.origin} ({module})" if self.origin and module else self.origin or module
        path, line = frames[-1]
        relative = os.path.relpath(path, self.root)
        return f"{os.path.basename(path) if relative.startswith('..') else relative}:{line}"

    def _refuse_op(self, node: fx.Node) -> None:
        """Numbers computed from sizes are not worth a line: they follow from a shape that was complained of."""
        from torch._ops import OpOverload

        operands = [operand.meta.get("val") for operand in node.all_input_nodes]
        shapes = ", ".join(str(_shape(value)) for value in operands if hasattr(value, "shape"))
        if isinstance(node.target, OpOverload) and (shapes or not operands):
            self._complain(node, f"op {node.target} on {shapes or 'no tensors'} is not supported")
        self._refused.add(node)
        self._declare(node)

    def _refuse(self, node: fx.Node, what: str) -> None:
        self._refused.add(node)
        self._complain(node, what)

    def _complain(self, node: fx.Node, what: str) -> None:
        source = self._source(node)
        self.complaints.append(f"{what} (at {source})" if source and node.op != "placeholder" else what)


def _bytes(node: fx.Node) -> int:
    value = node.meta.get("val")
    return math.prod(_shape(value)) * value.element_size() if hasattr(value, "numel") and "?" not in _shape(value) else 0


def _shape(value: torch.Tensor) -> tuple[int | str, ...]:
    """The sizes; ? for one that is not known before the model runs."""
    return tuple(size if isinstance(size, int) else "?" for size in value.shape)


def _tags(node: fx.Node) -> Sequence[Any]:
    return getattr(node.target, "tags", ())


def _changes_nothing(node: fx.Node, row: Row) -> bool:
    """A copy, or a view or an expansion to the same shape."""
    source = node.all_input_nodes[0].meta["val"] if node.all_input_nodes else None
    harmless = row.is_view or row.type in (ACALSimOpType.COPY, ACALSimOpType.EXPAND)
    return harmless and _shape(source) == _shape(node.meta["val"])


def _is_users(path: str) -> bool:
    import torch

    return not any(Path(path).is_relative_to(folder) for folder in (Path(torch.__file__).parent, Path(__file__).parent))


def _module_path(text: str) -> str:
    """`L['self']._modules['0'].fc` -> `0.fc`"""
    path = re.sub(r"^L\['\w+'\]\.?", "", text)
    path = re.sub(r"_modules\['([^']+)'\]|\['?([^\]']+)'?\]", lambda m: f".{m[1] or m[2]}", path)
    return re.sub(r"\.+", ".", path).strip(".") or "itself"
