# SPDX-License-Identifier: Apache-2.0
"""python -m acalsim_backend.capture MODEL.py OUTDIR [--watch PROGRAM]

writes graph_0.ir, the parameters (graph_0_weights.bin), example inputs (inputs.bin), PyTorch's own
outputs (outputs.bin), what lies where (capture.json) and what the model read (read.txt, installed.txt).
With --intermediates it writes what PyTorch computed at every op instead (intermediates.bin, .json).

The model runs in a process of its own, which PROGRAM watches (watch).
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from ..errors import CaptureError, run_room
from ..processes import die_with_parent
from ..watch import FAILED, Seen, read_seen
from .readings import write_readings

WORKER = (sys.executable, "-P", "-m", "acalsim_backend.capture.worker")
"""-P: the worker itself puts the working folder on sys.path, once imports are watched."""


def run_worker(watch: list[str], options: argparse.Namespace) -> tuple[str, int]:
    """The worker's reply, "" where it gave none, and its exit status."""
    listen, reply = os.pipe()
    command = [*watch, *WORKER, str(options.model), str(options.out), str(reply)]
    command += ["--precision", options.precision] + ["--intermediates"] * options.intermediates
    process = subprocess.Popen(command, pass_fds=[reply], preexec_fn=die_with_parent)
    os.close(reply)
    try:
        status = process.wait()
    finally:
        process.kill()
    os.set_blocking(listen, False)  # what outlived the model may still hold the other end
    try:
        return os.read(listen, 16).decode(), status
    except BlockingIOError:
        return "", status
    finally:
        os.close(listen)


def judge(model: Path, reply: str, status: int) -> None:
    """Raises CaptureError where the model ended the process before the capture was done."""
    if reply:
        return
    if status == FAILED:
        raise CaptureError(f"{model}: what it reads could not be watched")
    if status < 0 or status > 128:
        how = f"was killed by {signal.Signals(-status if status < 0 else status - 128).name}"
    else:
        how = f"ended with status {status}"
    raise CaptureError(
        f"{model}: the process {how} while the model was captured; a model file returns its model"
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="acalsim_backend.capture")
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--intermediates", action="store_true")
    parser.add_argument("--precision", choices=("float32", "int8"), default="float32")
    parser.add_argument("--watch", metavar="PROGRAM", help="the watcher (watch)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="acalsim-") as folder:
        seen_file = Path(folder) / "seen"
        watch = [options.watch, str(seen_file)] if options.watch else []
        reply, status = run_worker(watch, options)
        judge(options.model, reply, status)
        if reply != "done":
            return 1
        seen = read_seen(seen_file) if watch else Seen([], ["no --watch PROGRAM was given"])
    if not options.intermediates:
        unwatched = write_readings(seen, options.out)
        if watch and unwatched:
            say_unwatched(options.model, unwatched)
    return 0


def say_unwatched(model: Path, reasons: list[str]) -> None:
    print(
        f"capture: {model}: captured anew in every build, as not all that it reads can be watched: "
        f"{'; '.join(reasons)}",
        file=sys.stderr,
    )


run_room(main)
