# SPDX-License-Identifier: Apache-2.0
"""Users' TOML files: what they say, or one line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from .errors import AcalsimError

LARGEST = 1 << 63
"""Integers in TOML have 64 bits."""


def read_toml(path: Path, error: type[AcalsimError]) -> dict[str, Any]:
    """The tables of a file. Raises `error` where it cannot be read, is no TOML, or has integers that TOML has not."""
    try:
        tables = tomllib.loads(path.read_text())
        _check_integers(tables)
    except OSError as found:
        raise error(f"{path}: cannot be read: {found.strerror}") from None
    except RecursionError:
        raise error(f"{path}: its arrays and tables nest too deeply") from None
    except ValueError as found:  # of TOML, of UTF-8, of Python's own limit of digits
        raise error(f"{path}: not valid TOML: {found}") from None
    return tables


def _check_integers(value: Any, key: str = "") -> None:
    if isinstance(value, dict):
        for name, each in value.items():
            _check_integers(each, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for each in value:
            _check_integers(each, key)
    elif isinstance(value, int) and not -LARGEST <= value < LARGEST:
        raise ValueError(f"{key} is an integer of {value.bit_length()} bits; TOML's have 64")
