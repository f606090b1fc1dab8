# SPDX-License-Identifier: Apache-2.0
"""The files that hold values: parameters and example inputs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..alignment import ALIGNMENT
from ..files import read_json
from ..ir.graph import ACALSimIR
from ..ir.literals import C_TYPES, literal
from ..offload.decide import pack
from ..schedule.plan import Plan
from .program import banner

LARGEST_ARRAY = 4096
"""Elements; larger parameters are included as binary, which compiles at the speed of a copy."""


def data_files(
    ir: ACALSimIR, plan: Plan, weights: Mapping[str, bytes], inputs: bytes
) -> dict[str, str | bytes]:
    """The files that hold values: the parameters and the example inputs."""
    packed = plan.packed
    weights = {name: pack(packed[name], data) if name in packed else data for name, data in weights.items()}
    block, offsets = bytearray(), {}
    for name in ir.params:
        block.extend(b"\0" * (-len(block) % ALIGNMENT))
        offsets[name] = len(block)
        block.extend(weights[name])
    arrays = [_weight(ir, name, weights[name], offsets[name]) for name in ir.params if weights[name]]
    return {
        f"{ir.name}_weights.bin": bytes(block),
        f"{ir.name}_weights.c": "\n".join([banner(ir, "weights"), f'#include "{ir.name}.h"\n', *arrays]),
        f"{ir.name}_inputs.bin": inputs,
        f"{ir.name}_inputs.c": _inputs_source(ir, plan),
    }


# --- values -------------------------------------------------------------------------------------


def _weight(ir: ACALSimIR, name: str, data: bytes, offset: int) -> str:
    desc = ir.tensors[name]
    values = memoryview(data).cast(
        {"float32": "f", "int64": "q", "int32": "i", "int8": "b", "bool": "B"}[desc.dtype]
    )
    small = len(values) <= LARGEST_ARRAY and all(map(math.isfinite, values))
    if not small:
        return incbin(name, ".weights", '"a"', f"{ir.name}_weights.bin", offset, len(data))
    rows = [", ".join(literal(value) for value in values[i : i + 8]) for i in range(0, len(values), 8)]
    body = ",\n".join(f"    {row}" for row in rows)
    head = f"const {C_TYPES[desc.dtype]} {name}[{desc.elements}]"
    return f'/* {list(desc.shape)} */\n{head} __attribute__((section(".weights"), aligned({ALIGNMENT}))) = {{\n{body}}};\n'


def incbin(symbol: str, section: str, flags: str, file: str, offset: int, size: int) -> str:
    """Top-level assembly that includes `size` bytes of `file` as the object `symbol`."""
    lines = (
        f".pushsection {section},{flags},@progbits",
        f".balign {ALIGNMENT}",
        f".globl {symbol}",
        f".type {symbol}, @object",
        f".size {symbol}, {size}",
        f"{symbol}:",
        f'.incbin "{file}", {offset}, {size}',
        ".popsection",
    )
    return "__asm__(\n" + "\n".join("    " + json.dumps(line + "\n") for line in lines) + ");\n"


def _inputs_source(ir: ACALSimIR, plan: Plan) -> str:
    size = plan.blocks[".inputs"]
    if not size:
        block = f'char {ir.name}_inputs[1] __attribute__((section(".inputs"), aligned({ALIGNMENT})));\n'
    else:
        block = incbin(f"{ir.name}_inputs", ".inputs", '"aw"', f"{ir.name}_inputs.bin", 0, size)
    return "\n".join([banner(ir, "example inputs"), f'#include "{ir.name}.h"\n', block])


def placed_inputs(ir: ACALSimIR, plan: Plan, tensors: Sequence[bytes]) -> bytes:
    """The input block: each tensor's bytes where the plan has it."""
    block = bytearray(plan.blocks[".inputs"])
    for name, data in zip(ir.inputs, tensors, strict=True):
        offset = plan.place(name).offset
        block[offset : offset + len(data)] = data
    return bytes(block)


def captured_tensors(folder: Path, file: str, rows: list[dict]) -> dict[str, bytes]:
    data = (folder / file).read_bytes()
    return {row["name"]: data[row["offset"] : row["offset"] + row["size_bytes"]] for row in rows}


def captured_data(ir: ACALSimIR, plan: Plan, folder: Path) -> dict[str, str | bytes]:
    index = read_json(folder / "capture.json")
    weights = captured_tensors(folder, "graph_0_weights.bin", index["weights"])
    inputs = captured_tensors(folder, "inputs.bin", index["inputs"])
    return data_files(ir, plan, weights, placed_inputs(ir, plan, [inputs[name] for name in ir.inputs]))
