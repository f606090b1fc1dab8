# SPDX-License-Identifier: Apache-2.0
"""Loads the embedded engine: the path of its library in, the Python extension out.

engine.py builds the library. What only building needs, nanobind above all, is not imported here.
"""

from __future__ import annotations

import importlib.util
import os
import sysconfig
from pathlib import Path
from types import ModuleType

from ..errors import ServeError, TimingError
from ..files import StrPath, short_digest
from ..paths import ROOT

LIBRARY_NAME = f"_embedded{sysconfig.get_config_var('EXT_SUFFIX')}"


def find_library(given: StrPath | None = None) -> Path:
    """The given library, else that of $ACALSIM_ENGINE, else that of the build. Raises ServeError if none."""
    path = Path(given or os.environ.get("ACALSIM_ENGINE") or ROOT / "build/host" / LIBRARY_NAME)
    if path.is_file():
        return path
    raise ServeError(f"no engine at '{path}'; build it: ./run scons host")


_modules: dict[str, ModuleType] = {}
"""Loaded engines by the digest of their file: nanobind refuses the same types twice in one process."""


def load(path: StrPath) -> ModuleType:
    """Import the engine from that file. Raises ServeError where that fails."""
    try:
        digest = short_digest(Path(path))
    except OSError as error:
        raise ServeError(f"cannot load the engine '{path}': {error.strerror}") from None
    if digest not in _modules:
        _modules[digest] = _import(path)
    return _modules[digest]


def _import(path: StrPath) -> ModuleType:
    spec = importlib.util.spec_from_file_location("_embedded", os.fspath(path))
    if spec is None or spec.loader is None:
        raise ServeError(f"cannot load the engine '{path}': it is not named like {LIBRARY_NAME}")
    try:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except ImportError as error:
        raise ServeError(f"cannot load the engine '{path}': {_first_line(error)}") from None
    return module


def timing_engine(library: StrPath | None = None) -> ModuleType:
    """The engine, loaded to time products and command lists. Raises TimingError where there is none."""
    try:
        path = find_library(library)
        engine = load(path)
    except ServeError as error:
        raise TimingError(str(error)) from None
    if not hasattr(engine, "array_cycles"):
        raise TimingError(f"the engine '{path}' is older than this command; build it: ./run scons host")
    return engine


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
