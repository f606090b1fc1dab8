# SPDX-License-Identifier: Apache-2.0
"""Model files: which there are, what they may be called, and where what is made from each of them lies."""

import itertools
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = (".py", ".pt2")
"""Of a model file, and of a program that torch.export.save wrote."""
WHAT_A_MODEL_IS = "a model is a NAME.py with model() and inputs(), or a NAME.pt2 of torch.export.save"
RESERVED = (
    "capture",
    "capture-bfloat16",
    "capture-float16",
    "capture-int8",
    "host",
    "host-sst",
    "index",
    "reports",
    "runtime",
    "sweeps",
    "verify",
)
"""Folders of build/ that no model may be named after, and the page of all reports."""
SUFFIXES_OF_FIRMWARE = (".elf", ".map", ".dump", ".bin")
SUFFIXES_OF_REPORTS = (".advice", ".host", ".verify")
APART = "+"
"""No model's name has this character: it keeps files apart that would have the same name."""


@dataclass(frozen=True)
class Model:
    """One model file and the folders of what is made from it."""

    name: str
    source: str
    capture: str
    build: str
    reports: str
    neighbours: frozenset[str] = frozenset()
    keeps_all: bool = False

    @property
    def folder(self):
        """build/NAME, unless another model's firmware is called so: `t.elf` beside `t`."""
        stem, suffix = os.path.splitext(self.name)
        is_taken = suffix in SUFFIXES_OF_FIRMWARE and stem in self.neighbours
        return f"{self.build}/{self.name}{APART * is_taken}"

    def report(self, suffix=""):
        """reports/NAME[SUFFIX].json, unless that is another model's own report: `t.host` beside `t`."""
        is_taken = suffix in SUFFIXES_OF_REPORTS and self.name + suffix in self.neighbours
        return f"{self.reports}/{self.name}{suffix}{APART * is_taken}.json"

    @property
    def tiling(self):
        """The file in which the user chose tilings, if there is one."""
        path = os.path.splitext(self.source)[0] + ".tiling.toml"
        return [path] if os.path.exists(path) else []


class ModelsError(Exception):
    """Why there is nothing to build, in one line."""


def captures_of(precision):
    """The folder of all captures in that precision."""
    return "build/capture" if precision == "float32" else f"build/capture-{precision}"


def find_models(folder, given, build, captures):
    """Every NAME.py and NAME.pt2 of `folder`, which the user called `given`, that begins with no _, as Model rows."""
    if not given:
        raise ModelsError("MODELS is empty; it names a folder with one NAME.py or NAME.pt2 a model")
    if not Path(folder).is_dir():
        raise ModelsError(
            f"MODELS is '{given}', which is no folder; it holds one NAME.py or NAME.pt2 a model"
        )
    files = model_files(folder)
    for name, path in files:
        check_model(name, path)
    if not files:
        raise ModelsError(f"no model files in '{given}'; {WHAT_A_MODEL_IS}")
    names = frozenset(name for name, _ in files)
    if len(names) < len(files):
        refuse_twins(files)
    return [Model(name, path, f"{captures}/{name}", build, f"{build}/reports", names) for name, path in files]


def model_files(folder):
    """(name, path) of what looks like a model; nothing where there is no such folder."""
    return [
        (path.stem, str(path))
        for path in sorted(Path(folder).glob("*"))
        if path.suffix in SUFFIXES and not path.name.startswith("_")
    ]


def refuse_twins(files):
    """Raise ModelsError for two files that would both be the model NAME."""
    for (name, path), (other, twin) in itertools.pairwise(sorted(files)):
        if name == other:
            raise ModelsError(
                f"'{path}' and '{twin}' would both be the model '{name}'; rename or remove one of them"
            )


def check_model(name, path):
    if name in RESERVED or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise ModelsError(
            f"'{path}' can't be a model's file name: use letters, digits, _ . - and none of {', '.join(RESERVED)}"
        )
    try:
        is_file = stat.S_ISREG(os.stat(path).st_mode)
    except OSError as error:
        raise ModelsError(f"'{path}' cannot be read: {error.strerror}") from None
    if not is_file:
        raise ModelsError(f"'{path}' is no regular file; {WHAT_A_MODEL_IS}")
    if not os.access(path, os.R_OK):
        raise ModelsError(f"'{path}' cannot be read: permission denied")
