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
from ..modelfile import ModelFile
from .model import capture_model
from .store import write_capture, write_intermediates


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="acalsim_backend.capture")
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--intermediates", action="store_true")
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", module="torch")
    file = ModelFile(options.model)
    file.load()
    captured = capture_model(file, keep_all=options.intermediates)
    if options.intermediates:
        write_intermediates(captured, options.out)
    else:
        write_capture(captured, file, options.out)
    return 0


run_room(main)
