# SPDX-License-Identifier: Apache-2.0
"""A machine's rules files run, and their rules called: what goes wrong in them is one line of the user's file."""

from __future__ import annotations

import os
import sys
import sysconfig
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from ..errors import AcalsimError, RuleError
from ..machine.machine import Machine
from ..machine.rule_file import RuleFile
from ..paths import PYTHONPATH
from .pattern import Pattern, parsed
from .rule import Op, Rule

T = TypeVar("T")

_FOLDERS = (*sysconfig.get_paths().values(), sys.prefix, sys.base_prefix, str(PYTHONPATH))
PYTHONS = tuple({os.path.realpath(folder) for folder in _FOLDERS})
"""Folders of Python's own files: a build notices when a package is another."""


@dataclass(frozen=True)
class Loaded:
    """One rule, ready to be asked. Its answers are checked; RuleError names the user's line."""

    rule: Rule
    file: RuleFile

    @property
    def device(self) -> str:
        return self.file.device

    @property
    def name(self) -> str:
        return type(self.rule).__name__

    @property
    def title(self) -> str:
        return f"rule '{self.name}' of '{self.device}'"

    @cached_property
    def patterns(self) -> tuple[Pattern, ...]:
        said = self.rule.matches
        try:
            return tuple(parsed(each) for each in ((said,) if isinstance(said, str) else said))
        except RuleError as error:
            raise self.fail(str(error)) from None

    def takes(self, op: Op) -> bool:
        return bool(self._asked(self.rule.takes, op))

    def cycles(self, op: Op) -> int | None:
        answer = self._asked(self.rule.cycles, op)
        if answer is None or (type(answer) is int and answer >= 0):
            return answer
        raise self.fail(
            f"cycles(...) of op '{op.name}' is {answer!r}; it is a whole number of cycles, or None"
        )

    def driver(self, op: Op) -> str:
        if type(self.rule).driver is Rule.driver:
            raise self.fail("has no driver(self, op), which gives the C")
        answer = self._asked(self.rule.driver, op)
        if isinstance(answer, str):
            return answer
        raise self.fail(f"driver(...) of op '{op.name}' is {answer!r}; it is C, as text")

    def fail(self, text: str) -> RuleError:
        line = _line_of(type(self.rule))
        return RuleError(f"{self.file.path}:{line}: rule '{self.name}': {text}")

    def _asked(self, method: Callable[[Op], T], op: Op) -> T:
        with _guarded(self.file, f"in {method.__name__}() of op '{op.name}'"):
            return method(op)


def load_rules(machine: Machine) -> tuple[Loaded, ...]:
    """The rules of a machine in the order of its file. Raises RuleError naming file and line."""
    found = []
    for file in machine.rules:
        device = next(each for each in machine.devices if each.name == file.device)
        for kind in _kinds(file):
            with _guarded(file, f"in {kind.__name__}()"):
                found.append(Loaded(kind(device, machine), file))
    return tuple(found)


@lru_cache
def _kinds(file: RuleFile) -> tuple[type[Rule], ...]:
    """The classes of a file's rules in their order. Names that begin with _ are of what rules have in common."""
    names = vars(_module(file))
    kinds = {
        value: None
        for value in names.values()
        if isinstance(value, type) and issubclass(value, Rule) and value is not Rule
    }
    found = tuple(kind for kind in kinds if not kind.__name__.startswith("_"))
    if not found:
        raise RuleError(f"{file.path}: no rule in it; a rule is a class that derives from Rule")
    return found


def _module(file: RuleFile) -> ModuleType:
    """The file run as a module. What it imports beside itself is its own, whatever it is called."""
    module = ModuleType(file.path.stem)
    module.__file__ = str(file.path)
    before = dict(sys.modules)
    own = {each.relative_to(file.path.parent).parts[0].removesuffix(".py") for each in file.files}
    for name in [name for name in sys.modules if name.partition(".")[0] in own]:
        del sys.modules[name]
    sys.modules[module.__name__] = module
    sys.path.insert(0, str(file.path.parent))
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        with _guarded(file, "when it is read"):
            exec(compile(file.path.read_bytes(), str(file.path), "exec"), vars(module))
    finally:
        sys.dont_write_bytecode = written
        sys.path.remove(str(file.path.parent))
        for name in [name for name in sys.modules if name.partition(".")[0] in own]:
            del sys.modules[name]
        sys.modules.update({name: kept for name, kept in before.items() if name.partition(".")[0] in own})
    return module


def _line_of(kind: type) -> int:
    """The line of a class, as far as its methods tell."""
    code = (value.__code__ for value in vars(kind).values() if hasattr(value, "__code__"))
    return min((each.co_firstlineno for each in code), default=1)


# --- what the user's code may do -------------------------------------------------------------------


@contextmanager
def _guarded(file: RuleFile, where: str) -> Iterator[None]:
    """Exceptions become RuleErrors, and files that no build would look at are not opened."""
    _watch_opens()
    before, _asking.files = getattr(_asking, "files", None), file.files
    try:
        yield
    except AcalsimError as error:
        raise RuleError(f"{_place(file, error)}: {error}") from None
    except Exception as error:
        said = f"{type(error).__name__}: {error}".removesuffix(": ")
        raise RuleError(f"{_place(file, error)}: {where}: {said}".replace("\n", " ")) from None
    finally:
        _asking.files = before


def _place(file: RuleFile, error: BaseException) -> str:
    """The innermost line of the user's that an exception came through."""
    own = {str(each) for each in file.files}
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    return next((f"{name}:{line}" for name, line in reversed(frames) if name in own), str(file.path))


_asking = threading.local()
"""`files` are those of the rules that run in this thread."""


@lru_cache(maxsize=1)
def _watch_opens() -> None:
    sys.addaudithook(_refuse_unnoticed)


def _refuse_unnoticed(event: str, arguments: Sequence[Any]) -> None:
    """A file that a rule reads decides about programs, so a build has to know it."""
    files = getattr(_asking, "files", None) if event == "open" else None
    if files is None or not isinstance(arguments[0], str | os.PathLike):
        return
    path, mode = Path(os.path.realpath(arguments[0])), arguments[1] or "r"
    if path in files or not path.is_file() or not {*"r+"} & {*mode}:
        return
    if not any(path.is_relative_to(folder) for folder in PYTHONS):
        raise RuleError(
            f"reads '{arguments[0]}', a change of which no build would notice; put it in a .py beside"
        )
