# SPDX-License-Identifier: Apache-2.0
"""NAME.tiling.toml: what the user decides about ops on a compute device, in the search's place.

    [default.conv_0]      # a machine, and an op as the report names it
    m = 64                # of a block of C; the keys are the fields of Tiling
    order = "n"

    [default.gemm_7]
    on = "cpu"

What is not said is searched. A tiling that is given puts the op on the device even where that does not pay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from ..errors import PlanError
from ..toml import read_toml
from .tile import Tiling

Choices = Mapping[str, Mapping[str, int | str]]
"""By the op's name: fields of Tiling, or `on`."""

WORDS = {"order": ("m", "n"), "on": ("cpu", "compute")}
KEYS = (*(field.name for field in fields(Tiling)), "on")


def read_choices(path: Path | None, machine: str) -> Choices:
    """Those for one machine; none without a file. Raises PlanError naming the file, the op and the key."""
    if path is None:
        return {}
    tables = read_toml(path, PlanError)
    for name, table in tables.items():
        if not isinstance(table, dict) or not all(isinstance(each, dict) for each in table.values()):
            raise PlanError(
                f"{path}: '{name}' is no table of ops; a section is called [MACHINE.OP], "
                f"as in [{machine}.gemm_0]"
            )
        for op, choice in table.items():
            for key, value in choice.items():
                _check(f"{path}: [{name}.{op}]", key, value)
    choices: Choices = tables.get(machine, {})
    return choices


def _check(where: str, key: str, value: object) -> None:
    if key not in KEYS:
        raise PlanError(f"{where}: there is no key '{key}'; there are {', '.join(KEYS)}")
    if key in WORDS and value not in WORDS[key]:
        raise PlanError(f"{where}: {key} is {value!r}; it is {' or '.join(map(repr, WORDS[key]))}")
    if key not in WORDS and (type(value) is not int or value < 1):
        raise PlanError(f"{where}: {key} is {value!r}; it is a whole number, 1 or larger")


def told(choice: Mapping[str, int | str]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in choice.items())
