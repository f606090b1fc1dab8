# SPDX-License-Identifier: Apache-2.0
"""A model that torch.export.save wrote: its module and its example inputs, by position, as of a model file."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from ..errors import CaptureError
from .model_file import ModelFile, words_of

SUFFIX = ".pt2"


class ExportedFile(ModelFile):
    """One saved program. Tolerances are the defaults: such a file has no place for them."""

    def load(self) -> None:
        """Read the file. Raises CaptureError where this PyTorch finds no program in it."""
        import torch

        if not self.path.is_file():
            raise CaptureError(f"no model file at '{self.path}'")
        self.source = self._read()
        torch.manual_seed(0)
        with _quiet() as reasons:
            import torch.ao.quantization.fx._decomposed  # whose ops a quantised program may have

            try:
                self._program = torch.export.load(self.resolved)
            except Exception as error:
                reason = words_of(reasons[0] if reasons else error)
                raise self.fail(
                    f"PyTorch {version('torch')} finds no program of torch.export.save in it: {reason}"
                ) from None
        if self._program.example_inputs is None:
            raise self.fail(
                "the program has no example inputs; torch.export.save keeps those that torch.export.export is given"
            )

    def build(self) -> tuple[Any, tuple[Any, ...]]:
        """The program as a module, and the tensors among its example inputs."""
        import torch
        from torch.utils import _pytree as pytree

        leaves, form = pytree.tree_flatten(self._program.example_inputs)
        tensors = tuple(leaf for leaf in leaves if isinstance(leaf, torch.Tensor))
        places = [None if isinstance(leaf, torch.Tensor) else (leaf,) for leaf in leaves]
        program = self._program.module()

        class Flat(torch.nn.Module):
            """The program, called with tensors alone, in the order in which its inputs have them."""

            def __init__(self) -> None:
                super().__init__()
                self.program = program

            def forward(self, *given: torch.Tensor) -> Any:
                left = iter(given)
                whole = [next(left) if place is None else place[0] for place in places]
                arguments, options = pytree.tree_unflatten(whole, form)
                return self.program(*arguments, **options)

        return Flat(), tensors


@contextlib.contextmanager
def _quiet() -> Iterator[list[BaseException]]:
    """Keep what torch.export logs to itself; the exceptions among that, which it may replace by vaguer ones."""
    found: list[BaseException] = []

    class Kept(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            found.extend(error for error in (record.exc_info or ())[1:2] if isinstance(error, BaseException))
            return False

    log, kept = logging.getLogger("torch.export"), Kept()
    log.addFilter(kept)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield found
    finally:
        log.removeFilter(kept)
