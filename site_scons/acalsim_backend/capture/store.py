# SPDX-License-Identifier: Apache-2.0
"""What was captured, written to files: each whole, capture.json last."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .. import doors
from ..alignment import aligned
from ..files import write_atomic
from ..mapped import aligned_parts, tensor_bytes
from .capture_file import CaptureFile, IntermediatesFile, Narrowed, Origin, Quantised, StoredTensor
from .model import Captured
from .model_file import ModelFile


def write_capture(
    captured: Captured,
    file: ModelFile,
    folder: Path,
    quantised: Quantised | None = None,
    narrowed: Narrowed | None = None,
) -> None:
    """Write the files of one model, capture.json last: it says that the others are whole."""
    ir = captured.ir
    folder.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys([*ir.params, *(ir.unquantised.params if ir.unquantised else ())]))
    values = ir.values()
    weights = [values[name] for name in names]
    digest = hashlib.sha256()
    write_atomic(folder / "graph_0.ir", str(ir))
    write_atomic(folder / "graph_0_weights.bin", _digested(packed(weights), digest.update))
    others = captured.others
    inputs = [captured.inputs, *(each.inputs for each in others)]
    references = [captured.references, *(each.references for each in others)]
    write_atomic(folder / "inputs.bin", packed(itertools.chain(*inputs)))
    write_atomic(folder / "outputs.bin", packed(itertools.chain(*references)))
    index = CaptureFile(
        origin=_origin(file.source, digest.hexdigest()),
        tolerance=max(
            [
                file.tolerance if quantised is None else file.tolerance_of("int8"),
                *(file.tolerance_of(half) for half in (narrowed.types if narrowed else ())),
            ]
        ),
        quantised=quantised,
        narrowed=narrowed,
        weights=rows_of(names, weights),
        inputs=rows_of(ir.arguments, captured.inputs),
        outputs=rows_of(ir.results, captured.references),
        samples=1 + len(others),
    )
    doors.write(folder / "capture.json", index)


def origin_of(source: bytes, weights: Iterable[Any]) -> Origin:
    """Of a graph whose model has this source, and whose parameters are these arrays."""
    digest = hashlib.sha256()
    for _ in _digested(packed(weights), digest.update):
        pass
    return _origin(source, digest.hexdigest())


def _origin(source: bytes, weights_sha256: str) -> Origin:
    return Origin(hashlib.sha256(source).hexdigest(), weights_sha256, version("torch"))


def _digested(parts: Iterable[Any], update: Callable[[Any], None]) -> Iterator[Any]:
    """The same parts, each shown to `update` on its way."""
    for part in parts:
        update(part)
        yield part


def write_intermediates(captured: Captured, folder: Path) -> None:
    """Write what PyTorch computed at every op, for the room that looks for the first that differs."""
    names = [name for op in captured.ir.ops for name in op.outputs if name in captured.intermediates]
    arrays = [captured.intermediates[name] for name in names]
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "intermediates.bin", packed(arrays))
    doors.write(folder / "intermediates.json", IntermediatesFile(rows_of(names, arrays)))


def packed(arrays: Iterable[Any]) -> Iterator[Any]:
    """The arrays' bytes one behind the other, each aligned, as parts of a file."""
    return aligned_parts(map(tensor_bytes, arrays))


def rows_of(names: Sequence[str], arrays: Sequence[Any]) -> tuple[StoredTensor, ...]:
    """Where each of the arrays lies in the bytes that `packed` makes of them."""
    rows, end = [], 0
    for name, array in zip(names, arrays, strict=True):
        start = aligned(end)
        rows.append(StoredTensor(name, str(array.dtype), tuple(array.shape), start, array.nbytes))
        end = start + array.nbytes
    return tuple(rows)
