# SPDX-License-Identifier: Apache-2.0
"""python -m acalsim_backend.capture MODEL.py OUTDIR

writes graph_0.ir, the parameters (graph_0_weights.bin), example inputs (inputs.bin), PyTorch's own
outputs (outputs.bin), what lies where (capture.json) and what the model read (read.txt).
"""

import warnings
from pathlib import Path

from ..errors import CaptureError, run_room
from ..modelfile import ModelFile
from .model import capture_model
from .store import write_capture


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        raise CaptureError("usage: capture MODEL.py OUTDIR")
    warnings.filterwarnings("ignore", module="torch")
    file = ModelFile(Path(arguments[0]))
    file.load()
    write_capture(capture_model(file), file, Path(arguments[1]))
    return 0


run_room(main)
