# SPDX-License-Identifier: Apache-2.0
"""The files that hold values, parameters and example inputs, from a captured model and its plan.json.

    python -m acalsim_backend.codegen.values CAPTURE_DIR OUT_DIR --plan PLAN.json

Neither a compiler nor an assembler sees them: the linker takes them from an object file that is written here.
It plans nothing, so that new weights cost no planning.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from .. import doors
from ..capture.capture_file import CaptureFile, sample_bytes
from ..errors import CodegenError, run_room
from ..files import Content, write_files
from ..mapped import Array, aligned_parts, mapped, samples, tensor_bytes, tensors
from ..schedule.plan_file import PackedRow, PlanFile, WeightRow
from .elf_object import DataObject, relocatable


def data_files(
    plan: PlanFile, weights: Mapping[str, Array], inputs: bytes, others: Sequence[bytes] = ()
) -> dict[str, Content]:
    """The files that hold values, by name: parameters, and the example input block, behind which its file has the
    `others`."""
    parts = {row.symbol: _values(row, weights[row.name]) for row in plan.weights}
    sizes = {row.symbol: weights[row.name].nbytes for row in plan.weights}
    objects = [DataObject(name, ".weights", False, sizes[name], parts[name]) for name in parts if sizes[name]]
    block, *further = (each or bytes(1) for each in (inputs, *others))
    objects.append(DataObject(f"{plan.graph}_inputs", ".inputs", True, len(block), lambda: block))
    return {
        f"{plan.graph}_weights.bin": aligned_parts(part() for part in parts.values()),
        f"{plan.graph}_inputs.bin": b"".join([block, *further]) if others else inputs,
        f"{plan.graph}_values.obj": relocatable(objects),
    }


def _values(row: WeightRow, array: Array) -> Callable[[], Array]:
    """What makes a parameter's bytes, in the order in which they lie in guest memory."""
    packed = row.packed
    return lambda: tensor_bytes(array if packed is None else pack(packed, array))


def pack(matrix: PackedRow, array: Array) -> Array:
    """A constant's elements in the order of its blocks."""
    lines = (
        array.reshape(matrix.lines, matrix.depth)
        if matrix.by_lines
        else array.reshape(matrix.depth, matrix.lines).T
    )
    packed, end = np.empty(array.size, array.dtype), 0
    for first in range(0, matrix.lines, matrix.height):
        for k in range(0, matrix.depth, matrix.width):
            block = lines[first : first + matrix.height, k : k + matrix.width]
            packed[end : end + block.size] = (block if matrix.by_lines else block.T).reshape(-1)
            end += block.size
    return packed


def placed_inputs(plan: PlanFile, tensors: Sequence[bytes]) -> bytes:
    """The input block: each tensor's bytes where the plan has it."""
    block = bytearray(plan.sections[".inputs"])
    for row, data in zip(plan.inputs, tensors, strict=True):
        block[row.offset : row.offset + len(data)] = data
    return bytes(block)


# --- captured models ----------------------------------------------------------------------------


def captured_data(plan: PlanFile, folder: Path) -> dict[str, Content]:
    """The files of a model whose capture lies in `folder`."""
    index = doors.read(folder / "capture.json", CaptureFile, CodegenError)
    weights = {
        row.name: array
        for row, array in zip(
            index.weights, tensors(mapped(folder / "graph_0_weights.bin"), index.weights), strict=True
        )
    }
    given = samples(mapped(folder / "inputs.bin"), index.inputs, index.samples, sample_bytes(index.inputs))
    places = {row.name: place for place, row in enumerate(index.inputs)}
    blocks = [
        placed_inputs(plan, [arrays[places[row.name]].tobytes() for row in plan.inputs]) for arrays in given
    ]
    return data_files(plan, weights, blocks[0], blocks[1:])


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
