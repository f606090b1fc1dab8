# SPDX-License-Identifier: Apache-2.0
"""python -m acalsim_backend.capture.worker MODEL.py OUTDIR REPLY: the process in which the user's code runs.

Writes what the capture makes of the model into OUTDIR, and one word to the descriptor REPLY: "done", or "told"
where it has said itself what went wrong. Who hears nothing knows that the model ended the process.
"""

import argparse
import os
import warnings
from pathlib import Path

from ..errors import run_room
from .capture_file import Quantised
from .imports import watch_imports
from .model import Captured, capture_model
from .model_file import ModelFile
from .quantise import quantise
from .store import write_capture, write_intermediates


def quantised(captured: Captured) -> Quantised:
    """Turn what was captured into its int8 form."""
    return quantise(
        captured.ir, {**dict(zip(captured.ir.inputs, captured.inputs, strict=True)), **captured.intermediates}
    )


def capture(options: argparse.Namespace) -> None:
    out = options.out.absolute()  # the model may change the working folder
    file = ModelFile(options.model)
    file.load()
    captured = capture_model(file, keep_all=options.intermediates or options.precision == "int8")
    file.check_in_place()
    if options.intermediates:
        write_intermediates(captured, out)
    else:
        write_capture(captured, file, out, quantised(captured) if options.precision == "int8" else None)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="acalsim_backend.capture.worker")
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("reply", type=int)
    parser.add_argument("--intermediates", action="store_true")
    parser.add_argument("--precision", choices=("float32", "int8"), default="float32")
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", module="torch")
    watch_imports()
    answer = b"told"
    try:
        capture(options)
        answer = b"done"
    finally:
        os.write(options.reply, answer)
    return 0


if __name__ == "__main__":
    run_room(main)
