# SPDX-License-Identifier: Apache-2.0
"""What was captured, written to files: each whole, capture.json last."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .. import doors
from ..alignment import ALIGNMENT
from ..files import write_atomic
from .capture_file import CaptureFile, IntermediatesFile, Origin, Quantised, StoredTensor
from .model import Captured
from .model_file import ModelFile


def write_capture(
    captured: Captured, file: ModelFile, folder: Path, quantised: Quantised | None = None
) -> None:
    """Write the files of one model, capture.json last: it says that the others are whole."""
    ir = captured.ir
    folder.mkdir(parents=True, exist_ok=True)
    weights, weight_rows = pack(ir.params, [ir.constants[name] for name in ir.params])
    inputs, input_rows = pack(ir.inputs, captured.inputs)
    outputs, output_rows = pack(ir.outputs, captured.references)
    write_atomic(folder / "graph_0.ir", str(ir))
    write_atomic(folder / "graph_0_weights.bin", weights)
    write_atomic(folder / "inputs.bin", inputs)
    write_atomic(folder / "outputs.bin", outputs)
    index = CaptureFile(
        origin=origin_of(file.source, weights),
        tolerance=file.tolerance if quantised is None else file.int8_tolerance,
        quantised=quantised,
        weights=weight_rows,
        inputs=input_rows,
        outputs=output_rows,
    )
    doors.write(folder / "capture.json", index)


def origin_of(source: bytes, weights: bytes) -> Origin:
    """Of a graph whose model has this source, and whose parameters are packed like this."""
    return Origin(hashlib.sha256(source).hexdigest(), hashlib.sha256(weights).hexdigest(), version("torch"))


def write_intermediates(captured: Captured, folder: Path) -> None:
    """Write what PyTorch computed at every op, for the room that looks for the first that differs."""
    names = [name for op in captured.ir.ops for name in op.outputs if name in captured.intermediates]
    values, rows = pack(names, [captured.intermediates[name] for name in names])
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "intermediates.bin", values)
    doors.write(folder / "intermediates.json", IntermediatesFile(rows))


def pack(names: Sequence[str], arrays: Sequence[Any]) -> tuple[bytes, tuple[StoredTensor, ...]]:
    """The arrays' bytes one behind the other, each aligned, and a row for each that says where."""
    block, rows = bytearray(), []
    for name, array in zip(names, arrays, strict=True):
        block.extend(b"\0" * (-len(block) % ALIGNMENT))
        data = array.tobytes()
        rows.append(StoredTensor(name, str(array.dtype), tuple(array.shape), len(block), len(data)))
        block.extend(data)
    return bytes(block), tuple(rows)
