# SPDX-License-Identifier: Apache-2.0
"""Finds the first op that differs from PyTorch, in a run of a program that kept the result of every op.

python -m acalsim_backend.report.verify OUT.json --capture DIR --kept kept.json --outputs outputs.bin
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ..errors import VerifyError, run_room
from ..files import read_json, write_json
from .compare import compare, tensors
from .show import print_verification

SCHEMA = 1


def verify(rows: list[dict], block: bytes, references: dict[str, np.ndarray], tolerance: float) -> dict:
    """Every op's error, in order of execution, and `check` as in a report, with the first op that differs.

    `rows` are kept.json's, `block` is the program's output block. Copies and paddings that PyTorch
    does not know are left out.
    """
    ops = [
        _row(row, block, references[row["tensor"]], tolerance) for row in rows if row["tensor"] in references
    ]
    bad = next((op["name"] for op in ops if not op["passed"]), None)
    return {
        "schema": SCHEMA,
        "check": {
            "passed": bad is None,
            "max_abs_error": max((op["max_abs_error"] for op in ops), default=0.0),
            "max_rel_error": max((op["max_rel_error"] for op in ops), default=0.0),
            "first_bad_op": bad,
        },
        "ops": ops,
    }


def _row(row: dict, block: bytes, reference: np.ndarray, tolerance: float) -> dict:
    value = read_tensor(row, block)
    check = compare([value], [reference.reshape(value.shape)], [row["op"]], tolerance)
    return {
        "name": row["op"],
        "type": row["type"],
        "tensor": row["tensor"],
        "shape": row["shape"],
        "source": row["source"],
        "aten": row["aten"],
        "passed": check["passed"],
        "max_abs_error": check["max_abs_error"],
        "max_rel_error": check["max_rel_error"],
    }


def read_tensor(row: dict, block: bytes) -> np.ndarray:
    """A tensor of the output block, wherever its elements lie."""
    whole = np.frombuffer(block, np.uint8)
    item = np.dtype(row["dtype"]).itemsize
    strides = [step * item for step in row["strides"]]
    return (
        np.ndarray(row["shape"], row["dtype"], whole, row["offset"], strides)
        if whole.size
        else np.empty(row["shape"], row["dtype"])
    )


def difference(report: dict, tolerance: float) -> str:
    """One line about the first op that differs."""
    op = next(op for op in report["ops"] if not op["passed"])
    where = f" ({op['source']})" if op["source"] else ""
    return (
        f"op '{op['name']}', {op['type']} of {', '.join(op['aten']) or 'no torch op'}{where}, is the first that differs from PyTorch: "
        f"max_rel_error is {op['max_rel_error']:.3g}, allowed is {tolerance:g}; every op before it agrees"
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="acalsim_backend.report.verify", description=__doc__.splitlines()[0]
    )
    parser.add_argument("out", type=Path)
    for name in ("capture", "kept", "outputs"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args(arguments)
    capture = read_json(options.capture / "capture.json")
    tolerance = capture["tolerance"]
    rows = read_json(options.capture / "intermediates.json")["tensors"]
    values = tensors((options.capture / "intermediates.bin").read_bytes(), rows)
    references = {row["name"]: value for row, value in zip(rows, values, strict=True)}
    for row in capture.get("quantised", {}).get("tensors", ()):
        if row["of"] in references:
            references[row["name"]] = references[row["of"]] / row["scale"]
    report = verify(read_json(options.kept)["tensors"], options.outputs.read_bytes(), references, tolerance)
    write_json(options.out, report)
    print_verification(options.out.name.removesuffix(".verify.json"), report)
    if not report["check"]["passed"]:
        raise VerifyError(difference(report, tolerance))
    return 0


if __name__ == "__main__":
    run_room(main)
