# SPDX-License-Identifier: Apache-2.0
"""Which architectures of Hugging Face's transformers the compiler takes, as they come: a table.

    ./run python bench/architectures.py [NAME ...] [--check]

Each is as small as its configuration allows, with random weights: what counts is the operators that it is made
of. A row says whether the graph was captured, or the lines that refuse it, and the seconds that it took. --check also
compiles the program for this computer, runs it and compares its outputs with PyTorch's. The last line counts. Exit status 1
where an architecture ends in anything but a program or a refusal in words.
"""

import argparse
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

import project
import torch
from acalsim_backend.capture.model import capture_model
from acalsim_backend.capture.model_file import ModelFile
from acalsim_backend.errors import AcalsimError
from architectures_table import ARCHITECTURES, whole

os.environ["HF_HUB_OFFLINE"] = "1"


class Architecture(ModelFile):
    """Stands for the model file of one."""

    def __init__(self, name):
        super().__init__(Path(f"{name}.py"))
        self.name = name

    def build(self):
        return whole(self.name)


def outcome(name, is_checked):
    """(kind, words) of one architecture: captured, with its ops, or refused, with the lines that say why."""
    torch.manual_seed(0)
    torch._dynamo.reset()
    try:
        captured = capture_model(Architecture(name))
    except AcalsimError as error:
        return "refused", "; ".join(str(error).splitlines())
    except Exception as error:
        return "FAILED", f"{type(error).__name__}: {' '.join(str(error).split())}"
    words = f"{len(captured.ir.ops)} ops"
    if is_checked:
        with tempfile.TemporaryDirectory() as folder:
            error = relative_error(run_on_host(captured, Path(folder)), captured.references)
        words += f", max_rel_error {error:.1e}"
        if not error <= 1e-4:
            return "FAILED", words
    return "captured", words


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="of ARCHITECTURES; all unless given")
    parser.add_argument("--check", action="store_true", help="compile, run and compare as well")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    counts = dict.fromkeys(("captured", "refused", "FAILED"), 0)
    names = options.names or list(ARCHITECTURES)
    for name in names:
        started = time.perf_counter()
        kind, words = outcome(name, options.check)
        counts[kind] += 1
        print(f"{name:22} {time.perf_counter() - started:5.1f} s  {kind:8}  {words}", flush=True)
    print(
        f"{counts['captured']} of {len(names)} captured, {counts['refused']} refused, {counts['FAILED']} failed"
    )
    return int(counts["FAILED"] > 0)


if __name__ == "__main__":
    sys.path.append(str(project.ROOT / "tests"))
    from host_fixtures import run_on_host
    from zoo_fixtures import relative_error

    sys.exit(main())
