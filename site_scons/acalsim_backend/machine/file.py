# SPDX-License-Identifier: Apache-2.0
"""The machine file: one TOML file in, one frozen, checked Machine out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..errors import MachineError, UnknownKeyError
from ..paths import MACHINES
from ..toml import read_toml
from .board import BOARD_WINDOWS, FIRST_INTERRUPT, LAST_INTERRUPT, RAM_ORIGIN
from .machine import Cpu, Device, Machine, Ram, hex_range
from .models import DEFAULT_BASES, DEVICE_MODELS
from .own import LANGUAGES, Own, read_own
from .registers import WINDOW_BYTES
from .rows import COMPLETION, ENERGY, ISAS, L1D, L1I, LATENCIES, RAM_SIZE, RAM_TIMING, Parameter
from .rule_file import RuleFile, read_rule_file

MOST_DEVICES = 200
MOST_ALIKE = 64
"""Devices of one table."""
SPACING_BYTES = 0x10_0000
"""Of address space from one of them to the next."""
FASTEST_MHZ = 1_000_000
FIRST_OWN_BASE = max(DEFAULT_BASES.values()) + SPACING_BYTES
"""Where the first device of the user's lies, if the file does not say; the next one SPACING_BYTES behind."""


def find_machine(name_or_path: str) -> Path:
    """The file of a machine given as a name in sim/machines/ or as a path."""
    if name_or_path.endswith(".toml") or "/" in name_or_path:
        path = Path(name_or_path)
        if path.is_file():
            return path
        raise MachineError(f"no machine file at '{name_or_path}'")
    path = MACHINES / f"{name_or_path}.toml"
    if path.is_file():
        return path
    known = ", ".join(sorted(p.stem for p in MACHINES.glob("*.toml")))
    raise MachineError(f"no machine named '{name_or_path}'; there are: {known} (or give a path)")


def load_machine(name_or_path: str) -> Machine:
    """Read, check and complete a machine file. Raises MachineError naming file and key."""
    path = find_machine(str(name_or_path))
    return machine_of(read_table(path), path)


def read_table(path: Path) -> dict[str, Any]:
    """What a machine file says. Raises MachineError where it is no TOML."""
    return read_toml(path, MachineError)


def machine_of(table: Mapping[str, Any], path: Path) -> Machine:
    """The machine that a table says, as a file at `path` would. Raises MachineError naming file and key."""
    return _Reader(path).machine(table)


class _Reader:
    """Takes the tables of one machine file apart; every complaint names the file and the key."""

    def __init__(self, path: Path):
        self.path = path

    def fail(self, text: str) -> MachineError:
        return MachineError(f"{self.path}: {text}")

    def machine(self, table: Mapping[str, Any]) -> Machine:
        self.known(
            table, ("description", "machine", "cpu", "ram", "firmware", "devices", "energy", "sst"), ""
        )
        ram = self.ram(self.table(table, "ram", ""))
        firmware = self.table(table, "firmware", "")
        self.known(firmware, ("stack_bytes", "completion"), "firmware.")
        stack = Parameter("stack_bytes", 16384, 1024, ram.size_bytes, "")
        machine = Machine(
            name=self.path.stem,
            path=self.path,
            description=str(table.get("description", "")),
            cpu=self.cpu(self.table(table, "cpu", "")),
            ram=ram,
            stack_bytes=self.multiple(self.number(firmware, stack, "firmware."), 16, "firmware.stack_bytes"),
            devices=self.devices(self.table(table, "devices", "")),
            completion=COMPLETION.choices[self.choice(firmware, COMPLETION, "firmware.")],
            sst_config=self.sst_config(self.table(table, "sst", "")),
            energy=self.energy(self.table(table, "energy", "")) if "energy" in table else None,
            rules=self.rules(self.table(table, "devices", "")),
            clock_mhz=self.clock(self.table(table, "machine", "")),
        )
        self.refuse_overlaps(machine.devices, ram)
        if len(machine.devices) > MOST_DEVICES:
            raise self.fail(f"there are {len(machine.devices)} devices; a machine has at most {MOST_DEVICES}")
        mute = [device.name for device in machine.devices_of("compute") if not device.parameters["interrupt"]]
        if machine.completion == "interrupt" and mute:
            raise self.fail(
                "firmware.completion is 'interrupt', but there is no interrupt source left "
                f"for device '{mute[0]}'; there are {LAST_INTERRUPT - FIRST_INTERRUPT + 1}"
            )
        return machine

    def clock(self, table: dict[str, Any]) -> float | None:
        self.known(table, ("clock_mhz",), "machine.")
        value = table.get("clock_mhz")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (is_number and 0 < value <= FASTEST_MHZ):
            raise self.fail(f"machine.clock_mhz is {value!r}; it is a number of MHz, at most {FASTEST_MHZ:,}")
        return value

    def cpu(self, table: dict[str, Any]) -> Cpu:
        self.known(table, ("isa", "vlen", "latency", "vector_bits", "l1d", "l1i"), "cpu.")
        isa = table.get("isa", "rv64gc")
        if isa not in ISAS:
            raise self.fail(f"cpu.isa is {isa!r}; known are {', '.join(ISAS)}")
        vlen = self.number(table, Parameter("vlen", 0, 0, 1024, ""), "cpu.")
        if (isa == "rv64gcv") != (vlen in (128, 256, 512, 1024)):
            raise self.fail(f"cpu.vlen is {vlen} for {isa}; rv64gcv takes 128, 256, 512 or 1024, rv64gc none")
        vector_bits = self.number(table, Parameter("vector_bits", vlen, 32 if vlen else 0, vlen, ""), "cpu.")
        latency = self.table(table, "latency", "cpu.")
        caches = {
            name: self.cache(self.table(table, name, "cpu."), rows, f"cpu.{name}")
            for name, rows in (("l1d", L1D), ("l1i", L1I))
            if name in table
        }
        return Cpu(isa, vlen, vector_bits, self.numbers(latency, LATENCIES, "cpu.latency."), caches)

    def cache(self, table: dict[str, Any], rows: tuple[Parameter, ...], where: str) -> dict[str, int]:
        cache = self.numbers(table, rows, f"{where}.")
        size, ways, line = (cache[key] for key in ("size_bytes", "ways", "line_bytes"))
        if line.bit_count() != 1:
            raise self.fail(f"{where}.line_bytes is {line}; it is a power of two")
        if size % (ways * line) or (size // (ways * line)).bit_count() != 1:
            raise self.fail(
                f"{where}.size_bytes is {size}; {ways} ways of {line} bytes a line take "
                f"{ways * line} times a power of two"
            )
        return cache

    def ram(self, table: dict[str, Any]) -> Ram:
        timing = self.numbers(table, (RAM_SIZE, *RAM_TIMING), "ram.")
        return Ram(self.multiple(timing.pop("size_bytes"), 4096, "ram.size_bytes"), timing)

    def energy(self, table: dict[str, Any]) -> dict[str, int]:
        """Picojoules in the file, femtojoules here, so that sums are exact."""
        self.known(table, (row.name for row in ENERGY), "energy.")
        return {row.name: self.femtojoules(table, row) for row in ENERGY}

    def femtojoules(self, table: dict[str, Any], row: Parameter) -> int:
        value = table.get(row.name, row.default / 1000)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fail(f"energy.{row.name} is {value!r}; it is a number of picojoules")
        if not 0 <= 1000 * value <= row.maximum or round(1000 * value) / 1000 != value:
            raise self.fail(
                f"energy.{row.name} is {value}; it lies between 0 and {row.maximum // 1000} picojoules, "
                "with three decimals at most"
            )
        return round(1000 * value)

    def sst_config(self, table: dict[str, Any]) -> Path | None:
        """A configuration for SST of this machine's own, by its path from the machine file."""
        self.known(table, ("config",), "sst.")
        if not table:
            return None
        path = self.path.parent / str(table["config"])
        if not os.path.isfile(path):
            raise self.fail(f"sst.config is {table['config']!r}; there is no file '{path}'")
        return path

    def rules(self, devices: dict[str, Any]) -> tuple[RuleFile, ...]:
        """The files that give ops to devices, in the order of the devices' tables."""
        found = []
        for name, table in devices.items():
            if (said := table.get("rules")) is None:
                continue
            path = self.path.parent / str(said)
            if not isinstance(said, str) or not path.is_file():
                raise self.fail(f"devices.{name}.rules is {said!r}; there is no file '{path}'")
            found.append(read_rule_file(name, said, path.resolve()))
        return tuple(found)

    def devices(self, table: dict[str, Any]) -> tuple[Device, ...]:
        tables = {name: self.table(table, name, "devices.") for name in table}
        devices = [
            device for name, own in self.with_bases(tables).items() for device in self.alike(name, own)
        ]
        for one, other in pairwise(sorted(devices, key=lambda device: device.name)):
            if one.name == other.name:
                raise self.fail(
                    f"there are two devices named '{one.name}'; "
                    "a count of n names its further devices NAME1 to NAMEn-1"
                )
        if sum(device.model == "echo" for device in devices) != 1:
            raise self.fail('a machine has exactly one device with model = "echo"; it ends the simulation')
        return self.with_interrupts(sorted(devices, key=lambda device: device.base))

    def with_bases(self, tables: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """The devices' tables, each of an own device with a base: what the file says, else the next free."""
        taken = {
            own["base"] + index * SPACING_BYTES
            for own in tables.values()
            for index in range(count_of(own))
            if isinstance(own.get("base"), int)
        }
        placed = {}
        for name, own in tables.items():
            if "base" not in own and is_own(own.get("model", name)):
                base, count = FIRST_OWN_BASE, count_of(own)
                while taken & (windows := {base + index * SPACING_BYTES for index in range(count)}):
                    base += SPACING_BYTES
                taken |= windows
                own = {**own, "base": base}
            placed[name] = own
        return placed

    def own(self, model: str, where: str) -> Own:
        """The user's device that `model` names, by its path from the machine file."""
        path = (self.path.parent / model).resolve()
        if path.suffix not in LANGUAGES:
            raise self.fail(
                f"{where}model is {model!r}; a device's own file ends with {', '.join(LANGUAGES)}"
            )
        if not path.is_file():
            raise self.fail(f"{where}model is {model!r}; there is no file '{path}'")
        return read_own(path)

    def with_interrupts(self, devices: list[Device]) -> tuple[Device, ...]:
        """The devices, each with an interrupt source of its own: what the file says, else the next free."""
        owners: dict[int, str] = {}
        for device in devices:
            source = device.parameters["interrupt"]
            if 0 < source < FIRST_INTERRUPT:
                raise self.fail(
                    f"devices.{device.name}.interrupt is {source}; "
                    f"{FIRST_INTERRUPT} to {LAST_INTERRUPT} are free, those below are the board's"
                )
            if source and owners.setdefault(source, device.name) != device.name:
                raise self.fail(
                    f"devices '{owners[source]}' and '{device.name}' both have interrupt {source}"
                )
        free = (source for source in range(FIRST_INTERRUPT, LAST_INTERRUPT + 1) if source not in owners)
        return tuple(
            replace(d, parameters={**d.parameters, "interrupt": d.parameters["interrupt"] or next(free, 0)})
            for d in devices
        )

    def alike(self, name: str, table: dict[str, Any]) -> list[Device]:
        """The `count` devices of one table: NAME, NAME1, NAME2..., SPACING_BYTES apart."""
        where = f"devices.{name}."
        count = self.number(table, Parameter("count", 1, 1, MOST_ALIKE, ""), where)
        own = {key: value for key, value in table.items() if key not in ("count", "rules")}
        first = self.device(name, own)
        if count > 1 and first.parameters["interrupt"]:
            raise self.fail(
                f"{where}interrupt is {first.parameters['interrupt']} and count is {count}; "
                "leave interrupt out, each has one of its own"
            )
        return [
            first,
            *(
                replace(first, name=f"{name}{index}", base=first.base + index * SPACING_BYTES)
                for index in range(1, count)
            ),
        ]

    def device(self, name: str, table: dict[str, Any]) -> Device:
        where = f"devices.{name}."
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name):
            raise self.fail(f"device name '{name}' is not at most 64 lower-case letters, digits and _")
        model = table.get("model", name)
        if not is_own(model) and not (isinstance(model, str) and model in DEVICE_MODELS):
            known = ", ".join(DEVICE_MODELS)
            raise self.fail(f"{where}model is {model!r}; known are {known}")
        if "base" not in table:
            raise self.fail(f"{where}base is missing: the address of the device's registers")
        base = self.number(table, Parameter("base", 0, 0, RAM_ORIGIN - WINDOW_BYTES, ""), where)
        base = self.multiple(base, WINDOW_BYTES, f"{where}base")
        given = {key: value for key, value in table.items() if key not in ("model", "base")}
        if is_own(model):
            own = self.own(model, where)
            return Device(name, model, base, self.numbers(given, own.parameters, where), own=own)
        parameters = self.numbers(given, DEVICE_MODELS[model].parameters, where)
        if complaint := DEVICE_MODELS[model].complaint(parameters):
            raise self.fail(f"{where}{complaint}")
        return Device(name, model, base, parameters)

    def refuse_overlaps(self, devices: tuple[Device, ...], ram: Ram) -> None:
        windows = [(d.base, d.size_bytes, f"device '{d.name}'") for d in devices]
        windows += [(base, size, f"the board's {name}") for name, (base, size) in BOARD_WINDOWS.items()]
        windows.sort()
        for (base, size, name), (next_base, next_size, next_name) in pairwise(windows):
            if base + size > next_base:
                raise self.fail(
                    f"{name} at {hex_range(base, size)} overlaps "
                    f"{next_name} at {hex_range(next_base, next_size)}"
                )

    def table(self, parent: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
        value = parent.get(key, {})
        if not isinstance(value, dict):
            raise self.fail(f"{where}{key} is {value!r}; it is a table: [{where}{key}]")
        return value

    def known(self, table: Mapping[str, Any], keys: Iterable[str], where: str) -> None:
        keys = tuple(keys)
        for key in table:
            if key not in keys:
                raise UnknownKeyError(f"{self.path}: unknown key '{where}{key}'; known are {', '.join(keys)}")

    def numbers(self, table: dict[str, Any], rows: tuple[Parameter, ...], where: str) -> dict[str, int]:
        self.known(table, (row.name for row in rows), where)
        return {row.name: self.number(table, row, where) for row in rows}

    def number(self, table: dict[str, Any], row: Parameter, where: str) -> int:
        if row.several:
            return self.some_of(table, row, where)
        if row.choices:
            return self.choice(table, row, where)
        value = table.get(row.name, row.default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.fail(f"{where}{row.name} is {value!r}; it is a whole number")
        if not row.minimum <= value <= row.maximum:
            raise self.fail(f"{where}{row.name} is {value}; it lies between {row.minimum} and {row.maximum}")
        return value

    def choice(self, table: dict[str, Any], row: Parameter, where: str) -> int:
        word = table.get(row.name, row.choices[row.default])
        if word not in row.choices:
            raise self.fail(f"{where}{row.name} is {word!r}; known are {', '.join(row.choices)}")
        return row.choices.index(word)

    def some_of(self, table: dict[str, Any], row: Parameter, where: str) -> int:
        """Words with commas between them."""
        text = table.get(row.name, ", ".join(row.choices))
        words = [word.strip() for word in text.split(",")] if isinstance(text, str) else []
        if not words or not {*words} <= {*row.choices}:
            known = ", ".join(row.choices)
            raise self.fail(f"{where}{row.name} is {text!r}; it is one or more of '{known}'")
        return sum(1 << row.choices.index(word) for word in {*words})

    def multiple(self, value: int, step: int, key: str) -> int:
        if value % step:
            raise self.fail(f"{key} is {value:#x}; it is a multiple of {step:#x}")
        return value


def rooted(table: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The table of the machine file at `path` as one that may lie elsewhere: its devices' files have whole paths."""
    devices = {
        name: {**own, **_whole_paths(own, name, path.parent)} if isinstance(own, dict) else own
        for name, own in table.get("devices", {}).items()
    }
    return {**table, "devices": devices}


def _whole_paths(device: Mapping[str, Any], name: str, folder: Path) -> dict[str, str]:
    keys = ["model"] * is_own(device.get("model", name)) + ["rules"] * isinstance(device.get("rules"), str)
    return {key: str((folder / device[key]).resolve()) for key in keys if key in device}


def is_own(model: Any) -> bool:
    """Whether a device's model is a file of the user's: it has a suffix."""
    return isinstance(model, str) and bool(Path(model).suffix)


def count_of(table: Mapping[str, Any]) -> int:
    """How many devices a table says, as far as that can be told before it is checked."""
    count = table.get("count", 1)
    return count if isinstance(count, int) and 1 <= count <= MOST_ALIKE else 1
