# SPDX-License-Identifier: Apache-2.0
"""From core ATen ops to IR: constants computed, no-ops dropped, everything unsupported told at once."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from operator import getitem
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CaptureError, IRError
from ..ir.graph import ITEM_BYTES, ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from ..ir.ops import ATEN, ROWS
from ..ir.row import Row
from ..ir.verify import verify
from .fold import fold_affine
from .rules import RULES, WITHOUT_EFFECT, arguments, plain, repeated, split_sizes
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
    ) -> tuple[ACALSimIR, list[int], dict[str, str]]:
        """IR of `gm`, the positions of the arguments that are its inputs, and its tensors by the names of `gm`'s nodes.

        Ops whose operands are all constants are computed here. Raises CaptureError with one line for
        every op, dtype or shape that is not supported, each with the user's source line.
        """
        builder = _Builder(ACALSimIR(graph_name), constants, self.root, self.origin)
        for node in gm.graph.nodes:
            builder.add(node)
        if builder.complaints:
            raise CaptureError("\n".join(dict.fromkeys(builder.complaints)))
        try:
            fold_affine(verify(builder.ir))
            ir = verify(builder.ir)
        except IRError as error:
            raise CaptureError(str(error)) from None
        if self.verbose:
            print(ir, end="")
        return (
            ir,
            builder.arguments,
            {node.name: name for node, name in builder.names.items() if name in ir.tensors},
        )


class _Builder:
    """Walks one graph and collects tensors, ops and complaints.

    A node is known by its value while that is a constant (`_constants`), and by its tensor's name
    (`names`) once it has one. Nothing is written twice in a graph, so a clone is its source.
    """

    def __init__(self, ir: ACALSimIR, constants: dict[int, torch.Tensor], root: Path, origin: str):
        self.ir, self.root, self.origin = ir, root, origin
        self.arguments: list[int] = []
        self.complaints: list[str] = []
        self._given = constants
        self._constants: dict[fx.Node, Any] = {}
        self.names: dict[fx.Node, str] = {}
        self._params: dict[tuple, str] = {}
        self._kept: list[torch.Tensor] = []
        """So that no other value comes to lie where one of `_params` was."""
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
                subject = (
                    f"input {len(self.arguments) - 1}"
                    if node.op == "placeholder"
                    else f"the result of {node.target}"
                )
                self._complain(
                    node, f"dtype {dtype} of {subject} is not supported; known are {', '.join(ITEM_BYTES)}"
                )
            self._distorted.add(dtype)
            dtype = "float32"
        if not all(isinstance(size, int) for size in value.shape):
            self._complain(
                node, f"the shape {_shape(value)} of the result of {node.target} depends on values"
            )
            self._distorted.add("shape")
        name = f"{prefix}_{len(self.ir.tensors)}"
        self.ir.add_tensor(
            TensorDesc(
                name, tuple(size if isinstance(size, int) else 0 for size in value.shape), dtype, **roles
            )
        )
        return name

    def _placeholder(self, node: fx.Node) -> None:
        position, self._position = self._position, self._position + 1
        value = node.meta["val"]
        if position in self._given:
            self._constants[node] = self._given[position].detach()
        elif not hasattr(value, "shape"):
            self._complain(
                node, f"input '{node.name}' is a {type(value).__name__}, not a tensor of fixed shape"
            )
        else:
            self.arguments.append(position)
            self.names[node] = self._new(node, "input", value, is_input=True)

    def _get_attr(self, node: fx.Node) -> None:
        value = node.graph.owning_module
        for part in node.target.split("."):
            value = getattr(value, part)
        self._constants[node] = value.detach()

    def _call(self, node: fx.Node) -> None:
        name = str(node.target)
        row = ATEN.get(name)
        if self._fold(node, row) or self._follows_refused(node) or self._has_parts(node):
            return
        if node.target is getitem:
            self._part(node, *node.args)
        elif name in _REWRITTEN:
            _REWRITTEN[name](self, node)
        elif row is None:
            self._refuse_op(node)
        elif _changes_nothing(node, row):
            self.names[node] = self._name(node.all_input_nodes[0])
        else:
            self._bound(node, node, row)

    def _bound(self, node: fx.Node, call: fx.Node, row: Row) -> None:
        """Add the op of `call`, of which `node` is the result."""
        bound = self._bind(call, row)
        if bound:
            self._add_op(node, row, *bound)

    def _has_parts(self, node: fx.Node) -> bool:
        """Whether a call has several results, which are ops of their own where they are taken."""
        return f"{node.target}#0" in ATEN or (node.target is not getitem and split_sizes(node) is not None)

    def _part(self, node: fx.Node, call: fx.Node, number: int) -> None:
        row = ATEN.get(f"{call.target}#{number}")
        if row is not None:
            self._bound(node, call, row)
        elif (split := split_sizes(call)) is not None:
            dim, sizes = split
            start = sum(sizes[:number])
            name = (self._name(call.args[0]),)
            if sizes:
                self._add_op(
                    node,
                    ROWS[ACALSimOpType.SLICE],
                    name,
                    {"dim": dim, "start": start, "end": start + sizes[number]},
                )
            else:
                self._add_op(node, ROWS[ACALSimOpType.SELECT], name, {"dim": dim, "index": number})
        else:
            self._refuse(node, f"result {number} of op {call.target} is not supported")
            self._declare(node)

    def _copy(self, node: fx.Node) -> None:
        """aten.copy: the source in the target's shape and dtype."""
        target, source = node.meta["val"], node.args[1]
        name, value = self._name(source), source.meta["val"]
        if value.dtype != target.dtype:
            dtype = str(target.dtype).removeprefix("torch.")
            name = self._step(node, ACALSimOpType.CAST, name, tuple(value.shape), {"dtype": dtype}, dtype)
        self.names[node] = name
        if tuple(value.shape) != tuple(target.shape):
            self._add_op(node, ROWS[ACALSimOpType.EXPAND], (name,), {"shape": list(target.shape)})

    def _repeat(self, node: fx.Node) -> None:
        shape = tuple(node.args[0].meta["val"].shape)
        first, wide, last = repeated(shape, list(node.args[1]))
        name = self._step(node, ACALSimOpType.VIEW, self._name(node.args[0]), first, {"shape": first})
        name = self._step(node, ACALSimOpType.EXPAND, name, wide, {"shape": wide})
        self._add_op(node, ROWS[ACALSimOpType.VIEW], (name,), {"shape": last})

    def _strided(self, node: fx.Node) -> None:
        """aten.as_strided of a tensor that lies in memory as it does here; a view where all that it changes is the shape."""
        source, result = node.args[0].meta["val"], node.meta["val"]
        if not source.is_contiguous() or source.storage_offset():
            self._refuse_op(node)
        elif not (
            result.is_contiguous() and source.numel() == result.numel() and not result.storage_offset()
        ):
            self._bound(node, node, ATEN[str(node.target)])
        elif _shape(source) == _shape(result):
            self.names[node] = self._name(node.args[0])
        else:
            self._add_op(
                node, ROWS[ACALSimOpType.VIEW], (self._name(node.args[0]),), {"shape": list(result.shape)}
            )

    def _filled(self, node: fx.Node) -> None:
        """full_like and its kin: one number expanded."""
        import torch

        value = node.meta["val"]
        constant = torch.full(
            (1,) * value.dim(), node.args[1] if len(node.args) > 1 else 0, dtype=value.dtype
        )
        name = self._param(node, constant)
        self._add_op(node, ROWS[ACALSimOpType.EXPAND], (name,), {"shape": list(value.shape)})

    def _step(
        self,
        node: fx.Node,
        kind: ACALSimOpType,
        name: str,
        shape: Sequence[int],
        attrs: dict,
        dtype: str | None = None,
    ) -> str:
        """An op on the way to a node's result; returns its tensor."""
        out = f"t_{len(self.ir.tensors)}"
        self.ir.add_tensor(TensorDesc(out, tuple(shape), dtype or self.ir.tensors[name].dtype))
        self._append(node, ROWS[kind], (name,), out, attrs)
        return out

    def _add_op(self, node: fx.Node, row: Row, operands: tuple[str, ...], attrs: dict[str, Any]) -> None:
        output = self.names[node] = self._new(node, "t", node.meta["val"])
        self._append(node, row, operands, output, attrs)

    def _append(
        self, node: fx.Node, row: Row, operands: tuple[str, ...], output: str, attrs: dict[str, Any]
    ) -> None:
        name = f"{row.type.name.lower()}_{len(self.ir.ops)}"
        call = node.args[0] if node.target is getitem else node
        aten = (str(call.target),) if node.op == "call_function" else ()
        op = ACALSimOp(row.type, name, operands, (output,), attrs, source=self._source(call), aten=aten)
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
            self.names[node] = self._new(node, "t", node.meta["val"])

    def _fold(self, node: fx.Node, row: Row | None) -> bool:
        """Compute a node of constants now; True when done."""
        from torch import Tag
        from torch.fx.node import map_arg

        operands = node.all_input_nodes
        if not all(
            operand in self._constants for operand in operands
        ) or Tag.nondeterministic_seeded in _tags(node):
            return False
        if row is not None and operands and _bytes(node) > max(FOLDED_BYTES, *map(_bytes, operands)):
            return False
        arguments, options = map_arg((node.args, node.kwargs), lambda operand: self._constants[operand])
        self._constants[node] = node.target(*arguments, **options)
        return True

    def _bind(self, node: fx.Node, row: Row) -> tuple[tuple[str, ...], dict[str, Any]] | None:
        """Operand tensors in the row's order and attrs; None, with a complaint, where an argument means what no row does."""
        import torch
        from torch.fx import Node

        given = RULES.get(str(node.target), lambda each: each)(arguments(node))
        operands, attrs = [], {}
        for name in row.operand_names:
            value = given.pop(name, None)
            if isinstance(value, list | tuple):
                operands += [self._name(each) for each in value]
            elif isinstance(value, Node):
                operands.append(self._name(value))
            elif value is not None:
                attrs[name] = value
            elif name == "weight" and given.get("bias") is not None:  # a norm that only shifts
                operands.append(self._param(node, torch.ones(given["bias"].meta["val"].shape)))
        if "shape" in row.attrs:
            attrs["shape"] = node.meta["val"].shape
        if row.result == "attr":
            attrs["dtype"] = str(node.meta["val"].dtype).removeprefix("torch.")
        attrs |= {
            name: given[name] for name in row.attrs if given.get(name) is not None and name not in attrs
        }
        for name in given.keys() - set(row.attrs) - WITHOUT_EFFECT - _IMPLIED.get(row.type, frozenset()):
            self._refuse(node, f"op {node.target} with {name} = {given[name]} is not supported")
            self._declare(node)
            return None
        return tuple(operands), {name: plain(value) for name, value in attrs.items()}

    def _name(self, node: fx.Node) -> str:
        """The tensor of a node; a constant becomes a parameter at its first use."""
        if node not in self.names:
            self.names[node] = self._param(node, self._constants[node])
        return self.names[node]

    def _param(self, node: fx.Node, value: torch.Tensor) -> str:
        """The parameter of that value."""
        same = (
            value.data_ptr(),
            value.dtype,
            value.shape,
            value.stride(),
            node if not value.numel() else None,
        )
        if same not in self._params:
            self._params[same] = self._new(node, "param", value, is_param=True)
            self._kept.append(value)
            if (
                str(value.dtype).removeprefix("torch.") in ITEM_BYTES
            ):  # else refused, and numpy may not know it
                self.ir.constants[self._params[same]] = value.resolve_conj().contiguous().numpy()
        return self._params[same]

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
        return self.names[node]

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


_REWRITTEN: Mapping[str, Callable[[_Builder, fx.Node], None]] = {
    "aten.copy.default": _Builder._copy,
    "aten.repeat.default": _Builder._repeat,
    "aten.full_like.default": _Builder._filled,
    "aten.as_strided.default": _Builder._strided,
    # PyTorch has held the example inputs to it.
    "aten._assert_async.msg": lambda builder, node: None,
    "aten._assert_scalar.default": lambda builder, node: None,
}
"""Ops that become others here."""

_IMPLIED: Mapping[ACALSimOpType, frozenset[str]] = {
    # What the shape of the result says.
    ACALSimOpType.VIEW: frozenset(("size", "dim")),
    ACALSimOpType.EXPAND: frozenset(("size",)),
}


def _bytes(node: fx.Node) -> int:
    value = node.meta.get("val")
    return (
        math.prod(_shape(value)) * value.element_size()
        if hasattr(value, "numel") and "?" not in _shape(value)
        else 0
    )


def _shape(value: torch.Tensor) -> tuple[int | str, ...]:
    """The sizes; ? for one that is not known before the model runs."""
    return tuple(size if isinstance(size, int) else "?" for size in value.shape)


def _tags(node: fx.Node) -> Sequence[Any]:
    return getattr(node.target, "tags", ())


def _changes_nothing(node: fx.Node, row: Row) -> bool:
    """A copy, or a view or an expansion to the same shape."""
    source = node.all_input_nodes[0].meta["val"] if node.all_input_nodes else None
    harmless = row.type in (ACALSimOpType.VIEW, ACALSimOpType.COPY, ACALSimOpType.EXPAND, ACALSimOpType.CAST)
    return harmless and _shape(source) == _shape(node.meta["val"]) and source.dtype == node.meta["val"].dtype


def _is_users(path: str) -> bool:
    import torch

    return not any(
        Path(path).is_relative_to(folder) for folder in (Path(torch.__file__).parent, Path(__file__).parent)
    )


def _module_path(text: str) -> str:
    """`L['self']._modules['0'].fc` -> `0.fc`"""
    path = re.sub(r"^L\['\w+'\]\.?", "", text)
    path = re.sub(r"_modules\['([^']+)'\]|\['?([^\]']+)'?\]", lambda m: f".{m[1] or m[2]}", path)
    return re.sub(r"\.+", ".", path).strip(".") or "itself"
