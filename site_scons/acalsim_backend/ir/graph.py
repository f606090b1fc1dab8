# SPDX-License-Identifier: Apache-2.0
"""The intermediate representation: tensors, the ops that compute them, and the graph's text form.

str() prints a graph as text, and text.py reads that text back. The text leaves out the values of constants,
so that it stays the same when only weights change. verify.py holds a graph to the op table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from ..errors import IRError
from .constants import Constants
from .op_type import ACALSimOpType as ACALSimOpType

ITEM_BYTES = {
    "float32": 4,
    "float64": 8,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint8": 1,
    "bool": 1,
    "bfloat16": 2,
    "float16": 2,
}
"""Every dtype, and the bytes of one of its elements."""

REALS = ("float32", "float64")
"""Dtypes of numbers with a fraction that are computed with as they are."""

HALVES = ("bfloat16", "float16")
"""Dtypes of 16 bits that lie in memory and that products take; everything else is computed in float32."""

FLOATING = ("float32", *HALVES)
"""Dtypes whose elements are computed with as float32."""

ROLES = ("input", "param", "output")


@dataclass(frozen=True)
class TensorDesc:
    """One dense, row-major tensor. `memory_addr` is its address in guest memory, if it is known."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    is_input: bool = False
    is_output: bool = False
    is_param: bool = False
    memory_addr: int | None = None

    @property
    def elements(self) -> int:
        return prod(self.shape)

    @property
    def size_bytes(self) -> int:
        return self.elements * ITEM_BYTES[self.dtype]

    def __str__(self) -> str:
        roles = "".join(f" [{role}]" for role in ROLES if getattr(self, f"is_{role}"))
        return f"{self.name}: {self.shape} {self.dtype}{roles}"


@dataclass(frozen=True)
class ACALSimOp:
    """One op: `outputs` = `op_type`(`inputs`, `attrs`).

    `source` is the user's line, as in `models/mlp.py:17`; `aten` names the core ATen ops that the op came
    from. `compute_cycles` is only an estimate of the op's size: its multiply-accumulates, or the elements of
    its result where it has none. A report's cycles come from the simulation instead.
    """

    op_type: ACALSimOpType
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    compute_cycles: int = 0
    source: str = ""
    aten: tuple[str, ...] = ()

    def __str__(self) -> str:
        attrs = f" {json.dumps(self.attrs)}" if self.attrs else ""
        return f"{', '.join(self.outputs)} = {self.op_type.name}({', '.join(self.inputs)}){attrs}"


@dataclass(frozen=True)
class Carried:
    """An input of a graph's loop: `first` is its value in the first round, `last` of each round is it in the next.

    `entry` is an input of the graph, which nobody gives; the others are outputs, which nobody is shown.
    """

    first: str
    entry: str
    last: str


@dataclass(frozen=True)
class Loop:
    """The ops that follow from `carried` are computed `rounds` times, after all others."""

    rounds: int
    carried: tuple[Carried, ...]


class ACALSimIR:
    """A graph: tensors by name, ops in order of execution, and the parameters' values by name.

    The values in `constants` are numpy arrays. `outputs` names the output tensors in the order in which the
    model returns them.
    """

    def __init__(self, name: str):
        self.name = name
        self.tensors: dict[str, TensorDesc] = {}
        self.ops: list[ACALSimOp] = []
        self.constants = Constants()
        self.outputs: list[str] = []
        self.narrow: dict[str, str] = {}
        """The float32 tensors that the model has in a half type, and in which. Known to capture alone, which makes
        them so."""
        self.loop: Loop | None = None
        self.unquantised: ACALSimIR | None = None
        """Of a graph that was quantised: what it was before, of which tensors have the same names."""

    @property
    def inputs(self) -> list[str]:
        return [name for name, desc in self.tensors.items() if desc.is_input]

    @property
    def params(self) -> list[str]:
        return [name for name, desc in self.tensors.items() if desc.is_param]

    @property
    def arguments(self) -> list[str]:
        """The inputs but for those that only go round the loop."""
        entries = {each.entry for each in self.loop.carried} if self.loop else ()
        return [name for name in self.inputs if name not in entries]

    @property
    def results(self) -> list[str]:
        """The outputs but for those that only go round the loop."""
        carried = self.loop.carried if self.loop else ()
        return [name for name in self.outputs if not any(name in (each.first, each.last) for each in carried)]

    def in_loop(self) -> set[str]:
        """The tensors that every round of the loop computes anew."""
        found = {each.entry for each in self.loop.carried} if self.loop else set()
        for op in self.ops:
            if not found.isdisjoint(op.inputs):
                found.update(op.outputs)
        return found

    def add_tensor(self, desc: TensorDesc) -> TensorDesc:
        """Declare a tensor and return it. Raises IRError where its name is taken."""
        if desc.name in self.tensors:
            raise IRError(f"{self.name}: tensor '{desc.name}' is declared twice")
        self.tensors[desc.name] = desc
        return desc

    def add_op(self, op: ACALSimOp) -> ACALSimOp:
        """Append an op and return it."""
        self.ops.append(op)
        return op

    def set_outputs(self, names: Iterable[str]) -> None:
        """Make exactly these tensors the outputs, in this order."""
        self.outputs = list(names)
        for name, desc in self.tensors.items():
            if desc.is_output != (name in self.outputs):
                self.tensors[name] = replace(desc, is_output=not desc.is_output)

    def replace(self, old: ACALSimOp, *new: ACALSimOp) -> None:
        """Put the ops `new` in the place of the op named as `old` is. Without `new`, that op is removed."""
        place = next(index for index, op in enumerate(self.ops) if op.name == old.name)
        self.ops[place : place + 1] = new

    def drop_needless(self) -> None:
        """Take out what no output needs; inputs and parameters stay."""
        needed, kept = set(self.outputs), []
        for op in reversed(self.ops):
            if needed & set(op.outputs):
                needed |= set(op.inputs)
                kept.append(op)
        self.ops = kept[::-1]
        self.tensors = {
            name: desc
            for name, desc in self.tensors.items()
            if name in needed or desc.is_input or desc.is_param
        }

    def drop_unread(self) -> None:
        """Take out the parameters that no op reads, in no form."""
        read = {name for op in self.ops for name in (*op.inputs, op.attrs.get("float32"))}
        for name in self.params:
            if name not in read and name not in self.outputs:
                del self.tensors[name]
                self.constants.pop(name, None)

    def values(self) -> Constants:
        """The constants by name, with those that the graph had before it was quantised."""
        before = self.unquantised.constants if self.unquantised else {}
        return Constants({**self.constants, **before})

    def copy(self) -> ACALSimIR:
        """The same graph with lists and dicts of its own. Ops, tensors and constants are shared."""
        copy = ACALSimIR(self.name)
        copy.tensors, copy.ops, copy.constants = dict(self.tensors), list(self.ops), Constants(self.constants)
        copy.outputs, copy.narrow, copy.loop = list(self.outputs), dict(self.narrow), self.loop
        return copy

    def producers(self) -> dict[str, ACALSimOp]:
        """For each tensor that an op computes: that op."""
        return {name: op for op in self.ops for name in op.outputs}

    def readers(self) -> dict[str, list[ACALSimOp]]:
        """For each tensor that ops read: these ops, in order of execution, each once."""
        readers: dict[str, list[ACALSimOp]] = {}
        for op in self.ops:
            for name in dict.fromkeys(op.inputs):
                readers.setdefault(name, []).append(op)
        return readers

    def __str__(self) -> str:
        return "\n".join(
            [
                f"=== ACALSim IR: {self.name} ===",
                "",
                "Tensors:",
                *(f"  {desc}" for desc in self.tensors.values()),
                "",
                "Operations:",
                *(f"  {index}: {op}" for index, op in enumerate(self.ops)),
                "",
                f"Inputs: {self.inputs}",
                f"Outputs: {self.outputs}",
                *([f"Loop: {json.dumps(_loop_row(self.loop))}"] if self.loop else []),
                "",
                "Sources:",
                *(
                    f"  {index}: {op.name} {op.source or '?'} [{', '.join(op.aten)}]"
                    for index, op in enumerate(self.ops)
                ),
                "",
                *([f"Before it was quantised:\n\n{self.unquantised}"] if self.unquantised else []),
            ]
        )


def _loop_row(loop: Loop) -> dict[str, Any]:
    return {"rounds": loop.rounds, "carried": [[each.first, each.entry, each.last] for each in loop.carried]}
