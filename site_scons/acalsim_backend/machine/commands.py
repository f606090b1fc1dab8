# SPDX-License-Identifier: Apache-2.0
"""The commands that a compute device takes: codes, types, flags, fields, and the errors that refuse them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import combinations

from ..errors import DeviceError
from .registers import Flag


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
class CommandCode(Flag):
    """A code that a command may have, and the `types` that it takes."""

    types: tuple[str, ...] = ("TYPE_FLOAT32",)


@dataclass(frozen=True)
class CommandFlag:
    """A bit of a command's flags. No command but `command` takes it.

    Where it is set, all that it `needs` have to be set, and none that it `excludes`.
    """

    name: str
    value: int
    command: str
    meaning: str
    needs: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        return f"{self.command.removeprefix('COMMAND_')}: {self.meaning}"

    def __str__(self) -> str:
        return f"{self.name} {self.value:#x}"


def refuse_clashes(flags: tuple[CommandFlag, ...]) -> tuple[CommandFlag, ...]:
    """Return `flags`, or raise DeviceError naming two that share a bit or one whose partner there is not."""
    for one, other in combinations(flags, 2):
        if one.value & other.value:
            raise DeviceError(f"flags overlap: {one} and {other}")
    of = {flag.name: flag.command for flag in flags}
    for flag in flags:
        for name in (*flag.needs, *flag.excludes):
            if of.get(name) != flag.command:
                raise DeviceError(f"flag {flag} names {name}, which is no other flag of {flag.command}")
    return flags


FLOAT32_OR_INT8 = ("TYPE_FLOAT32", "TYPE_INT8")

COMMANDS = (
    CommandCode("COMMAND_NOP", 0, "do nothing"),
    CommandCode("COMMAND_LOAD", 1, "RAM to scratchpad: planes x rows x row_bytes, zeros around each plane"),
    CommandCode(
        "COMMAND_MATMUL",
        2,
        "C[m,n] = or += A[m,k] @ B[k,n], scratchpad to accumulator memory",
        FLOAT32_OR_INT8,
    ),
    CommandCode(
        "COMMAND_STORE",
        3,
        "accumulator memory to RAM or a peer's scratchpad, scaled, with bias, residual, activation",
        FLOAT32_OR_INT8,
    ),
    CommandCode("COMMAND_SYNC", 4, "wait until all commands before it are done"),
    CommandCode("COMMAND_SIGNAL", 5, "tell the peer at dram that all STOREs before it are done"),
    CommandCode("COMMAND_AWAIT", 6, "wait until m signals have come from peers, and use them up"),
)

ELEMENT_TYPES = (
    Flag("TYPE_FLOAT32", 0, "MATMUL: float32 sums of float32; STORE: results are float32"),
    Flag("TYPE_INT8", 1, "MATMUL: int32 sums of int8; STORE: results are rounded to int8"),
)

MATMUL, STORE = "COMMAND_MATMUL", "COMMAND_STORE"

COMMAND_FLAGS = refuse_clashes(
    (
        CommandFlag("FLAG_ACCUMULATE", 0x01, MATMUL, "add to C instead of overwriting it"),
        CommandFlag("FLAG_SCALE", 0x02, STORE, "multiply by scale"),
        CommandFlag("FLAG_BIAS_COLUMNS", 0x04, STORE, "add bias[column of C]"),
        CommandFlag("FLAG_BIAS_ROWS", 0x08, STORE, "add bias[row of C]", excludes=("FLAG_BIAS_COLUMNS",)),
        CommandFlag("FLAG_RESIDUAL", 0x10, STORE, "add the tile at a, which is shaped like the one in RAM"),
        CommandFlag("FLAG_RELU", 0x20, STORE, "negative becomes 0"),
        CommandFlag("FLAG_CLAMP", 0x40, STORE, "below low becomes low, above high becomes high"),
        CommandFlag("FLAG_INT32_SUMS", 0x80, STORE, "C holds int32"),
        CommandFlag(
            "FLAG_SCALE_COLUMNS", 0x100, STORE, "multiply by scales[column of C]", excludes=("FLAG_SCALE",)
        ),
        CommandFlag(
            "FLAG_SCALE_ROWS",
            0x200,
            STORE,
            "multiply by scales[row of C]",
            excludes=("FLAG_SCALE", "FLAG_SCALE_COLUMNS"),
        ),
        CommandFlag(
            "FLAG_INT8_RESIDUAL",
            0x800,
            STORE,
            "the residual is int8, times residual_scale",
            needs=("FLAG_RESIDUAL",),
        ),
        CommandFlag(
            "FLAG_POOL",
            0x400,
            STORE,
            "the largest of each window of a row of C, which is a plane",
            excludes=("FLAG_RESIDUAL",),
        ),
    )
)
"""A new one is a row here, what sim/model/epilogue.cc does of it, and the compiler's use of it."""

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
        "LOAD, STORE: address of the tile in RAM; STORE, SIGNAL: a peer's base address << 32, "
        "plus one of its scratchpad",
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


_PLACES = {field.name: place for place, field in enumerate(COMMAND_FIELDS)}


def pack_command(**fields: int | float) -> bytes:
    """A command's bytes; fields that are not given are 0. Raises DeviceError for one there is not."""
    values: list[int | float] = [0] * len(COMMAND_FIELDS)
    for name, value in fields.items():
        if name not in _PLACES:
            raise DeviceError(f"a command has no field '{name}'")
        values[_PLACES[name]] = value
    return struct.pack(COMMAND_LAYOUT, *values)
