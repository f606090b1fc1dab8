# SPDX-License-Identifier: Apache-2.0
"""The intermediate representation: tensors and the ops between them, printed, parsed and verified here.

The text form carries all but the constants' values, so that a graph whose weights change stays the
same text. `parse(str(ir))` gives back the same graph.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from math import prod
from typing import Any

from .errors import IRError

ITEM_BYTES = {"float32": 4, "int64": 8, "int32": 4, "int8": 1, "bool": 1}
"""The dtypes there are, and the bytes of one element of each."""

ROLES = ("input", "param", "output")


class ACALSimOpType(Enum):
    """What an op does; the report's `type` is the member's name."""

    MATMUL = auto()
    GEMM = auto()
    BMM = auto()
    CONV = auto()
    GEMM_INT8 = auto()
    CONV_INT8 = auto()
    QUANTIZE = auto()
    DEQUANTIZE = auto()
    ADD = auto()
    SUB = auto()
    MUL = auto()
    DIV = auto()
    DIV_ROUNDED = auto()
    POW = auto()
    MAXIMUM = auto()
    MINIMUM = auto()
    FMOD = auto()
    REMAINDER = auto()
    FMAX = auto()
    FMIN = auto()
    ATAN2 = auto()
    HYPOT = auto()
    COPYSIGN = auto()
    EQ = auto()
    NE = auto()
    LT = auto()
    LE = auto()
    GT = auto()
    GE = auto()
    LOGICAL_AND = auto()
    LOGICAL_OR = auto()
    LOGICAL_XOR = auto()
    LOGICAL_NOT = auto()
    BITWISE_AND = auto()
    BITWISE_OR = auto()
    BITWISE_XOR = auto()
    BITWISE_NOT = auto()
    BITWISE_LEFT_SHIFT = auto()
    BITWISE_RIGHT_SHIFT = auto()
    NEG = auto()
    ABS = auto()
    SIGN = auto()
    RECIPROCAL = auto()
    SQRT = auto()
    RSQRT = auto()
    FLOOR = auto()
    CEIL = auto()
    ROUND = auto()
    TRUNC = auto()
    ISNAN = auto()
    ISINF = auto()
    SIGNBIT = auto()
    EXP = auto()
    EXP2 = auto()
    EXPM1 = auto()
    LOG = auto()
    LOG1P = auto()
    LOG2 = auto()
    LOG10 = auto()
    SIN = auto()
    COS = auto()
    TAN = auto()
    ASIN = auto()
    ACOS = auto()
    ATAN = auto()
    SINH = auto()
    COSH = auto()
    TANH = auto()
    ASINH = auto()
    ACOSH = auto()
    ATANH = auto()
    ERF = auto()
    ERFC = auto()
    RELU = auto()
    SIGMOID = auto()
    GELU = auto()
    LEAKY_RELU = auto()
    ELU = auto()
    HARDTANH = auto()
    CLAMP = auto()
    WHERE = auto()
    CAST = auto()
    SUM = auto()
    MEAN = auto()
    PROD = auto()
    AMAX = auto()
    AMIN = auto()
    ANY = auto()
    ALL = auto()
    ARGMAX = auto()
    ARGMIN = auto()
    VAR = auto()
    CUMSUM = auto()
    CUMPROD = auto()
    SOFTMAX = auto()
    LOG_SOFTMAX = auto()
    LAYER_NORM = auto()
    GROUP_NORM = auto()
    MAX_POOL = auto()
    MAX_POOL_INDICES = auto()
    AVG_POOL = auto()
    ADAPTIVE_AVG_POOL = auto()
    ADAPTIVE_MAX_POOL = auto()
    ADAPTIVE_MAX_POOL_INDICES = auto()
    VIEW = auto()
    PERMUTE = auto()
    EXPAND = auto()
    SLICE = auto()
    SELECT = auto()
    FLIP = auto()
    DIAGONAL = auto()
    UNFOLD = auto()
    AS_STRIDED = auto()
    COPY = auto()
    CAT = auto()
    PAD = auto()
    GATHER = auto()
    EMBEDDING = auto()
    INDEX = auto()
    INDEX_SELECT = auto()
    SLICE_SCATTER = auto()
    SELECT_SCATTER = auto()
    INDEX_PUT = auto()
    SCATTER = auto()
    SCATTER_ADD = auto()
    SCATTER_REDUCE = auto()
    TOPK = auto()
    TOPK_INDICES = auto()
    SORT = auto()
    SORT_INDICES = auto()


@dataclass(frozen=True)
class TensorDesc:
    """One dense, row-major tensor. `memory_addr` is its guest address, where one is known."""

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
    """One op: `outputs` = op_type(`inputs`, `attrs`); `source` is the user's line, `models/mlp.py:17`,
    and `aten` names the core ATen ops that it came from.

    `compute_cycles` is the number of multiply-accumulates, or of result elements where there are
    none: an estimate for orientation. The cycles of a report are simulated.
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


class ACALSimIR:
    """A graph: tensors by name, ops in order of execution, the parameters' values (numpy) by name."""

    def __init__(self, name: str):
        self.name = name
        self.tensors: dict[str, TensorDesc] = {}
        self.ops: list[ACALSimOp] = []
        self.constants: dict[str, Any] = {}
        self.outputs: list[str] = []

    @property
    def inputs(self) -> list[str]:
        return [name for name, desc in self.tensors.items() if desc.is_input]

    @property
    def params(self) -> list[str]:
        return [name for name, desc in self.tensors.items() if desc.is_param]

    def add_tensor(self, desc: TensorDesc) -> TensorDesc:
        if desc.name in self.tensors:
            raise IRError(f"{self.name}: tensor '{desc.name}' is declared twice")
        self.tensors[desc.name] = desc
        return desc

    def add_op(self, op: ACALSimOp) -> ACALSimOp:
        self.ops.append(op)
        return op

    def verify(self) -> ACALSimIR:
        """Return the graph itself if it is well-formed; raise IRError naming op and tensor if not."""
        written = {name for name, desc in self.tensors.items() if desc.is_input or desc.is_param}
        _verify_names(self)
        for desc in self.tensors.values():
            _verify_tensor(self.name, desc)
        for op in self.ops:
            _verify_op(self, op, written)
            written.update(op.outputs)
        _verify_outputs(self, written)
        return self

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
                "",
                "Sources:",
                *(
                    f"  {index}: {op.name} {op.source or '?'} [{', '.join(op.aten)}]"
                    for index, op in enumerate(self.ops)
                ),
                "",
            ]
        )


def _verify_names(ir: ACALSimIR) -> None:
    """Names become C identifiers, an op's a function's and a report's."""
    names = [op.name for op in ir.ops]
    for kind, name in (
        ("graph", ir.name),
        *(("tensor", name) for name in ir.tensors),
        *(("op", name) for name in names),
    ):
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            raise IRError(f"{ir.name}: {kind} name {name!r} is not a C identifier")
    for name in names:
        if names.count(name) > 1:
            raise IRError(f"{ir.name}: {names.count(name)} ops are named '{name}'")


def _verify_outputs(ir: ACALSimIR, written: set[str]) -> None:
    for name in ir.outputs:
        if name not in written or not ir.tensors[name].is_output:
            raise IRError(f"{ir.name}: output '{name}' is not produced, or not marked [output]")
        if ir.tensors[name].is_input or ir.tensors[name].is_param:
            raise IRError(
                f"{ir.name}: output '{name}' is an input or a parameter; outputs are copies of those"
            )
    for name, desc in ir.tensors.items():
        if desc.is_output and name not in ir.outputs:
            raise IRError(f"{ir.name}: tensor '{name}' is marked [output], but the outputs are {ir.outputs}")


def _verify_tensor(graph: str, desc: TensorDesc) -> None:
    if desc.dtype not in ITEM_BYTES:
        raise IRError(
            f"{graph}: tensor '{desc.name}' has dtype {desc.dtype}; known are {', '.join(ITEM_BYTES)}"
        )
    if any(size < 0 for size in desc.shape):
        raise IRError(f"{graph}: tensor '{desc.name}' has shape {desc.shape}; sizes are not negative")


def _verify_op(ir: ACALSimIR, op: ACALSimOp, written: set[str]) -> None:
    for name in op.inputs:
        if name not in written:
            raise IRError(f"{ir.name}: op '{op.name}' reads '{name}', which nothing has written before it")
    for name in op.outputs:
        if name not in ir.tensors:
            raise IRError(f"{ir.name}: op '{op.name}' writes '{name}', which is not declared")
        if name in written:
            raise IRError(f"{ir.name}: op '{op.name}' writes '{name}', which is written already")
    from .ops import ROWS

    ROWS[op.op_type].verify(ir, op)


_TENSOR = re.compile(r"  (\w+): (\(.*?\)) (\w+)((?: \[\w+\])*)")
_OP = re.compile(r"  \d+: ([\w, ]+) = (\w+)\(([\w, ]*)\)(?: (\{.*\}))?")
_SOURCE = re.compile(r"  (\d+): (\S+) (.+?)(?: \[([\w.:#, ]*)\])?")


def parse(text: str) -> ACALSimIR:
    """Read the text form back. Raises IRError naming the line that does not fit."""
    lines = text.splitlines()
    title = re.fullmatch(r"=== ACALSim IR: (\S+) ===", lines[0] if lines else "")
    if not title:
        raise IRError("line 1 is not '=== ACALSim IR: NAME ==='")
    ir, section = ACALSimIR(title[1]), ""
    readers = {"Tensors:": _read_tensor, "Operations:": _read_op, "Sources:": _read_source}
    for number, line in enumerate(lines[1:], 2):
        if line in readers:
            section = line
        elif line.startswith("Outputs: "):
            ir.outputs = [str(name) for name in _literal(ir, line.removeprefix("Outputs: "))]
        elif (
            line
            and not line.startswith("Inputs: ")
            and not (section in readers and readers[section](ir, line))
        ):
            raise IRError(f"{ir.name}: line {number} is not understood: {line.strip()!r}")
    return ir.verify()


def _literal(ir: ACALSimIR, text: str, read: Callable[[str], Any] = ast.literal_eval) -> Any:
    try:
        return read(text)
    except (ValueError, SyntaxError):
        raise IRError(f"{ir.name}: not understood: {text!r}") from None


def _read_tensor(ir: ACALSimIR, line: str) -> bool:
    found = _TENSOR.fullmatch(line)
    if found:
        roles = {f"is_{role}": f"[{role}]" in found[4] for role in ROLES}
        ir.add_tensor(TensorDesc(found[1], _literal(ir, found[2]), found[3], **roles))
    return bool(found)


def _read_op(ir: ACALSimIR, line: str) -> bool:
    found = _OP.fullmatch(line)
    if found and found[2] in ACALSimOpType.__members__:
        names = [tuple(filter(None, text.split(", "))) for text in (found[3], found[1])]
        ir.add_op(ACALSimOp(ACALSimOpType[found[2]], "", *names, _literal(ir, found[4] or "{}", json.loads)))
        return True
    return False


def _read_source(ir: ACALSimIR, line: str) -> bool:
    """Completes an op: its name, its source, and the estimate that follows from its row."""
    from .ops import ROWS

    found = _SOURCE.fullmatch(line)
    if found and int(found[1]) >= len(ir.ops):
        return False
    if found:
        index, source = int(found[1]), "" if found[3] == "?" else found[3]
        aten = tuple(filter(None, (found[4] or "").split(", ")))
        op = ir.ops[index] = replace(ir.ops[index], name=found[2], source=source, aten=aten)
        if {*op.inputs, *op.outputs} <= ir.tensors.keys():
            ir.ops[index] = replace(op, compute_cycles=ROWS[op.op_type].work(ir, op))
    return bool(found)
