# SPDX-License-Identifier: Apache-2.0
"""The IR of one traced graph while it grows: nodes in, their tensors, the ops between them and complaints out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from operator import getitem
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import IRError
from ..ir.expressions import INTEGERS
from ..ir.graph import HALVES, ITEM_BYTES, REALS, ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from ..ir.ops import ROWS
from ..ir.row import Row
from .arrays import constant_of, half_of
from .given_int8.forms import GivenInt8
from .reasons import reason
from .rules import RULES, WITHOUT_EFFECT, arguments, plain
from .sources import Sources

if TYPE_CHECKING:
    import torch
    from torch import fx


class Builder:
    """What is known of the nodes of one graph, and the IR made of them.

    A node is known by its value while that is a constant (`constants`), and by its tensor's name (`names`)
    once it has one. Nothing is written twice in a graph, so a clone is its source. A number that the model
    takes out of a tensor (`.item()`) is a tensor without dimensions here.
    """

    def __init__(self, ir: ACALSimIR, sources: Sources):
        self.ir, self.sources = ir, sources
        self.arguments: list[int] = []
        """The positions of the graph's arguments that are inputs."""
        self.complaints: list[str] = []
        self.constants: dict[fx.Node, Any] = {}
        self.names: dict[fx.Node, str] = {}
        self.refused: set[fx.Node] = set()
        self.given_int8 = GivenInt8()
        self._params: dict[tuple[Any, ...], str] = {}
        self._kept: dict[tuple[Any, ...], list[tuple[str, torch.Tensor]]] = {}
        """The parameters' names and values by where they lie, so that no other comes to lie where one of them was."""
        self._distorted: set[str] = set()
        """Dtypes and shapes that stand in the graph as something else, so that its ops can't be verified."""

    # --- tensors --------------------------------------------------------------------------------

    def name(self, node: fx.Node) -> str:
        """The tensor of a node; a constant becomes a parameter at its first use."""
        if node not in self.names:
            self.names[node] = self.param(node, self.constants[node])
        return self.names[node]

    def param(self, node: fx.Node, value: Any) -> str:
        """The parameter of that value."""
        import torch

        if not isinstance(value, torch.Tensor):
            value = torch.tensor(value)
        apart = None if value.numel() else node
        same = (value.data_ptr(), value.dtype, value.shape, value.stride(), apart)
        if same not in self._params:
            self._params[same] = self._turned(node, value) or self._new_param(node, value)
        return self._params[same]

    def _new_param(self, node: fx.Node, value: torch.Tensor) -> str:
        name = self.new(node, "param", value, is_param=True)
        self._kept.setdefault((value.data_ptr(), value.dtype), []).append((name, value))
        if dtype_of(value) in ITEM_BYTES:  # else refused, and numpy may not know it
            self.ir.constants[name] = constant_of(value.resolve_neg())
        self.given_int8.name(name, value)
        return name

    def _turned(self, node: fx.Node, value: torch.Tensor) -> str | None:
        """A view of a parameter whose memory this is, with its dimensions in another order; None where there is none.

        So an embedding and a head that share their weights have one copy of them.
        """
        if not value.numel():
            return None
        walk = sorted(zip(value.stride(), value.shape, strict=True))
        for name, kept in self._kept.get((value.data_ptr(), value.dtype), []):
            steps = list(zip(kept.stride(), kept.shape, strict=True))
            if sorted(steps) == walk and len(set(steps)) == len(steps):
                dims = [steps.index(step) for step in zip(value.stride(), value.shape, strict=True)]
                return self.step(node, ACALSimOpType.PERMUTE, name, value.shape, {"dims": dims})
        return None

    def new(self, node: fx.Node, prefix: str, value: Any, **roles: bool) -> str:
        """Declare a tensor for a node under the next free number."""
        dtype, shape = self._known_dtype(node, dtype_of(value)), shape_of(value)
        if "?" in shape:
            if node not in self.refused and not self._depends_on_values(node):
                self.complain(node, f"the shape {shape} of the result of {node.target} depends on values")
            self._distorted.add("shape")
        name = f"{prefix}_{len(self.ir.tensors)}"
        sizes = tuple(size if isinstance(size, int) else 0 for size in shape)
        self.ir.add_tensor(TensorDesc(name, sizes, dtype, **roles))
        if (half := half_of(value)) is not None:
            self.ir.narrow[name] = half
        return name

    def _known_dtype(self, node: fx.Node, dtype: str) -> str:
        """The dtype itself; of one that is not known, complain and go on with another."""
        if dtype in ITEM_BYTES:
            return dtype
        if dtype not in self._distorted and node not in self.refused:
            is_input = node.op == "placeholder"
            subject = f"input {len(self.arguments) - 1}" if is_input else f"the result of {node.target}"
            known = ", ".join(ITEM_BYTES)
            self.complain(node, f"dtype {dtype} of {subject} is not supported; known are {known}")
        self._distorted.add(dtype)
        return "float32"

    def _depends_on_values(self, node: fx.Node) -> bool:
        """Whether an operand's shape does already, so that enough was said."""
        return any("?" in shape_of(each.meta.get("val")) for each in node.all_input_nodes)

    def declare(self, node: fx.Node) -> None:
        """A tensor for a refused node, so that what comes after it is looked at too."""
        value = node.meta.get("val")
        if hasattr(value, "shape") or is_number(value):
            self.names[node] = self.new(node, "t", value)

    # --- ops ------------------------------------------------------------------------------------

    def add_op(
        self, node: fx.Node, kind: ACALSimOpType, operands: Sequence[str], attrs: dict[str, Any]
    ) -> None:
        """Add the op whose result is the node's."""
        output = self.names[node] = self.new(node, "t", node.meta["val"])
        self._append(node, ROWS[kind], tuple(operands), output, attrs)

    def step(
        self,
        node: fx.Node,
        kind: ACALSimOpType,
        name: str,
        shape: Sequence[int],
        attrs: dict[str, Any],
        dtype: str | None = None,
        more: Sequence[str] = (),
    ) -> str:
        """Add an op, whose first operand is `name`, on the way to a node's result, and return its tensor."""
        out = f"t_{len(self.ir.tensors)}"
        self.ir.add_tensor(TensorDesc(out, tuple(shape), dtype or self.ir.tensors[name].dtype))
        self._append(node, ROWS[kind], (name, *more), out, attrs)
        return out

    def cast(self, node: fx.Node, name: str, dtype: str) -> str:
        """That tensor as one of that dtype."""
        desc, dtype = self.ir.tensors[name], self._known_dtype(node, dtype)
        if desc.dtype == dtype:
            return name
        return self.step(node, ACALSimOpType.CAST, name, desc.shape, {"dtype": dtype}, dtype)

    def _append(
        self, node: fx.Node, row: Row, operands: tuple[str, ...], output: str, attrs: dict[str, Any]
    ) -> None:
        name = f"{row.type.name.lower()}_{len(self.ir.ops)}"
        call = call_of(node)
        aten = (target_name(call),) if node.op == "call_function" else ()
        op = ACALSimOp(row.type, name, operands, (output,), attrs, source=self.sources.of(call), aten=aten)
        try:
            if not self._distorted:
                row.verify(self.ir, op)
                op = replace(op, compute_cycles=row.work(self.ir, op))
        except IRError as error:
            self.refuse(node, str(error))
        self.ir.add_op(op)

    def add_call(self, node: fx.Node, row: Row) -> None:
        """Add the op that the row makes of a call; `node` is the call, or takes one of its results."""
        bound = self._bind(node, row)
        if bound:
            self.add_op(node, row.type, *bound)

    def given(self, call: fx.Node) -> dict[str, Any]:
        """A call's arguments by name, defaults left out, numbers that are constants as what they are."""
        return {name: self.known(value) for name, value in arguments(call).items()}

    def known(self, value: Any) -> Any:
        from torch.fx import Node

        if isinstance(value, list | tuple):
            return [self.known(each) for each in value]
        if isinstance(value, Node) and is_number(self.constants.get(value)):
            return self.constants[value]
        return value

    def _bind(self, node: fx.Node, row: Row) -> tuple[tuple[str, ...], dict[str, Any]] | None:
        """Operand tensors in the row's order, and attrs; None, with a complaint, for an argument no row knows."""
        call = call_of(node)
        given = RULES.get(target_name(call), lambda each: each)(self.given(call))
        operands, attrs = self._operands(node, row, given)
        value = node.meta["val"]
        self._convert(node, row, operands, attrs)
        if "shape" in row.attrs:
            attrs["shape"] = value.shape
        if row.result == "attr":
            attrs["dtype"] = dtype_of(value)
        attrs |= {
            name: given[name] for name in row.attrs if given.get(name) is not None and name not in attrs
        }
        implied = ("size", "dim") if row.type in (ACALSimOpType.VIEW, ACALSimOpType.EXPAND) else ()
        for name in given.keys() - set(row.attrs) - WITHOUT_EFFECT - set(implied):
            self.refuse(node, f"op {target_name(call)} with {name} = {given[name]} is not supported")
            self.declare(node)
            return None
        for name, value in attrs.items():
            if holds_node(value):
                what = f"op {target_name(call)} is not supported with {name} computed when the model runs"
                self.refuse(node, what)
                self.declare(node)
                return None
        return tuple(operands), {name: plain(value) for name, value in attrs.items()}

    def _operands(self, node: fx.Node, row: Row, given: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
        """Take the row's operands out of `given`: tensors by their names, numbers as attrs."""
        import torch
        from torch.fx import Node

        operands, attrs = [], {}
        for name in row.operand_names:
            value = given.pop(name, None)
            if isinstance(value, list | tuple):
                operands += [self.name(each) for each in value]
                is_mask = any(dtype_of(each.meta["val"]) == "bool" for each in value)
                if is_mask and row.type is ACALSimOpType.INDEX_PUT:
                    self.refuse(
                        node,
                        f"op {target_name(call_of(node))} with a mask beside other indices is not supported",
                    )
            elif isinstance(value, Node):
                operands.append(self._promoted(node, value))
            elif value is not None:
                attrs[name] = value
            elif name == "weight" and given.get("bias") is not None:  # a norm that only shifts
                operands.append(self.param(node, torch.ones(given["bias"].meta["val"].shape)))
        return operands, attrs

    def _promoted(self, node: fx.Node, operand: fx.Node) -> str:
        """An operand's tensor. A number among tensors has the tensors' dtype, unless only it is a float."""
        name, value = self.name(operand), operand.meta.get("val")
        if is_number(value):
            found = (each.meta.get("val") for each in node.all_input_nodes)
            dtypes = {dtype_of(each) for each in found if hasattr(each, "shape")} - {"bool"}
            if len(dtypes) == 1 and not (dtype_of(value) == "float32" and dtypes != {"float32"}):
                return self.cast(node, name, dtypes.pop())
        return name

    def _convert(self, node: fx.Node, row: Row, operands: list[str], attrs: dict[str, Any]) -> None:
        """In place: numbers and operands in the dtype in which PyTorch computes, where C would not get there itself."""
        if row.type in SUMMING:
            out, own = dtype_of(node.meta["val"]), self.ir.tensors[operands[0]].dtype
            if own != out and (own in REALS or out in REALS):
                operands[0] = self.cast(node, operands[0], out)
        if not (row.takes_numbers and row.expression) or row.type is ACALSimOpType.WHERE:
            return
        dtype = computation_dtype(call_of(node))
        if dtype in INTEGERS and row.result == "real":
            return
        for place, name in enumerate(operands):
            if self._is_narrower(dtype, self.ir.tensors[name].dtype) and (
                dtype in REALS or row.type not in WRAPPING
            ):
                operands[place] = self.cast(node, name, dtype)
        for name in row.operand_names:
            if dtype in INTEGERS and isinstance(attrs.get(name), int):
                attrs[name] = wrapped(attrs[name], dtype)

    @staticmethod
    def _is_narrower(dtype: str, other: str) -> bool:
        """Whether both are floats, or both integers, and the first does not hold all numbers of the second."""
        return (dtype in REALS) == (other in REALS) and not np.can_cast(other, dtype)

    # --- complaints -----------------------------------------------------------------------------

    def refuse_op(self, node: fx.Node) -> None:
        """Say that an op has no row. Numbers that follow from something refused, or from a shape that depends
        on values, are not worth a line."""
        operands = [operand.meta.get("val") for operand in node.all_input_nodes]
        shapes = ", ".join(str(shape_of(value)) for value in operands if hasattr(value, "shape"))
        told = self._depends_on_values(node) or any(each in self.refused for each in node.all_input_nodes)
        self.refused.add(node)
        if not (is_number(node.meta.get("val")) and told):
            name, of = target_name(node), shapes or ("numbers" if operands else "no tensors")
            self.complain(node, f"op {name} on {of} is not supported{reason(name)}")
        self.declare(node)

    def refuse(self, node: fx.Node, what: str) -> None:
        self.refused.add(node)
        self.complain(node, what)

    def complain(self, node: fx.Node, what: str) -> None:
        source = self.sources.of(node)
        self.complaints.append(f"{what} (at {source})" if source and node.op != "placeholder" else what)


SUMMING = {ACALSimOpType[name] for name in ("SUM", "MEAN", "PROD", "CUMSUM", "CUMPROD")}
"""Ops with a `dtype`, to which PyTorch converts the elements first."""
WRAPPING = {ACALSimOpType[name] for name in ("ADD", "SUB", "MUL", "BITWISE_AND", "BITWISE_OR", "BITWISE_XOR")}
"""Ops whose result's low bits follow from their operands' low bits."""


def call_of(node: fx.Node) -> fx.Node:
    """The call whose result a node is, or is one of."""
    first: Any = node.args[0] if node.args else None
    return first if node.target is getitem else node


def target_name(call: fx.Node) -> str:
    """`aten.add.Tensor`, or the name of the Python function that is called."""
    return str(getattr(call.target, "__name__", call.target) if not _is_op(call.target) else call.target)


def _is_op(target: Any) -> bool:
    from torch._ops import OpOverload

    return isinstance(target, OpOverload)


def is_number(value: Any) -> bool:
    """Whether that is a Python number, known or not."""
    import torch

    return isinstance(value, int | float | torch.SymInt | torch.SymFloat | torch.SymBool)


def holds_node(value: Any) -> bool:
    from torch.fx import Node

    return isinstance(value, Node) or (isinstance(value, list | tuple) and any(map(holds_node, value)))


def dtype_of(value: Any) -> str:
    """The dtype of a tensor, or of the tensor that stands for a number."""
    import torch

    if isinstance(value, bool | torch.SymBool):
        return "bool"
    if isinstance(value, int | torch.SymInt):
        return "int64"
    if isinstance(value, float | torch.SymFloat):
        return "float32"
    name = str(value.dtype).removeprefix("torch.")
    return "float32" if name in HALVES else name


def computation_dtype(call: fx.Node) -> str:
    """The dtype that the operands of an elementwise call have while PyTorch computes it."""
    from torch._prims_common import ELEMENTWISE_TYPE_PROMOTION_KIND, elementwise_dtypes
    from torch.fx import Node

    values = [each.meta["val"] if isinstance(each, Node) else each for each in call.args]
    dtype, _ = elementwise_dtypes(*values, type_promotion_kind=ELEMENTWISE_TYPE_PROMOTION_KIND.DEFAULT)
    return str(dtype).removeprefix("torch.")


def wrapped(number: int, dtype: str) -> int:
    """The integer of that dtype with the same low bits."""
    limits = np.iinfo(dtype)
    return (number - limits.min) % (limits.max - limits.min + 1) + limits.min


def shape_of(value: Any) -> tuple[int | str, ...]:
    """The sizes; ? for one that is not known before the model runs."""
    return tuple(size if isinstance(size, int) else "?" for size in getattr(value, "shape", ()))


def is_empty(value: Any) -> bool:
    """Whether that is a tensor without any element."""
    return hasattr(value, "shape") and 0 in shape_of(value)


def bytes_of(node: fx.Node) -> int:
    value, sizes = node.meta.get("val"), shape_of(node.meta.get("val"))
    known = [size for size in sizes if isinstance(size, int)]
    if value is None or not hasattr(value, "element_size") or len(known) < len(sizes):
        return 0
    return int(math.prod(known) * value.element_size())
