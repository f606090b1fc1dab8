# SPDX-License-Identifier: Apache-2.0
"""The files that hold values, parameters and example inputs, from a captured model and its plan.json.

    python -m acalsim_backend.codegen.values CAPTURE_DIR OUT_DIR --plan PLAN.json

It plans nothing, so that new weights cost no planning.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from .. import doors
from ..alignment import ALIGNMENT
from ..capture.capture_file import CaptureFile, StoredTensor
from ..errors import CodegenError, run_room
from ..files import write_files
from ..ir.literals import C_TYPES, literal
from ..schedule.plan_file import PackedRow, PlanFile, WeightRow
from .banner import banner

LARGEST_ARRAY = 4096
"""Elements; larger parameters are included as binary, which compiles at the speed of a copy."""


def data_files(plan: PlanFile, weights: Mapping[str, bytes], inputs: bytes) -> dict[str, str | bytes]:
    """The files that hold values, by name: parameters, row-major in `weights`, and the example input block."""
    block, arrays = bytearray(), []
    for row in plan.weights:
        data = weights[row.name] if row.packed is None else pack(row.packed, weights[row.name], row.dtype)
        block.extend(b"\0" * (-len(block) % ALIGNMENT))
        if data:
            arrays.append(_weight(plan.graph, row, data, len(block)))
        block.extend(data)
    include = f'#include "{plan.graph}.h"\n'
    return {
        f"{plan.graph}_weights.bin": bytes(block),
        f"{plan.graph}_weights.c": "\n".join([banner(plan.graph, "weights"), include, *arrays]),
        f"{plan.graph}_inputs.bin": inputs,
        f"{plan.graph}_inputs.c": "\n".join(
            [banner(plan.graph, "example inputs"), include, _inputs(plan.graph, plan.sections[".inputs"])]
        ),
    }


def pack(matrix: PackedRow, data: bytes, dtype: str) -> bytes:
    """A constant's bytes in the order of its blocks."""
    stored = np.frombuffer(data, f"V{np.dtype(dtype).itemsize}")
    lines = (
        stored.reshape(matrix.lines, matrix.depth)
        if matrix.by_lines
        else stored.reshape(matrix.depth, matrix.lines).T
    )
    blocks = []
    for first in range(0, matrix.lines, matrix.height):
        for k in range(0, matrix.depth, matrix.width):
            block = lines[first : first + matrix.height, k : k + matrix.width]
            blocks.append((block if matrix.by_lines else block.T).tobytes())
    return b"".join(blocks)


def placed_inputs(plan: PlanFile, tensors: Sequence[bytes]) -> bytes:
    """The input block: each tensor's bytes where the plan has it."""
    block = bytearray(plan.sections[".inputs"])
    for row, data in zip(plan.inputs, tensors, strict=True):
        block[row.offset : row.offset + len(data)] = data
    return bytes(block)


# --- C ------------------------------------------------------------------------------------------


def _weight(graph: str, row: WeightRow, data: bytes, offset: int) -> str:
    values = np.frombuffer(data, row.dtype)
    if values.size > LARGEST_ARRAY or not np.isfinite(values).all():
        return incbin(row.symbol, ".weights", '"a"', f"{graph}_weights.bin", offset, len(data))
    literals = [literal(value) for value in values.tolist()]
    rows = [", ".join(literals[i : i + 8]) for i in range(0, len(literals), 8)]
    body = ",\n".join(f"    {each}" for each in rows)
    head = f"const {C_TYPES[row.dtype]} {row.symbol}[{math.prod(row.shape)}]"
    attributes = f'__attribute__((section(".weights"), aligned({ALIGNMENT})))'
    return f"/* {list(row.shape)} */\n{head} {attributes} = {{\n{body}}};\n"


def _inputs(graph: str, size: int) -> str:
    if size:
        return incbin(f"{graph}_inputs", ".inputs", '"aw"', f"{graph}_inputs.bin", 0, size)
    return f'char {graph}_inputs[1] __attribute__((section(".inputs"), aligned({ALIGNMENT})));\n'


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


# --- captured models ----------------------------------------------------------------------------


def captured_data(plan: PlanFile, folder: Path) -> dict[str, str | bytes]:
    """The files of a model whose capture lies in `folder`."""
    index = doors.read(folder / "capture.json", CaptureFile, CodegenError)
    weights = _stored(folder / "graph_0_weights.bin", index.weights)
    inputs = _stored(folder / "inputs.bin", index.inputs)
    return data_files(plan, weights, placed_inputs(plan, [inputs[row.name] for row in plan.inputs]))


def _stored(path: Path, rows: Iterable[StoredTensor]) -> dict[str, bytes]:
    data = path.read_bytes()
    return {row.name: data[row.offset : row.offset + row.size_bytes] for row in rows}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="acalsim_backend.codegen.values", description=__doc__.splitlines()[0]
    )
    parser.add_argument("capture", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--plan", type=Path, required=True, help="plan.json, which lies beside the program")
    options = parser.parse_args(arguments)
    write_files(captured_data(doors.read(options.plan, PlanFile, CodegenError), options.capture), options.out)
    return 0


if __name__ == "__main__":
    run_room(main)
