# SPDX-License-Identifier: Apache-2.0
"""Model files: which there are, what they may be called, and where what is made from each of them lies."""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

RESERVED = (
    "capture",
    "capture-bfloat16",
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
        path = self.source.removesuffix(".py") + ".tiling.toml"
        return [path] if os.path.exists(path) else []


class ModelsError(Exception):
    """Why there is nothing to build, in one line."""


def captures_of(precision):
    """The folder of all captures in that precision."""
    return "build/capture" if precision == "float32" else f"build/capture-{precision}"


def find_models(folder, given, build, captures):
    """Every NAME.py of `folder`, which the user called `given`, that begins with no _, as Model rows."""
    if not given:
        raise ModelsError("MODELS is empty; it names a folder with one NAME.py a model")
    if not Path(folder).is_dir():
        raise ModelsError(f"MODELS is '{given}', which is no folder; it holds one NAME.py a model")
    files = model_files(folder)
    for name, path in files:
        check_model(name, path)
    if not files:
        raise ModelsError(f"no model files in '{given}'; a model is a NAME.py with model() and inputs()")
    names = frozenset(name for name, _ in files)
    return [Model(name, path, f"{captures}/{name}", build, f"{build}/reports", names) for name, path in files]


def model_files(folder):
    """(name, path) of what looks like a model; nothing where there is no such folder."""
    return [
        (path.stem, str(path)) for path in sorted(Path(folder).glob("*.py")) if not path.name.startswith("_")
    ]


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
        raise ModelsError(f"'{path}' is no regular file; a model file holds model() and inputs()")
    if not os.access(path, os.R_OK):
        raise ModelsError(f"'{path}' cannot be read: permission denied")
