# SPDX-License-Identifier: Apache-2.0
"""Doors between rooms: a frozen dataclass goes out to its JSON file, and comes back in from it.

A field is a key. A field with a default is left out of the file where it has that value. The keys of a
FLAT field's dataclass stand among those of the one that has it, so that two files can share rows of keys. A
file that misses a key, or has one that nobody knows, is refused in one line.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from .errors import AcalsimError
from .files import write_atomic

T = TypeVar("T")

FLAT = {"flat": True}
"""Metadata of a field whose keys are its owner's."""


def called(key: str) -> dict[str, str]:
    """Metadata of a field whose key is none that Python takes as a name."""
    return {"key": key}


def write(path: str | os.PathLike[str], value: Any) -> None:
    """Write a dataclass as JSON, whole or not at all."""
    write_atomic(path, text(value))


def text(value: Any) -> str:
    """What `write` writes: of a fixed layout, so that equal values are equal bytes."""
    return json.dumps(as_json(value), indent=1) + "\n"


def as_json(value: Any) -> Any:
    """A dataclass as dicts, lists, strings and numbers."""
    if is_dataclass(value):
        found: dict[str, Any] = {}
        for each in fields(value):
            part = getattr(value, each.name)
            if each.metadata.get("flat"):
                found |= as_json(part)
            elif each.default is MISSING or part != each.default:
                found[_key(each)] = as_json(part)
        return found
    if isinstance(value, Mapping):
        return {key: as_json(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(part) for part in value]
    return value


def read(path: str | os.PathLike[str], kind: type[T], error: type[AcalsimError] = AcalsimError) -> T:
    """The dataclass `kind` from a file that `write` wrote. Raises `error`, which names file and key."""
    return from_json(load(path, error), kind, str(path), error)


def load(path: str | os.PathLike[str], error: type[AcalsimError] = AcalsimError) -> Any:
    """What a JSON file holds. Raises `error` naming the file."""
    try:
        return json.loads(Path(path).read_text())
    except OSError as problem:
        raise error(f"{path}: cannot be read: {problem.strerror}") from None
    except ValueError as problem:
        raise error(f"{path}: not a JSON file: {problem}") from None


def from_json(value: Any, kind: type[T], where: str, error: type[AcalsimError] = AcalsimError) -> T:
    """The dataclass `kind` from what `as_json` makes of one. Raises `error`, which begins with `where`."""
    try:
        made: T = _made(kind, value, "")
    except _Misfit as misfit:
        raise error(f"{where}: {misfit}") from None
    return made


class _Misfit(Exception):
    """What is wrong with a value, and at which place in the file."""


def _key(field: Field[Any]) -> str:
    key: str = field.metadata.get("key", field.name)
    return key


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _made(kind: Any, value: Any, place: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return _row(kind, value, place)
    if origin is UnionType:
        return None if value is None and NoneType in arguments else _made(arguments[0], value, place)
    if origin is tuple and isinstance(value, list):
        return tuple(_made(arguments[0], each, f"{place}[{index}]") for index, each in enumerate(value))
    if origin is Mapping and isinstance(value, dict):
        return {key: _made(arguments[1], each, _within(place, key)) for key, each in value.items()}
    if kind is object or type(value) is kind or (kind is float and type(value) is int):
        return value
    names = {tuple: "a list", Mapping: "an object"}
    raise _Misfit(f"{_named(place)} is {value!r}; it is {names.get(origin) or f'of type {kind.__name__}'}")


def _row(kind: Any, value: Any, place: str) -> Any:
    if not isinstance(value, dict):
        raise _Misfit(f"{_named(place)} is {value!r}; it is an object")
    left = dict(value)
    made = _take(kind, left, place)
    if left:
        raise _Misfit(f"{_named(place)} has the unknown key '{next(iter(left))}'")
    return made


def _take(kind: type, left: dict[str, Any], place: str) -> Any:
    """A dataclass from those of the keys `left` that are its own; they are removed."""
    found = {}
    for each in fields(kind):
        key, hint = _key(each), _hints(kind)[each.name]
        if each.metadata.get("flat"):
            found[each.name] = _take(hint, left, place)
        elif key in left:
            found[each.name] = _made(hint, left.pop(key), _within(place, key))
        elif each.default is MISSING:
            raise _Misfit(f"{_named(place)} has no key '{key}'")
    return kind(**found)


def _within(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _named(place: str) -> str:
    return f"'{place}'" if place else "it"
