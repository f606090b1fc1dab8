# SPDX-License-Identifier: Apache-2.0
"""The text form of a graph in, the graph out; only the values of its constants are not in the text."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..errors import IRError
from .graph import ROLES, ACALSimIR, ACALSimOp, ACALSimOpType, Carried, Loop, TensorDesc
from .ops import ROWS
from .verify import verify

_TENSOR = re.compile(r"  (\w+): (\(.*?\)) (\w+)((?: \[\w+\])*)")
_OP = re.compile(r"  \d+: ([\w, ]+) = (\w+)\(([\w, ]*)\)(?: (\{.*\}))?")
_SOURCE = re.compile(r"  (\d+): (\S+) (.+?)(?: \[([\w.:#, ]*)\])?")


def parse(text: str) -> ACALSimIR:
    """Read the text form of a graph. Raises IRError naming a line that is not understood or what is wrong."""
    text, _, before = text.partition("\nBefore it was quantised:\n\n")
    ir = _parsed(text.splitlines())
    ir.unquantised = _parsed(before.splitlines()) if before else None
    return ir


def _parsed(lines: list[str]) -> ACALSimIR:
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
        elif line.startswith("Loop: "):
            row = _literal(ir, line.removeprefix("Loop: "), json.loads)
            ir.loop = Loop(row["rounds"], tuple(Carried(*names) for names in row["carried"]))
        elif (
            line
            and not line.startswith("Inputs: ")
            and not (section in readers and readers[section](ir, line))
        ):
            raise IRError(f"{ir.name}: line {number} is not understood: {line.strip()!r}")
    return verify(ir)


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
        inputs, outputs = (tuple(filter(None, text.split(", "))) for text in (found[3], found[1]))
        attrs = _literal(ir, found[4] or "{}", json.loads)
        ir.add_op(ACALSimOp(ACALSimOpType[found[2]], "", inputs, outputs, attrs))
        return True
    return False


def _read_source(ir: ACALSimIR, line: str) -> bool:
    """Give an op what stands in the last section: its name, source and ATen names; and its estimated size."""
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
