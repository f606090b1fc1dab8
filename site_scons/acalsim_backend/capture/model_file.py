# SPDX-License-Identifier: Apache-2.0
"""A user's model file: loaded, held to its contract, and its failures told in one line each.

def model() -> torch.nn.Module
def inputs() -> tuple of tensors
TOLERANCE = 1e-4                   optional
INT8_TOLERANCE = 0.1               optional, with PRECISION=int8
"""

from __future__ import annotations

import importlib.util
import os
import re
import site
import sys
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import CaptureError
from ..paths import PYTHONPATH

DEFAULT_TOLERANCE = 1e-4
TOLERANCES = {"TOLERANCE": DEFAULT_TOLERANCE, "INT8_TOLERANCE": 0.1}


class ModelFile:
    """One model file. `read` collects the files that its code opened or imported."""

    def __init__(self, path: Path):
        self.path = path
        self.read: set[Path] = set()
        self._module: ModuleType | None = None

    @property
    def tolerance(self) -> float:
        return float(getattr(self._module, "TOLERANCE", DEFAULT_TOLERANCE))

    @property
    def int8_tolerance(self) -> float:
        return float(getattr(self._module, "INT8_TOLERANCE", TOLERANCES["INT8_TOLERANCE"]))

    def fail(self, text: str) -> CaptureError:
        return CaptureError(f"{self.path}: {text}")

    def load(self) -> None:
        """Import the file. Raises CaptureError where it is missing, broken or incomplete."""
        if not self.path.is_file():
            raise CaptureError(f"no model file at '{self.path}'")
        import torch

        sys.addaudithook(self._audit)
        sys.path.insert(0, str(self.path.resolve().parent))
        # Not the bare stem: a model may be called like a module that someone imports.
        name = "model" + re.sub(r"\W", "_", str(self.path.resolve()))
        spec = importlib.util.spec_from_file_location(name, self.path)
        self._module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = self._module
        torch.manual_seed(0)
        self.guard("the file", lambda: spec.loader.exec_module(self._module))
        for name in ("model", "inputs"):
            if not callable(getattr(self._module, name, None)):
                raise self.fail(f"there is no function {name}(); a model file defines model() and inputs()")
        for name, default in TOLERANCES.items():
            tolerance = getattr(self._module, name, default)
            if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not tolerance >= 0:
                raise self.fail(f"{name} is {tolerance!r}; it is a number, 0 or larger")

    def build(self) -> tuple[Any, tuple]:
        """The module in eval mode and its example inputs."""
        import torch

        torch.manual_seed(0)
        model = self.guard("model()", self._module.model)
        if not isinstance(model, torch.nn.Module):
            raise self.fail(f"model() returned {type(model).__name__}; it returns a torch.nn.Module")
        inputs = self.guard("inputs()", self._module.inputs)
        if not isinstance(inputs, tuple) or not all(isinstance(value, torch.Tensor) for value in inputs):
            raise self.fail(f"inputs() returned {_kinds(inputs)}; it returns a tuple of tensors")
        self.guard("eval()", lambda: _in_eval_mode(model))
        return model, inputs

    def guard(self, what: str, call: Callable[[], Any]) -> Any:
        """Call the user's code; what it raises becomes one line with the user's own line in it."""
        try:
            return call()
        except SyntaxError as error:
            place = f"line {error.lineno}: " if error.lineno else ""
            raise CaptureError(f"{error.filename or self.path}: {place}{error.msg}") from None
        except (Exception, SystemExit) as error:
            text = " ".join([f"{type(error).__name__}:", *str(error).split()])
            raise self.fail(f"{what} raised {text.rstrip(':')}{self._line(error)}") from None

    def guard_dynamo(self, call: Callable[[], Any]) -> Any:
        """Call the compiled model; a graph that Dynamo can't take whole becomes one line."""
        from torch._dynamo import exc

        try:
            return call()
        except exc.BackendCompilerFailed as error:
            inner = error.inner_exception
            if isinstance(inner, CaptureError):
                raise CaptureError(
                    "\n".join(f"{self.path}: {line}" for line in str(inner).splitlines())
                ) from None
            if _is_ours(inner):
                raise
            text = " ".join([f"{type(inner).__name__}:", *str(inner).split()])
            raise self.fail(f"the model's graph cannot be taken apart: {text}{self._line(inner)}") from None
        except exc.TorchDynamoException as error:
            raise self.fail(f"the model is not one graph: {self._reason(str(error))}") from None
        except Exception as error:
            text = " ".join(str(error).split())
            raise self.fail(
                f"forward() under torch.compile raised {type(error).__name__}: {text}{self._line(error)}"
            ) from error

    def _reason(self, text: str) -> str:
        """Dynamo's headline, its explanation, and the user's line."""
        found = re.search(r"^ *Explanation: (.+)", text, re.MULTILINE)
        explanation = f": {found[1].strip()}" if found else ""
        lines = [
            line for line in re.findall(r'File "([^"]+)", line (\d+)', text) if self._is_users(Path(line[0]))
        ]
        place = f" (at {os.path.relpath(lines[-1][0])}:{lines[-1][1]})" if lines else ""
        return f"{text.strip().splitlines()[0]}{explanation}{place}"

    def _line(self, error: BaseException) -> str:
        frames = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if self._is_users(Path(frame.filename))
        ]
        return f" (at {os.path.relpath(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""

    def _audit(self, event: str, arguments: tuple) -> None:
        if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            mode, flags = arguments[1], arguments[2]
            reads = (
                "r" in mode and "+" not in mode
                if isinstance(mode, str)
                else not flags & (os.O_WRONLY | os.O_RDWR)
            )
            path = Path(os.fsdecode(arguments[0])).absolute()
            if reads and path.is_file() and self._is_users(path):
                self.read.add(source_of(path))

    def _is_users(self, path: Path) -> bool:
        """Below no Python installation, none of our own rooms, and no file of the system's or of a cache of torch's."""
        foreign = (*_PYTHON_FOLDERS, *_SYSTEM_FOLDERS, PYTHONPATH / "acalsim_backend")
        cached = any(part.startswith("torchinductor_") for part in path.parts)
        return (
            path.is_absolute() and not cached and not any(path.is_relative_to(folder) for folder in foreign)
        )


def _in_eval_mode(model: Any) -> None:
    """Modules that torch.export made stay in the mode that they were exported in, and refuse eval()."""
    try:
        model.eval()
    except NotImplementedError:
        for module in model.modules():
            module.training = False


def _python_folders() -> set[str]:
    """Where Python and its packages lie; not the prefix itself, below which users may work."""
    paths = {name: path for name, path in sysconfig.get_paths().items() if name != "data"}
    environment = [sys.prefix] if sys.prefix != sys.base_prefix else []
    return {*environment, *map(os.path.realpath, paths.values()), site.getusersitepackages()}


_PYTHON_FOLDERS = tuple(_python_folders())
_SYSTEM_FOLDERS = (
    "/proc",
    "/sys",
    "/dev",
    "/etc",
    "/lib",
    "/usr/lib",
    "/usr/share",
    "/usr/local/lib",
    "/usr/local/share",
)


def source_of(path: Path) -> Path:
    """The .py file of a cached .pyc, else the path itself."""
    return Path(importlib.util.source_from_cache(str(path))) if path.suffix == ".pyc" else path


def _is_ours(error: BaseException) -> bool:
    """Whether an exception comes out of our own code, so that its traceback is what is needed."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and Path(frames[-1].filename).is_relative_to(PYTHONPATH / "acalsim_backend")


def _kinds(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(type(item).__name__ for item in value)})"
    return type(value).__name__
