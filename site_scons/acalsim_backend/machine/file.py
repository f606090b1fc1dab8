# SPDX-License-Identifier: Apache-2.0
"""The machine file: one TOML file in, one frozen, checked Machine out; every default is here."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..errors import MachineError
from ..paths import MACHINES
from .device import DEVICE_MODELS, FIRST_INTERRUPT, LAST_INTERRUPT, WINDOW_BYTES, Parameter, choice

RAM_ORIGIN = 0x80000000
"""Where QEMU's virt board has its RAM."""

BOARD_WINDOWS = {
    "test": (0x100000, 0x1000),
    "rtc": (0x101000, 0x1000),
    "clint": (0x2000000, 0x10000),
    "platform-bus": (0x4000000, 0x2000000),
    "plic": (0xC000000, 0x600000),
    "uart": (0x10000000, 0x100),
    "virtio": (0x10001000, 0x8000),
    "fw_cfg": (0x10100000, 0x18),
    "flash": (0x20000000, 0x4000000),
    "pcie": (0x30000000, 0x50000000),
}
"""(base, bytes) of what QEMU's virt board already has below RAM; devices must stay clear of it."""

COMPLETION = choice(
    "completion", ("stall", "poll", "interrupt"), "stall", "how the firmware waits for devices"
)

ISAS = ("rv64gc", "rv64gcv")

LATENCIES = (
    Parameter("integer", 1, 1, 1000, "add, logic, shift, compare, lui, auipc"),
    Parameter("load", 2, 1, 1000, "4- and 8-byte loads, to first use"),
    Parameter("load_narrow", 3, 1, 1000, "1- and 2-byte loads, to first use"),
    Parameter("store", 1, 1, 1000, "stores"),
    Parameter("multiply", 4, 1, 1000, "integer multiply"),
    Parameter("divide", 34, 1, 1000, "integer divide and remainder, not pipelined"),
    Parameter("branch", 1, 1, 1000, "conditional branch"),
    Parameter("branch_mispredict", 3, 0, 1000, "added when a backward branch falls through"),
    Parameter("jump", 1, 1, 1000, "jal, jalr"),
    Parameter("f32_add", 4, 1, 1000, "float32 add and subtract"),
    Parameter("f32_multiply", 5, 1, 1000, "float32 multiply and fused multiply-add"),
    Parameter("f32_divide", 20, 1, 1000, "float32 divide and square root, not pipelined"),
    Parameter("f64_add", 6, 1, 1000, "float64 add and subtract"),
    Parameter("f64_multiply", 7, 1, 1000, "float64 multiply and fused multiply-add"),
    Parameter("f64_divide", 30, 1, 1000, "float64 divide and square root, not pipelined"),
    Parameter("float_other", 2, 1, 1000, "float compare, convert, move, sign, min, max"),
    Parameter("atomic", 5, 1, 1000, "lr, sc and amo instructions"),
    Parameter("system", 5, 1, 1000, "csr, fence, ecall and the like"),
    Parameter("trap", 10, 1, 1000, "taking an interrupt and returning from it; charged at its mret"),
    Parameter("vector", 4, 1, 1000, "vector instructions, from their first element's start to its result"),
)
"""Result latencies in cycles of the in-order, single-issue CPU; one instruction issues a cycle."""


L1I = (
    Parameter("size_bytes", 32768, 32, 1 << 26, "of all its lines"),
    Parameter("ways", 4, 1, 64, "lines of a set"),
    Parameter("line_bytes", 64, 8, 4096, "of a line, a power of two"),
    Parameter("miss_cycles", 40, 0, 1 << 20, "that the CPU stops until a line is there"),
)
L1D = (
    *L1I,
    Parameter("writeback_cycles", 0, 0, 1 << 20, "more where a written line leaves; 0: a buffer takes it"),
)
"""Caches that a machine may have; absent, an access takes its class's latency wherever it goes."""

RAM_TIMING = (
    Parameter("latency_cycles", 20, 0, 1 << 20, "of a DMA transfer, beside the cycles of its data"),
    Parameter("bytes_per_cycle", 8, 1, 1 << 16, "that one channel moves"),
    Parameter("channels", 1, 1, 256, "that work side by side"),
    Parameter("interleave_bytes", 256, 1, 1 << 20, "of adjacent addresses before the next channel's turn"),
    Parameter("banks", 8, 1, 1024, "of each channel, each with one open row"),
    Parameter("row_bytes", 0, 0, 1 << 20, "of a bank's row; 0: rows do not matter"),
    Parameter("row_miss_cycles", 0, 0, 1 << 20, "that a bank takes to open another row"),
)
"""How long DMA takes."""


MOST_DEVICES = 200
MOST_ALIKE = 64
"""Devices of one table."""
SPACING_BYTES = 0x10_0000
"""Of address space from one of them to the next."""


@dataclass(frozen=True)
class Cpu:
    """`vlen` is the bits of a vector register, `vector_bits` those of it that are worked on in a cycle."""

    isa: str = "rv64gc"
    vlen: int = 0
    vector_bits: int = 0
    latency: Mapping[str, int] = field(default_factory=dict)
    caches: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Ram:
    """Guest RAM: `size_bytes` at `origin`; a DMA transfer of n bytes takes
    latency_cycles + ceil(n / bytes_per_cycle) cycles, see RAM_TIMING for the rest."""

    size_bytes: int
    latency_cycles: int
    bytes_per_cycle: int
    channels: int
    interleave_bytes: int
    banks: int
    row_bytes: int
    row_miss_cycles: int
    origin: int = RAM_ORIGIN

    @property
    def timing(self) -> dict[str, int]:
        """What an engine needs to know of RAM; where it lies is told by whoever shares it."""
        return {row.name: getattr(self, row.name) for row in RAM_TIMING}

    @property
    def end(self) -> int:
        return self.origin + self.size_bytes


@dataclass(frozen=True)
class Device:
    """One device: its `model` is a row of DEVICE_MODELS, `parameters` are complete."""

    name: str
    model: str
    base: int
    parameters: Mapping[str, int]
    size_bytes: int = WINDOW_BYTES

    @property
    def range(self) -> str:
        return hex_range(self.base, self.size_bytes)

    @property
    def kind(self) -> tuple:
        """Equal for devices that do the same in the same time."""
        return self.model, *(value for name, value in self.parameters.items() if name != "interrupt")


@dataclass(frozen=True)
class Machine:
    name: str
    path: Path
    description: str
    cpu: Cpu
    ram: Ram
    stack_bytes: int
    devices: tuple[Device, ...]
    completion: str = "stall"
    sst_config: Path | None = None

    def device(self, model: str) -> Device | None:
        """The first device of that model, or None."""
        return next(iter(self.devices_of(model)), None)

    def devices_of(self, model: str) -> tuple[Device, ...]:
        """Those of one model, in the order of their addresses."""
        return tuple(device for device in self.devices if device.model == model)

    def compile_view(self) -> str:
        """What the compiler, the linker script and the firmware depend on, as stable text.

        Timing parameters of CPU and Echo device are left out: a change of them redoes simulations only.
        Those of a compute device and of RAM decide the tiles of products.
        """
        lines = [
            f"isa {self.cpu.isa} {self.cpu.vlen}",
            f"ram {self.ram.origin:#x} {self.ram.size_bytes:#x}",
            f"stack {self.stack_bytes:#x}",
        ]
        lines += [f"completion {self.completion}"] if self.completion != "stall" else []
        for d in self.devices:
            parameters = (
                f" {dict(d.parameters)} {self.ram.timing}"
                if d.model == "compute"
                else f" {d.parameters['interrupt']}"
            )
            lines += [f"device {d.name} {d.model} {d.base:#x}{parameters}"]
        return "\n".join(lines) + "\n"

    def description_text(self) -> str:
        """The machine description that the simulator sends a client that says HELLO."""
        lines = [f"device {d.name} {d.base:#x} {d.size_bytes:#x}" for d in self.devices]
        lines += [f"latency {name} {cycles}" for name, cycles in self.cpu.latency.items()]
        lines += [f"vector {self.cpu.vlen} {self.cpu.vector_bits}"] if self.cpu.vlen else []
        for name, cache in self.cpu.caches.items():
            keys = ("size_bytes", "ways", "line_bytes", "miss_cycles", "writeback_cycles")
            lines.append(f"cache {name} " + " ".join(str(cache.get(key, 0)) for key in keys))
        return "\n".join(lines) + "\n"


def hex_range(base: int, size_bytes: int) -> str:
    return f"{base:#010x}..{base + size_bytes:#010x}"


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
    try:
        table = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MachineError(f"{path}: not valid TOML: {error}") from None
    return _Reader(path).machine(table)


class _Reader:
    """Takes the tables of one machine file apart; every complaint names the file and the key."""

    def __init__(self, path: Path):
        self.path = path

    def fail(self, text: str) -> MachineError:
        return MachineError(f"{self.path}: {text}")

    def machine(self, table: dict[str, Any]) -> Machine:
        self.known(table, ("description", "cpu", "ram", "firmware", "devices", "sst"), "")
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
        )
        self.refuse_overlaps(machine.devices, ram)
        if len(machine.devices) > MOST_DEVICES:
            raise self.fail(f"there are {len(machine.devices)} devices; a machine has at most {MOST_DEVICES}")
        mute = [device.name for device in machine.devices_of("compute") if not device.parameters["interrupt"]]
        if machine.completion == "interrupt" and mute:
            raise self.fail(
                f"firmware.completion is 'interrupt', but there is no interrupt source left for device '{mute[0]}'; "
                f"there are {LAST_INTERRUPT - FIRST_INTERRUPT + 1}"
            )
        return machine

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
        rows = (
            Parameter("size_bytes", 0x10000000, 0x10000, 1 << 36, ""),
            *RAM_TIMING,
        )
        values = self.numbers(table, rows, "ram.")
        self.multiple(values["size_bytes"], 4096, "ram.size_bytes")
        return Ram(**values)

    def sst_config(self, table: dict[str, Any]) -> Path | None:
        """A configuration for SST of this machine's own, by its path from the machine file."""
        self.known(table, ("config",), "sst.")
        if not table:
            return None
        path = self.path.parent / str(table["config"])
        if not path.is_file():
            raise self.fail(f"sst.config is {table['config']!r}; there is no file '{path}'")
        return path

    def devices(self, table: dict[str, Any]) -> tuple[Device, ...]:
        devices = [
            device for name in table for device in self.alike(name, self.table(table, name, "devices."))
        ]
        for one, other in pairwise(sorted(devices, key=lambda device: device.name)):
            if one.name == other.name:
                raise self.fail(
                    f"there are two devices named '{one.name}'; a count of n names its further devices NAME1 to NAMEn-1"
                )
        if sum(device.model == "echo" for device in devices) != 1:
            raise self.fail('a machine has exactly one device with model = "echo"; it ends the simulation')
        return self.with_interrupts(sorted(devices, key=lambda device: device.base))

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
        first = self.device(name, {key: value for key, value in table.items() if key != "count"})
        if count > 1 and first.parameters["interrupt"]:
            raise self.fail(
                f"{where}interrupt is {first.parameters['interrupt']} and count is {count}; leave interrupt out, each has one of its own"
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
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise self.fail(f"device name '{name}' is not lower-case letters, digits and _")
        model = DEVICE_MODELS.get(table.get("model", name))
        if model is None:
            known = ", ".join(DEVICE_MODELS)
            raise self.fail(f"{where}model is {table.get('model', name)!r}; known are {known}")
        if "base" not in table:
            raise self.fail(f"{where}base is missing: the address of the device's registers")
        base = self.number(table, Parameter("base", 0, 0, RAM_ORIGIN - WINDOW_BYTES, ""), where)
        own = {key: value for key, value in table.items() if key not in ("model", "base")}
        parameters = self.numbers(own, model.parameters, where)
        return Device(name, model.name, self.multiple(base, WINDOW_BYTES, f"{where}base"), parameters)

    def refuse_overlaps(self, devices: tuple[Device, ...], ram: Ram) -> None:
        windows = [(d.base, d.size_bytes, f"device '{d.name}'") for d in devices]
        windows += [(base, size, f"the board's {name}") for name, (base, size) in BOARD_WINDOWS.items()]
        windows.sort()
        for (base, size, name), (next_base, next_size, next_name) in pairwise(windows):
            if base + size > next_base:
                raise self.fail(
                    f"{name} at {hex_range(base, size)} overlaps {next_name} at {hex_range(next_base, next_size)}"
                )

    def table(self, parent: dict[str, Any], key: str, where: str) -> dict[str, Any]:
        value = parent.get(key, {})
        if not isinstance(value, dict):
            raise self.fail(f"{where}{key} is {value!r}; it is a table: [{where}{key}]")
        return value

    def known(self, table: dict[str, Any], keys: Iterable[str], where: str) -> None:
        keys = tuple(keys)
        for key in table:
            if key not in keys:
                raise self.fail(f"unknown key '{where}{key}'; known are {', '.join(keys)}")

    def numbers(self, table: dict[str, Any], rows: tuple[Parameter, ...], where: str) -> dict[str, int]:
        self.known(table, (row.name for row in rows), where)
        return {row.name: self.number(table, row, where) for row in rows}

    def number(self, table: dict[str, Any], row: Parameter, where: str) -> int:
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

    def multiple(self, value: int, step: int, key: str) -> int:
        if value % step:
            raise self.fail(f"{key} is {value:#x}; it is a multiple of {step:#x}")
        return value
