# SPDX-License-Identifier: Apache-2.0
"""What the plan promises about the ELF: plan.json's object in, frozen data out. Every part is optional."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ..errors import CheckError

Row = TypeVar("Row")

MOST_VECTOR_BYTES = 1024 // 8
"""Of the largest vector register that a machine may have."""


@dataclass(frozen=True)
class PlannedElf:
    elf_class: int
    float_abi: str
    rvc: bool


@dataclass(frozen=True)
class PlannedSymbol:
    name: str
    section: str
    size_bytes: int
    alignment: int


@dataclass(frozen=True)
class Window:
    """A device's addresses base..end; `end` is excluded."""

    name: str
    base: int
    size_bytes: int

    @property
    def end(self) -> int:
        return self.base + self.size_bytes


@dataclass(frozen=True)
class Promises:
    """What the plan promises. What is None is not promised, and so not checked."""

    elf: PlannedElf | None = None
    stack_bytes: int | None = None
    symbols: tuple[PlannedSymbol, ...] | None = None
    windows: tuple[Window, ...] | None = None
    vector_bytes: int = MOST_VECTOR_BYTES
    """Of a vector register; unless it is promised, as many as there may be."""

    @property
    def left_out(self) -> list[str]:
        """A sentence for each thing that is not checked because the plan does not promise it."""
        return [sentence for key, sentence in _LEFT_OUT.items() if getattr(self, key) is None]


_LEFT_OUT = {
    "elf": "e_flags (float ABI, compressed instructions): not checked, needs the plan's 'elf'",
    "stack_bytes": "size of the stack: not checked, needs the plan's 'stack_bytes'",
    "symbols": "size, section and alignment of weights and buffers: not checked, needs the plan's 'symbols'",
    "windows": "distance from device windows: not checked, needs the plan's 'windows'",
}


def read_plan(plan: Mapping[str, Any] | None) -> Promises:
    """The promises of a plan; None, for no plan, promises nothing. Unknown keys are ignored.

    Raises CheckError naming the key where a value has the wrong form.
    """
    if plan is None:
        return Promises()
    if not isinstance(plan, Mapping):
        raise CheckError(f"plan: expected an object, found {type(plan).__name__}")
    return Promises(
        _elf(plan["elf"]) if "elf" in plan else None,
        _get(plan, "plan", "stack_bytes", int) if "stack_bytes" in plan else None,
        _rows(plan, "symbols", _symbol),
        _rows(plan, "windows", _window),
        _get(plan, "plan", "vector_bytes", int) if "vector_bytes" in plan else MOST_VECTOR_BYTES,
    )


def _elf(row: Any) -> PlannedElf:
    where = "plan: elf"
    return PlannedElf(
        _get(row, where, "class", int),
        _get(row, where, "float_abi", str),
        _get(row, where, "rvc", bool),
    )


def _symbol(row: Any, where: str) -> PlannedSymbol:
    symbol = PlannedSymbol(
        _get(row, where, "name", str),
        _get(row, where, "section", str),
        _get(row, where, "size_bytes", int),
        _get(row, where, "alignment", int),
    )
    if symbol.alignment == 0:
        raise CheckError(f"{where}: alignment of '{symbol.name}' is 0, expected at least 1")
    return symbol


def _window(row: Any, where: str) -> Window:
    return Window(
        _get(row, where, "name", str), _get(row, where, "base", int), _get(row, where, "size_bytes", int)
    )


def _rows(plan: Mapping[str, Any], key: str, parse: Callable[[Any, str], Row]) -> tuple[Row, ...] | None:
    if key not in plan:
        return None
    rows = _get(plan, "plan", key, list)
    return tuple(parse(row, f"plan: {key}[{index}]") for index, row in enumerate(rows))


def _get(row: Any, where: str, key: str, kind: type) -> Any:
    if not isinstance(row, Mapping):
        raise CheckError(f"{where}: expected an object, found {type(row).__name__}")
    value = row.get(key)
    if type(value) is not kind:
        raise CheckError(f"{where}: '{key}' should be of type {kind.__name__}, found {value!r}")
    if isinstance(value, int) and value < 0:
        raise CheckError(f"{where}: '{key}' is negative: {value}")
    return value
