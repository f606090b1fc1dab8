# SPDX-License-Identifier: Apache-2.0
"""python -m acalsim_backend.capture.worker MODEL OUTDIR REPLY: the process in which the user's code runs.

Writes what the capture makes of the model into OUTDIR, and to the descriptor REPLY a line "done" or, with the lines
that say why not, the room that stopped it. Who finds nothing there knows that the model ended the process.
"""

import argparse
import os
import warnings
from contextlib import suppress
from pathlib import Path

from ..errors import AcalsimError, CaptureError, disk_trouble, run_room
from ..ir.graph import HALVES
from .capture_file import PRECISIONS, Narrowed, Quantised
from .exported import SUFFIX, ExportedFile
from .generation import capture_generation
from .imports import watch_imports
from .model import Captured, capture_model, ranges
from .model_file import ModelFile
from .narrow import narrow
from .quantise import quantise
from .store import write_capture, write_intermediates


def quantised(captured: Captured) -> Quantised:
    """Turn what was captured into its int8 form."""
    names, samples = captured.ir.arguments, [captured.inputs, *(each.inputs for each in captured.others)]
    given = [dict(zip(names, inputs, strict=True)) for inputs in samples]
    return quantise(captured.ir, {**given[0], **captured.intermediates}, {**ranges(given), **captured.ranges})


def narrowed(captured: Captured, precision: str) -> Narrowed | None:
    """Turn what was captured into its form of half types, where it has one."""
    everything = precision if precision in HALVES else None
    if everything is None and not captured.ir.narrow:
        return None
    types = {*captured.ir.narrow.values(), *([everything] if everything else [])}
    graphs = filter(None, (captured.ir, captured.ir.unquantised))
    forms = tuple(dict.fromkeys(form for ir in graphs for form in narrow(ir, everything)))
    return Narrowed(forms, tuple(half for half in HALVES if half in types))


def capture(options: argparse.Namespace) -> None:
    process, out = os.getpid(), options.out.absolute()  # the model may change the working folder
    file = (ExportedFile if options.model.suffix == SUFFIX else ModelFile)(options.model)
    file.load()
    capture_it = capture_generation if file.generate else capture_model
    captured = capture_it(file, options.intermediates or options.precision == "int8")
    if os.getpid() != process:
        os._exit(0)  # the model has forked, and the first process goes on
    file.check_in_place()
    if options.intermediates:
        write_intermediates(captured, out)
    else:
        int8 = captured.given_int8
        if options.precision == "int8" and int8 is None:
            int8 = quantised(captured)
        write_capture(captured, file, out, int8, narrowed(captured, options.precision))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="acalsim_backend.capture.worker")
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("reply", type=int)
    parser.add_argument("--intermediates", action="store_true")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", module="torch")
    watch_imports()
    try:
        capture(options)
        reply = "done\n"
    except AcalsimError as error:
        reply = f"{error.room}\n{error}"
    except OSError as error:
        reply = f"{CaptureError.room}\n{disk_trouble(error)}"
    except KeyboardInterrupt:  # of the model's own making: the parent heeds the terminal's
        reply = f"{CaptureError.room}\n{options.model}: the model raised KeyboardInterrupt"
    with suppress(OSError):  # the model may have closed it
        os.write(options.reply, reply.encode())
    return 0


if __name__ == "__main__":
    run_room(main)
