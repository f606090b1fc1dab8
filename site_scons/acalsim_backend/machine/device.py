# SPDX-License-Identifier: Apache-2.0
"""Registers, wire protocol and device models, declared once; headers.py prints them for C and C++.

A new device is one row in DEVICE_MODELS, one C++ class in sim/model and one entry in a machine
file. Registers that overlap are refused when this module is imported.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

from ..errors import DeviceError

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
    """One member of a struct in RAM: little-endian, `bits` wide, of `kind` uint, int or float."""

    name: str
    bits: int
    description: str
    kind: str = "uint"

    @property
    def c_type(self) -> str:
        return "float" if self.kind == "float" else f"{self.kind}{self.bits}_t"

    @property
    def letter(self) -> str:
        """What the struct module calls it."""
        return {"uint16_t": "H", "uint32_t": "I", "uint64_t": "Q", "int32_t": "i", "float": "f"}[self.c_type]


@dataclass(frozen=True)
class Parameter:
    """A number that a machine file may give a device; inclusive range, unit in the name.

    With `choices` the file gives one of those words, and the parameter's value is its place.
    """

    name: str
    default: int
    minimum: int
    maximum: int
    description: str
    choices: tuple[str, ...] = ()


def choice(name: str, choices: tuple[str, ...], default: str, description: str) -> Parameter:
    """A Parameter that is one of several words."""
    return Parameter(name, choices.index(default), 0, len(choices) - 1, description, choices)


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
        Register("DATA_OUT", 0x04, "R", "response data; commands executed, or the index of the refused one"),
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
    Flag(
        "CONTROL_INTERRUPT",
        4,
        "a bit to any of them: interrupt at each end of work, until CONTROL is written without it",
    ),
)

END_OF_SIMULATION = Flag("END_OF_SIMULATION", 0xDEADBEEF, "written to the Echo device's DATA_IN")

COMMANDS = (
    Flag("COMMAND_NOP", 0, "do nothing"),
    Flag("COMMAND_LOAD", 1, "RAM to scratchpad: planes x rows x row_bytes, zeros around each plane"),
    Flag("COMMAND_MATMUL", 2, "C[m,n] = or += A[m,k] @ B[k,n], scratchpad to accumulator memory"),
    Flag(
        "COMMAND_STORE",
        3,
        "accumulator memory to RAM or a peer's scratchpad, scaled, with bias, residual, activation",
    ),
    Flag("COMMAND_SYNC", 4, "wait until all commands before it are done"),
    Flag("COMMAND_SIGNAL", 5, "tell the peer at dram that all STOREs before it are done"),
    Flag("COMMAND_AWAIT", 6, "wait until m signals have come from peers, and use them up"),
)

ELEMENT_TYPES = (
    Flag("TYPE_FLOAT32", 0, "MATMUL: float32 sums of float32; STORE: results are float32"),
    Flag("TYPE_INT8", 1, "MATMUL: int32 sums of int8; STORE: results are rounded to int8"),
)

COMMAND_FLAGS = (
    Flag("FLAG_ACCUMULATE", 0x01, "MATMUL: add to C instead of overwriting it"),
    Flag("FLAG_SCALE", 0x02, "STORE: multiply by scale"),
    Flag("FLAG_BIAS_COLUMNS", 0x04, "STORE: add bias[column of C]"),
    Flag("FLAG_BIAS_ROWS", 0x08, "STORE: add bias[row of C]"),
    Flag("FLAG_RESIDUAL", 0x10, "STORE: add the tile at a, which is shaped like the one in RAM"),
    Flag("FLAG_RELU", 0x20, "STORE: negative becomes 0"),
    Flag("FLAG_CLAMP", 0x40, "STORE: below low becomes low, above high becomes high"),
    Flag("FLAG_INT32_SUMS", 0x80, "STORE: C holds int32"),
    Flag("FLAG_SCALE_COLUMNS", 0x100, "STORE: multiply by scales[column of C]"),
    Flag("FLAG_SCALE_ROWS", 0x200, "STORE: multiply by scales[row of C]"),
    Flag("FLAG_INT8_RESIDUAL", 0x800, "STORE: the residual is int8, times residual_scale"),
    Flag("FLAG_POOL", 0x400, "STORE: the largest of each window of a row of C, which is a plane"),
)

COMMAND_FIELDS = (
    Field("code", 16, "which COMMAND_"),
    Field("type", 16, "which TYPE_; 0 for LOAD"),
    Field("flags", 32, "FLAG_ bits"),
    Field("m", 16, "rows of A and C; AWAIT: signals"),
    Field("n", 16, "columns of B and C"),
    Field("k", 16, "columns of A, rows of B"),
    Field("m_inner", 16, "rows of A between two outer strides; 0: all of them"),
    Field(
        "n_inner",
        16,
        "columns of B between two outer strides; 0: all of them; with FLAG_POOL: columns of a plane",
    ),
    Field("k_inner", 16, "k between two middle strides; 0: all of it; with FLAG_POOL: columns of a window"),
    Field(
        "k_middle",
        16,
        "middle strides between two outer ones; 0: all of them; with FLAG_POOL: rows of a window",
    ),
    Field("pool_stride", 16, "STORE with FLAG_POOL: rows and columns from a window to the next"),
    Field("a", 32, "scratchpad address: LOAD's target, MATMUL's A, STORE's residual"),
    Field("b", 32, "scratchpad address: MATMUL's B, STORE's scales, and behind them its bias"),
    Field("c", 32, "accumulator address: MATMUL's and STORE's C"),
    Field("c_row_stride", 32, "bytes from a row of C to the next"),
    Field("a_outer_stride", 32, "bytes to the next m_inner rows of A; LOAD, STORE: to the next plane"),
    Field("a_inner_stride", 32, "bytes to the next row of A; LOAD, STORE: to the next row"),
    Field("a_k_outer_stride", 32, "bytes to the next k_middle * k_inner columns of A"),
    Field("a_k_middle_stride", 32, "bytes to the next k_inner columns of A"),
    Field("a_k_inner_stride", 32, "bytes to the next column of A"),
    Field("b_outer_stride", 32, "bytes to the next n_inner columns of B"),
    Field("b_inner_stride", 32, "bytes to the next column of B"),
    Field("b_k_outer_stride", 32, "bytes to the next k_middle * k_inner rows of B"),
    Field("b_k_middle_stride", 32, "bytes to the next k_inner rows of B"),
    Field("b_k_inner_stride", 32, "bytes to the next row of B"),
    Field(
        "dram",
        64,
        "LOAD, STORE: address of the tile in RAM; STORE, SIGNAL: a peer's base address << 32, plus one of its scratchpad",
    ),
    Field("dram_plane_stride", 32, "bytes from a plane in RAM to the next"),
    Field("dram_row_stride", 32, "bytes from a row in RAM to the next"),
    Field("planes", 16, "of the tile in RAM; 0 counts as 1"),
    Field("rows", 16, "of one of its planes; LOAD: may be 0 where there is padding"),
    Field("row_bytes", 32, "of one of its rows"),
    Field("pad_top", 16, "LOAD: rows of zeros before each plane's; with FLAG_POOL: rows of border"),
    Field("pad_bottom", 16, "LOAD: rows of zeros behind each plane's; with FLAG_POOL: rows of border"),
    Field("pad_left", 16, "LOAD: zero bytes before each row's; with FLAG_POOL: columns of border"),
    Field("pad_right", 16, "LOAD: zero bytes behind each row's; with FLAG_POOL: columns of border"),
    Field("scale", 32, "STORE: factor, with FLAG_SCALE", "float"),
    Field("low", 32, "STORE: smallest result, with FLAG_CLAMP", "float"),
    Field("high", 32, "STORE: largest result, with FLAG_CLAMP", "float"),
    Field("residual_scale", 32, "STORE: factor of the residual, with FLAG_INT8_RESIDUAL", "float"),
)
"""One command of the list that a compute device fetches, in order and without gaps. Fields that a
command has no use for are ignored."""

COMMAND_LAYOUT = "<" + "".join(field.letter for field in COMMAND_FIELDS)
COMMAND_BYTES = struct.calcsize(COMMAND_LAYOUT)
COMMAND_LIST_ALIGNMENT_BYTES = 8

ERROR_CODES = (
    Flag("ERROR_NONE", 0, "no error"),
    Flag("ERROR_COMMAND", 1, "unknown code, type or flag, or one that the command does not take"),
    Flag("ERROR_ADDRESS", 2, "address outside guest RAM"),
    Flag("ERROR_ALIGNMENT", 3, "misaligned address, stride or command list"),
    Flag("ERROR_SIZE", 4, "zero, too large or contradictory sizes, or a stride of zero"),
    Flag("ERROR_NO_RAM", 5, "guest RAM is not mapped into the simulator"),
    Flag("ERROR_SCRATCHPAD", 6, "address outside the scratchpad"),
    Flag("ERROR_ACCUMULATOR", 7, "address outside the accumulator memory"),
)


def pack_command(**fields: int | float) -> bytes:
    """A command's bytes; fields that are not given are 0. Raises DeviceError for one there is not."""
    if unknown := fields.keys() - {field.name for field in COMMAND_FIELDS}:
        raise DeviceError(f"a command has no field '{min(unknown)}'")
    return struct.pack(COMMAND_LAYOUT, *(fields.get(field.name, 0) for field in COMMAND_FIELDS))


FIRST_INTERRUPT, LAST_INTERRUPT = 36, 95
"""Sources of the board's interrupt controller that the board itself has no use for."""

INTERRUPT = Parameter(
    "interrupt", 0, 0, LAST_INTERRUPT, "source at the interrupt controller; 0: the next free one"
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
                    INTERRUPT,
                ),
            ),
            DeviceModel(
                "compute",
                "matrix engine: a command list in RAM, fetched and executed by DMA",
                (
                    Parameter("access_cycles", 1, 1, 1 << 20, "cycles of one register access"),
                    INTERRUPT,
                    Parameter("rows", 16, 1, 1024, "rows of the systolic array"),
                    Parameter("columns", 16, 1, 1024, "columns of the systolic array"),
                    choice("dataflow", ("ws", "os"), "ws", "what stays in the array: weights or outputs"),
                    choice("overlap", ("serial", "single", "double"), "double", "of a tile with the next"),
                    Parameter("scratchpad_bytes", 0x40000, 64, 1 << 30, "size of the operands' memory"),
                    Parameter("accumulator_bytes", 0x10000, 64, 1 << 30, "size of the sums' memory"),
                    Parameter(
                        "scratchpad_bytes_per_cycle",
                        64,
                        1,
                        1 << 16,
                        "bytes a cycle that the load unit writes, and that the store unit reads",
                    ),
                    Parameter(
                        "peer_latency_cycles",
                        20,
                        0,
                        1 << 20,
                        "of what another device is sent, beside the cycles of its data",
                    ),
                    Parameter("peer_bytes_per_cycle", 32, 1, 1 << 16, "that leave for other devices"),
                    Parameter("load_queue_depth", 8, 1, 1024, "LOADs that wait or are at work"),
                    Parameter("compute_queue_depth", 8, 1, 1024, "MATMULs that wait or are at work"),
                    Parameter("store_queue_depth", 8, 1, 1024, "STOREs that wait or are at work"),
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
    Flag(
        "REQUEST_ADVANCE",
        2,
        "`data` CPU cycles passed since the last frame, on the account in the lower half of `addr`, its "
        "caches moved the bytes in the upper half; no response",
    ),
    Flag(
        "REQUEST_HELLO",
        3,
        "`addr` is the client's protocol version; the response's `data` "
        "counts the bytes of machine description that follow it",
    ),
    Flag("REQUEST_TEXT", 4, "`data` bytes of text follow, of the kind in `size`; no response"),
    Flag(
        "REQUEST_WAIT",
        5,
        "the CPU sleeps until an interrupt; the response's `data` has a bit for each "
        "source that was raised since the last one, bit n for source 32 + n",
    ),
)

TEXT_KINDS = (
    Flag("TEXT_RAM", 1, "guest RAM: origin, size and file offset in hex, then the file's path"),
    Flag("TEXT_STATISTICS", 2, "the client's counters, a JSON object, after the simulation's end"),
)

RESPONSE_FLAGS = (
    Flag("RESPONSE_ENDED", 1, "the simulation is over; reserved byte 6"),
    Flag(
        "RESPONSE_INTERRUPT", 2, "a device has interrupted, a WAIT would be answered at once; reserved byte 6"
    ),
)
