# SPDX-License-Identifier: Apache-2.0
"""Finds the first op that differs from PyTorch, in a run of a program that kept the result of every op.

python -m acalsim_backend.report.verify OUT.json --capture DIR --kept kept.json --outputs outputs.bin
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from .. import doors
from ..capture.capture_file import CaptureFile, IntermediatesFile, QuantisedTensor
from ..errors import VerifyError, run_room
from ..halves import HALF, read_halves
from ..mapped import Array, Block, mapped, tensors
from ..schedule.kept_file import KeptFile, KeptRow
from .compare import compare, error_text, largest
from .report_file import SCHEMA, Check, Verification, VerifiedOp
from .show import print_verification


def verify(
    rows: Iterable[KeptRow], block: Block, references: Mapping[str, Array], tolerance: float
) -> Verification:
    """Every op's error, in order of execution, and `check` as in a report, with the first op that differs.

    `block` is the program's output block. Copies and paddings that PyTorch does not know are left out.
    """
    ops = tuple(
        _verified(row, block, references[row.tensor], tolerance) for row in rows if row.tensor in references
    )
    bad = next((op.name for op in ops if not op.passed), None)
    check = Check(
        passed=bad is None,
        max_abs_error=largest(op.max_abs_error for op in ops),
        max_rel_error=largest(op.max_rel_error for op in ops),
        first_bad_op=bad,
    )
    return Verification(SCHEMA, check, ops)


def _verified(row: KeptRow, block: Block, reference: Array, tolerance: float) -> VerifiedOp:
    value = read_tensor(row, block)
    check = compare([value], [reference.reshape(value.shape)], [row.op], tolerance)
    return VerifiedOp(
        name=row.op,
        type=row.type,
        tensor=row.tensor,
        shape=row.shape,
        source=row.source,
        aten=row.aten,
        passed=check.passed,
        max_abs_error=check.max_abs_error,
        max_rel_error=check.max_rel_error,
    )


INT8 = ("CONV_INT8", "GEMM_INT8")
"""Of a quantised model that is computed as it was before, nothing is divided by a scale."""


def read_tensor(row: KeptRow, block: Block) -> Array:
    """A tensor of the output block, wherever its elements lie."""
    whole = np.frombuffer(block, np.uint8)
    dtype = "uint16" if row.dtype in HALF else row.dtype
    if not whole.size:
        return np.empty(row.shape, dtype)
    item = np.dtype(dtype).itemsize
    found = np.ndarray(row.shape, dtype, whole, row.offset, [step * item for step in row.strides])
    return read_halves(row.dtype, found)


def difference(report: Verification, tolerance: float) -> str:
    """One line about the first op that differs."""
    op = next(op for op in report.ops if not op.passed)
    where = f" ({op.source})" if op.source else ""
    return (
        f"op '{op.name}', {op.type} of {', '.join(op.aten) or 'no torch op'}{where}, "
        f"is the first that differs from PyTorch: max_rel_error is {error_text(op.max_rel_error, 3)}, "
        f"allowed is {tolerance:g}; every op before it agrees"
    )


def references_of(capture: Path, quantised: Iterable[QuantisedTensor]) -> dict[str, Array]:
    """PyTorch's values of the captured model's tensors; of quantised ones, by what they were divided."""
    rows = doors.read(capture / "intermediates.json", IntermediatesFile, VerifyError).tensors
    values = tensors(mapped(capture / "intermediates.bin"), rows)
    references = {row.name: value for row, value in zip(rows, values, strict=True)}
    for row in quantised:
        if row.of in references:
            references[row.name] = references[row.of] / row.scale
    return references


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="acalsim_backend.report.verify", description=__doc__.splitlines()[0]
    )
    parser.add_argument("out", type=Path)
    for name in ("capture", "kept", "outputs"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args(arguments)
    capture = doors.read(options.capture / "capture.json", CaptureFile, VerifyError)
    rows = doors.read(options.kept, KeptFile, VerifyError).tensors
    quantised = capture.quantised if any(row.type in INT8 for row in rows) else None
    forms = [each.tensors for each in (quantised, capture.narrowed) if each]
    references = references_of(options.capture, itertools.chain(*forms))
    origin = capture.origin
    report = replace(
        verify(rows, mapped(options.outputs), references, capture.tolerance),
        model_sha256=origin.model_sha256,
        weights_sha256=origin.weights_sha256,
    )
    doors.write(options.out, report)
    name = options.out.name.removesuffix(".json").removesuffix("+").removesuffix(".verify")
    print_verification(name, report)
    if not report.check.passed:
        raise VerifyError(difference(report, capture.tolerance))
    return 0


if __name__ == "__main__":
    run_room(main)
