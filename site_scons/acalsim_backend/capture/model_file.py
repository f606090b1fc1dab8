# SPDX-License-Identifier: Apache-2.0
"""A user's model file: loaded, held to its contract, and its failures told in one line each.

def model() -> torch.nn.Module
def inputs() -> tuple of tensors, or an iterator of such tuples, which are samples
TOLERANCE = 1e-4                   optional
INT8_TOLERANCE = 0.1               optional, with PRECISION=int8
BFLOAT16_TOLERANCE = 0.05          optional, with PRECISION=bfloat16 and for models that are bfloat16 themselves
FLOAT16_TOLERANCE = 0.01           likewise of float16
GENERATE = 16                      optional: so many tokens after the prompt, which inputs() gives
BATCHES = 8                        optional: so many samples, the first of an iterator or of as many calls of inputs()
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import CaptureError
from ..halves import HALF
from ..paths import PYTHONPATH
from .imports import FromSource, add_folders
from .places import is_users

DEFAULT_TOLERANCE = 1e-4
MOST_SAMPLES = 10_000
"""Of an iterator of which nothing says how many are wanted: it may have no end."""
TOLERANCES = {
    "TOLERANCE": DEFAULT_TOLERANCE,
    "INT8_TOLERANCE": 0.1,
    **{f"{name.upper()}_TOLERANCE": half.tolerance for name, half in HALF.items()},
}


class ModelFile:
    """One model file. What it is called in messages stays relative to the folder in which the capture began."""

    further: Sequence[tuple[Any, ...]] = ()
    """The samples behind the first one, each of tensors of the same shapes and types."""

    def __init__(self, path: Path):
        self.path = path
        self.source = b""
        self._start = os.getcwd()
        self._absolute = path.absolute()
        self.resolved = path.resolve()
        self._module = ModuleType("a model file that is not loaded")

    @property
    def tolerance(self) -> float:
        return float(getattr(self._module, "TOLERANCE", DEFAULT_TOLERANCE))

    def tolerance_of(self, precision: str) -> float:
        """Of a model in int8 or a half type."""
        name = f"{precision.upper()}_TOLERANCE"
        return float(getattr(self._module, name, TOLERANCES[name]))

    @property
    def generate(self) -> int:
        """How many tokens a language model makes; 0: the model is run once."""
        return int(getattr(self._module, "GENERATE", 0))

    def fail(self, text: str) -> CaptureError:
        return CaptureError(f"{self.path}: {text}")

    def load(self) -> None:
        """Import the file. Raises CaptureError where it is missing, broken or incomplete."""
        if not self.path.is_file():
            raise CaptureError(f"no model file at '{self.path}'")
        import torch

        add_folders(str(self.resolved.parent), self._start)
        # Not the bare stem: a model may be called like a module that someone imports.
        name = "model" + re.sub(r"\W", "_", str(self.resolved))
        loader = FromSource(name, str(self._absolute))
        spec = importlib.util.spec_from_loader(name, loader)
        assert spec is not None  # as it is for a loader of files
        self._module = sys.modules[name] = importlib.util.module_from_spec(spec)
        self.source = self._read()
        torch.manual_seed(0)
        self.guard("the file", lambda: loader.exec_module(self._module))
        for name in ("model", "inputs"):
            if not callable(getattr(self._module, name, None)):
                raise self.fail(f"there is no function {name}(); a model file defines model() and inputs()")
        for name, default in TOLERANCES.items():
            tolerance = getattr(self._module, name, default)
            if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not tolerance >= 0:
                raise self.fail(f"{name} is {tolerance!r}; it is a number, 0 or larger")
        for name, what, least in (("GENERATE", "tokens", 2), ("BATCHES", "samples", 1)):
            number = getattr(self._module, name, least)
            if isinstance(number, bool) or not isinstance(number, int) or number < least:
                raise self.fail(f"{name} is {number!r}; it is a number of {what}, {least} or larger")

    def build(self) -> tuple[Any, tuple[Any, ...]]:
        """The module in eval mode and its example inputs; `further` has those of the other samples from then on."""
        import torch

        torch.manual_seed(0)
        model = self.guard("model()", self._module.model)
        if not isinstance(model, torch.nn.Module):
            raise self.fail(f"model() returned {type(model).__name__}; it returns a torch.nn.Module")
        samples = self._samples()
        for number, sample in enumerate(samples):
            if not isinstance(sample, tuple) or not all(isinstance(value, torch.Tensor) for value in sample):
                what = "returned" if len(samples) == 1 else f"gave, as sample {number},"
                raise self.fail(f"inputs() {what} {_kinds(sample)}; it returns a tuple of tensors")
            if (one := _shapes(sample)) != (first := _shapes(samples[0])):
                raise self.fail(
                    f"sample {number} of inputs() is {one}, the first is {first}; one program takes one form of inputs"
                )
        self.guard("eval()", lambda: in_eval_mode(model))
        inputs, *self.further = samples
        return model, inputs

    def _samples(self) -> list[Any]:
        """What inputs() gives, once or as often as the file says."""
        wanted = getattr(self._module, "BATCHES", None)
        given = self.guard("inputs()", self._module.inputs)
        if isinstance(given, Iterator):
            samples = self.guard("inputs()", lambda: list(islice(given, wanted or MOST_SAMPLES + 1)))
        else:
            samples = [given, *(self.guard("inputs()", self._module.inputs) for _ in range(1, wanted or 1))]
        if wanted is None and len(samples) > MOST_SAMPLES:
            raise self.fail(
                f"inputs() gave more than {MOST_SAMPLES:,} samples; BATCHES says how many of them are wanted"
            )
        if len(samples) < (wanted or 1):
            raise self.fail(f"inputs() gave {len(samples)} samples; {wanted or 'at least 1'} would be right")
        if self.generate and len(samples) > 1:
            raise self.fail(
                f"inputs() gave {len(samples)} samples; with GENERATE it gives one, whose rows are prompts"
            )
        return samples

    def guard(self, what: str, call: Callable[[], Any]) -> Any:
        """Call the user's code; what it raises becomes one line with the user's own line in it."""
        try:
            return call()
        except SyntaxError as error:
            place = f"line {error.lineno}: " if error.lineno else ""
            raise CaptureError(f"{error.filename or self.path}: {place}{error.msg}") from None
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise self.fail(f"{what} raised {words_of(error)}{self._line(error)}") from None

    def guard_dynamo(self, call: Callable[[], Any]) -> Any:
        """Call the compiled model; a graph that Dynamo can't take whole becomes one line."""
        from torch._dynamo import exc

        try:
            return call()
        except exc.BackendCompilerFailed as error:
            inner = error.inner_exception
            if isinstance(inner, CaptureError):
                raise self.told(inner) from None
            if _is_ours(inner):
                raise
            text = f"{words_of(inner)}{self._line(inner)}"
            raise self.fail(f"the model's graph cannot be taken apart: {text}") from None
        except exc.TorchDynamoException as error:
            raise self.fail(f"the model is not one graph: {self._reason(str(error))}") from None
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise self.fail(
                f"forward() under torch.compile raised {words_of(error)}{self._line(error)}"
            ) from error

    def told(self, error: CaptureError) -> CaptureError:
        """What is wrong with the graph, the file's name before each line."""
        return CaptureError("\n".join(f"{self.path}: {line}" for line in str(error).splitlines()))

    def _reason(self, text: str) -> str:
        """Dynamo's headline, its explanation, and the user's line."""
        found = re.search(r"^ *Explanation: (.+)", text, re.MULTILINE)
        explanation = f": {found[1].strip()}" if found else ""
        lines = [line for line in re.findall(r'File "(.+?)", line (\d+)', text) if is_users(line[0])]
        place = self._place(*lines[-1]) if lines else ""
        if "data-dependent expression" in text:
            return f"how it goes on here depends on a value that is known only when the model runs{place}"
        return f"{text.strip().splitlines()[0]}{explanation}{place}"

    def _line(self, error: BaseException) -> str:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_users(frame.filename)]
        return self._place(frames[-1].filename, frames[-1].lineno) if frames else ""

    def _place(self, path: str, line: int | str | None) -> str:
        return f" (at {os.path.relpath(path, self._start)}:{line})"

    def check_in_place(self) -> None:
        """Raises CaptureError where the file is not what was loaded any more."""
        if self._read() != self.source:
            raise self.fail("the file was changed or removed while it was captured")

    def _read(self) -> bytes:
        try:
            return self.resolved.read_bytes()
        except OSError:
            return b""


def in_eval_mode(model: Any) -> None:
    """Modules that torch.export made stay in the mode that they were exported in, and refuse eval()."""
    try:
        model.eval()
    except NotImplementedError:
        for module in model.modules():
            module.training = False


def _is_ours(error: BaseException) -> bool:
    """Whether an exception comes out of our own code, so that its traceback is what is needed."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and Path(frames[-1].filename).is_relative_to(PYTHONPATH / "acalsim_backend")


def words_of(error: BaseException) -> str:
    """An exception's type and what it says, in one line."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = "its text cannot be made"
    return f"{type(error).__name__}: {text}".removesuffix(": ")


def _shapes(sample: tuple[Any, ...]) -> str:
    return ", ".join(f"{value.dtype} {tuple(value.shape)}" for value in sample)


def _kinds(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(type(item).__name__ for item in value)})"
    return type(value).__name__
