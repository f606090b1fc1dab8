# SPDX-License-Identifier: Apache-2.0
"""Registers, wire protocol and device models, declared once; headers.py prints them for C and C++.

A new device is one row in DEVICE_MODELS, one C++ class in sim/model and one entry in a machine
file. Registers that overlap are refused when this module is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

from .errors import DeviceError

WINDOW_BYTES = 0x1000
"""Bytes of address space that each device occupies from its base address."""


@dataclass(frozen=True)
class Register:
    """One memory-mapped register: `offset` and `size_bytes` in bytes, `access` R, W or RW."""

    name: str
    offset: int
    access: str
    description: str
    size_bytes: int = 4

    def __str__(self) -> str:
        return f"{self.name} 0x{self.offset:02x}..0x{self.offset + self.size_bytes:02x}"


@dataclass(frozen=True)
class Flag:
    """A named constant: a bit of a register, a code or a magic number."""

    name: str
    value: int
    description: str


@dataclass(frozen=True)
class Field:
    """One member of a struct in RAM: unsigned, little-endian, `bits` wide."""

    name: str
    bits: int
    description: str


@dataclass(frozen=True)
class Parameter:
    """A number that a machine file may give a device; inclusive range, unit in the name."""

    name: str
    default: int
    minimum: int
    maximum: int
    description: str


@dataclass(frozen=True)
class DeviceModel:
    """What `model = "..."` in a machine file may name, and what it may set there."""

    name: str
    description: str
    parameters: tuple[Parameter, ...]


def refuse_overlaps(registers: tuple[Register, ...]) -> tuple[Register, ...]:
    """Return `registers`, or raise DeviceError naming the two that share bytes."""
    ordered = sorted(registers, key=lambda register: register.offset)
    for low, high in pairwise(ordered):
        if low.offset + low.size_bytes > high.offset:
            raise DeviceError(f"registers overlap: {low} and {high}")
    for register in ordered:
        if register.offset % register.size_bytes or register.offset >= WINDOW_BYTES:
            raise DeviceError(f"register {register} is misaligned or outside the window")
    return registers


REGISTERS = refuse_overlaps(
    (
        Register("DATA_IN", 0x00, "W", "data, or the address of a command list"),
        Register("DATA_OUT", 0x04, "R", "response data"),
        Register("STATUS", 0x08, "R", "status flags"),
        Register("CONTROL", 0x0C, "RW", "control operations"),
        Register("SIZE", 0x10, "RW", "data size in bytes"),
        Register("RESULT", 0x14, "R", "operation result: 0 or an error code"),
    )
)

STATUS_FLAGS = (
    Flag("STATUS_BUSY", 1, "device is processing"),
    Flag("STATUS_DATA_READY", 2, "response is available"),
    Flag("STATUS_ERROR", 4, "operation failed"),
)

CONTROL_FLAGS = (
    Flag("CONTROL_NOP", 0, "no operation"),
    Flag("CONTROL_START", 1, "start the operation described by DATA_IN and SIZE"),
    Flag("CONTROL_RESET", 2, "forget everything, back to the state after power-on"),
)

END_OF_SIMULATION = Flag("END_OF_SIMULATION", 0xDEADBEEF, "written to the Echo device's DATA_IN")

COMMANDS = (
    Flag("COMMAND_NOP", 0, "do nothing"),
    Flag("COMMAND_MATMUL", 1, "C[m,n] = A[m,k] @ B[k,n], float32, row-major, dense"),
)

COMMAND_FIELDS = (
    Field("code", 32, "which COMMAND_; the rest is for MATMUL"),
    Field("m", 32, "rows of A and C"),
    Field("n", 32, "columns of B and C"),
    Field("k", 32, "columns of A, rows of B"),
    Field("a", 64, "address of A"),
    Field("b", 64, "address of B"),
    Field("c", 64, "address of C"),
    Field("reserved", 64, "zero"),
)
"""One command of the list that a compute device fetches, in order and without gaps."""

COMMAND_BYTES = sum(field.bits for field in COMMAND_FIELDS) // 8
COMMAND_LIST_ALIGNMENT_BYTES = 8

ERROR_CODES = (
    Flag("ERROR_NONE", 0, "no error"),
    Flag("ERROR_COMMAND", 1, "unknown command code"),
    Flag("ERROR_ADDRESS", 2, "address outside guest RAM"),
    Flag("ERROR_ALIGNMENT", 3, "misaligned address or command list"),
    Flag("ERROR_SIZE", 4, "zero or too large a size"),
    Flag("ERROR_NO_RAM", 5, "guest RAM is not mapped into the simulator"),
)

DEVICE_MODELS: Mapping[str, DeviceModel] = MappingProxyType(
    {
        model.name: model
        for model in (
            DeviceModel(
                "echo",
                "answers DATA_IN in DATA_OUT after a fixed latency; ends the simulation",
                (
                    Parameter("access_cycles", 1, 1, 1 << 20, "cycles of one register access"),
                    Parameter("latency_cycles", 10, 0, 1 << 32, "cycles from DATA_IN to DATA_OUT"),
                ),
            ),
            DeviceModel(
                "compute",
                "matrix engine: a command list in RAM, fetched and executed by DMA",
                (
                    Parameter("access_cycles", 1, 1, 1 << 20, "cycles of one register access"),
                    Parameter("rows", 16, 1, 1024, "rows of the systolic array"),
                    Parameter("columns", 16, 1, 1024, "columns of the systolic array"),
                ),
            ),
        )
    }
)

DEFAULT_BASES = MappingProxyType({"echo": 0x10200000, "compute": 0x10300000})
"""Where the two devices of the default memory map live; more follow at 0x10400000, +0x100000 each."""

PROTOCOL_VERSION = 1

REQUEST_TYPES = (
    Flag("REQUEST_READ", 0, "read `size` bytes at `addr`"),
    Flag("REQUEST_WRITE", 1, "write `data`, `size` bytes, at `addr`"),
    Flag("REQUEST_ADVANCE", 2, "`data` CPU cycles passed since the last frame; no response"),
    Flag("REQUEST_HELLO", 3, "`addr` is the client's protocol version; the response's `data` "
         "counts the bytes of machine description that follow it"),
    Flag("REQUEST_TEXT", 4, "`data` bytes of text follow, of the kind in `size`; no response"),
)

TEXT_KINDS = (
    Flag("TEXT_RAM", 1, "guest RAM: origin, size and file offset in hex, then the file's path"),
    Flag("TEXT_STATISTICS", 2, "the client's counters, a JSON object, after the simulation's end"),
)

RESPONSE_FLAGS = (Flag("RESPONSE_ENDED", 1, "the simulation is over; reserved byte 6"),)
