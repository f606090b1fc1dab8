# SPDX-License-Identifier: Apache-2.0
"""python -m acalsim_backend.capture MODEL.py OUTDIR

writes graph_0.ir, the parameters (graph_0_weights.bin), example inputs (inputs.bin), PyTorch's own
outputs (outputs.bin), what lies where (capture.json) and what the model read (read.txt). With
--intermediates it writes what PyTorch computed at every op instead (intermediates.bin, .json).
"""

import argparse
import warnings
from pathlib import Path

from ..errors import run_room
from .capture_file import Quantised
from .model import Captured, capture_model
from .model_file import ModelFile
from .quantise import quantise
from .store import write_capture, write_intermediates


def quantised(captured: Captured) -> Quantised:
    """Turn what was captured into its int8 form."""
    return quantise(
        captured.ir, {**dict(zip(captured.ir.inputs, captured.inputs, strict=True)), **captured.intermediates}
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="acalsim_backend.capture")
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--intermediates", action="store_true")
    parser.add_argument("--precision", choices=("float32", "int8"), default="float32")
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", module="torch")
    file = ModelFile(options.model)
    file.load()
    captured = capture_model(file, keep_all=options.intermediates or options.precision == "int8")
    if options.intermediates:
        write_intermediates(captured, options.out)
    else:
        write_capture(
            captured, file, options.out, quantised(captured) if options.precision == "int8" else None
        )
    return 0


run_room(main)
