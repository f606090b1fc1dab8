# SPDX-License-Identifier: Apache-2.0
"""Keys of a machine file by their dotted names, `devices.compute.rows`: set in a table, or listed of a machine."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import MachineError
from .machine import Machine

Value = int | str


def with_keys(table: Mapping[str, Any], values: Mapping[str, Value]) -> dict[str, Any]:
    """A copy of a machine file's table in which the keys have these values. Raises MachineError for a key
    that goes through what is no table."""
    changed = copy.deepcopy(dict(table))
    for name, value in values.items():
        *path, key = name.split(".")
        place = changed
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise MachineError(f"key '{name}' goes through '{part}', which is no table")
        place[key] = value
    return changed


def numeric_keys(table: Mapping[str, Any], machine: Machine) -> dict[str, int]:
    """Every key of the machine that is a number to design, whether or not its file says it, and its value.

    Addresses and interrupt sources are none.
    """
    return dict(_numbers(table, machine))


def _numbers(table: Mapping[str, Any], machine: Machine) -> Iterator[tuple[str, int]]:
    cpu, ram = machine.cpu, machine.ram
    if cpu.vlen:
        yield "cpu.vlen", cpu.vlen
        yield "cpu.vector_bits", cpu.vector_bits
    for place, rows in (("latency", cpu.latency), *cpu.caches.items()):
        yield from ((f"cpu.{place}.{name}", value) for name, value in rows.items())
    yield "ram.size_bytes", ram.size_bytes
    yield from ((f"ram.{name}", value) for name, value in ram.timing.items())
    yield "firmware.stack_bytes", machine.stack_bytes
    for name, own in table["devices"].items():
        device = next(each for each in machine.devices if each.name == name)
        if device.model != "echo":
            yield f"devices.{name}.count", own.get("count", 1)
        for row in device.declared:
            if not row.choices and row.name != "interrupt":
                yield f"devices.{name}.{row.name}", device.parameters[row.name]
