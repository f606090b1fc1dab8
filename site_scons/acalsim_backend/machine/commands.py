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
        return {
            "uint8_t": "B",
            "uint16_t": "H",
            "uint32_t": "I",
            "uint64_t": "Q",
            "int32_t": "i",
            "float": "f",
        }[self.c_type]


TYPE_BITS = 4
"""Of each operand's type in a command's `type`: A's are the lowest, then come B's and C's."""

ELEMENT_TYPES = (
    Flag("TYPE_FLOAT32", 0, "float32; of a MATMUL: with float32 sums"),
    Flag("TYPE_INT8", 1, "int8; of a MATMUL: with int32 sums"),
    Flag("TYPE_INT32", 2, "int32"),
    Flag("TYPE_INT64", 3, "int64"),
    Flag("TYPE_BOOL", 4, "a byte that is 0 or 1"),
    Flag("TYPE_BFLOAT16", 5, "the upper half of a float32; of a MATMUL: with float32 sums"),
    Flag("TYPE_FLOAT16", 6, "float16 of IEEE 754; of a MATMUL: with float32 sums"),
)
PRODUCT_TYPES = ("TYPE_FLOAT32", "TYPE_INT8", "TYPE_BFLOAT16", "TYPE_FLOAT16")
"""What an array may multiply; the first is what the rates of the others are of."""
ANY_TYPE = tuple(type.name for type in ELEMENT_TYPES)
ELEMENT_WORDS = tuple(name.removeprefix("TYPE_").lower() for name in ANY_TYPE)
"""The dtypes of all types."""


@dataclass(frozen=True)
class CommandCode(Flag):
    """A code that a command may have, and the `types` that each of its typed `operands` may have."""

    types: tuple[str, ...] = ("TYPE_FLOAT32",)
    operands: int = 1
    needs_lanes: bool = False


@dataclass(frozen=True)
class CommandFlag:
    """A bit of a command's flags. No command but those of `commands` takes it.

    Where it is set, all that it `needs` have to be set, and none that it `excludes`. Its `types`, where it has
    any, are then those that the command takes.
    """

    name: str
    value: int
    commands: tuple[str, ...]
    meaning: str
    needs: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    needs_lanes: bool = False

    @property
    def description(self) -> str:
        return f"{self.takers.replace('COMMAND_', '')}: {self.meaning}"

    @property
    def takers(self) -> str:
        return ", ".join(self.commands)

    def __str__(self) -> str:
        return f"{self.name} {self.value:#x}"


def refuse_clashes(flags: tuple[CommandFlag, ...]) -> tuple[CommandFlag, ...]:
    """Return `flags`, or raise DeviceError naming two that share a bit or one whose partner there is not."""
    for one, other in combinations(flags, 2):
        if one.value & other.value:
            raise DeviceError(f"flags overlap: {one} and {other}")
    of = {flag.name: flag.commands for flag in flags}
    for flag in flags:
        for name in (*flag.needs, *flag.excludes):
            if name == flag.name or not set(of.get(name, ())) & set(flag.commands):
                raise DeviceError(f"flag {flag} names {name}, which is no other flag of {flag.takers}")
    return flags


COMMANDS = (
    CommandCode("COMMAND_NOP", 0, "do nothing"),
    CommandCode("COMMAND_LOAD", 1, "RAM to scratchpad: planes x rows x row_bytes, zeros around each plane"),
    CommandCode(
        "COMMAND_MATMUL",
        2,
        "C[m,n] = or += A[m,k] @ B[k,n], scratchpad to accumulator memory",
        PRODUCT_TYPES,
    ),
    CommandCode(
        "COMMAND_STORE",
        3,
        "accumulator memory to RAM or a peer's scratchpad, scaled, with bias, residual, activation",
        PRODUCT_TYPES,
    ),
    CommandCode("COMMAND_SYNC", 4, "wait until all commands before it are done"),
    CommandCode("COMMAND_SIGNAL", 5, "tell the peer at dram that all STOREs before it are done"),
    CommandCode("COMMAND_AWAIT", 6, "wait until m signals have come from peers, and use them up"),
    CommandCode("COMMAND_VECTOR", 7, "C = f(A, B), element by element", ANY_TYPE, 3, needs_lanes=True),
    CommandCode(
        "COMMAND_REDUCE", 8, "C[planes,rows,m] = f over n of A or A - B", ANY_TYPE, 3, needs_lanes=True
    ),
    CommandCode("COMMAND_ROWS", 9, "C = a softmax or a norm of each row of A", ANY_TYPE, 3, needs_lanes=True),
    CommandCode("COMMAND_POOL", 10, "C = f of each window of A's planes", ANY_TYPE, 3, needs_lanes=True),
    CommandCode(
        "COMMAND_SAVE",
        11,
        "scratchpad or accumulator memory to RAM or a peer, bytes as they are",
        needs_lanes=True,
    ),
    CommandCode("COMMAND_OP", 12, "the cycles of the commands behind it count for op m of the list"),
)

LOAD, MATMUL, STORE = ("COMMAND_LOAD",), ("COMMAND_MATMUL",), ("COMMAND_STORE",)
VECTOR, REDUCE, ROWS, POOL, SAVE = (
    (f"COMMAND_{name}",) for name in ("VECTOR", "REDUCE", "ROWS", "POOL", "SAVE")
)
STRIDED = (*VECTOR, *REDUCE, *ROWS)

COMMAND_FLAGS = refuse_clashes(
    (
        CommandFlag(
            "FLAG_ACCUMULATE", 0x01, (*MATMUL, *REDUCE), "go on from what C holds instead of overwriting it"
        ),
        CommandFlag("FLAG_SCALE", 0x02, (*STORE, *REDUCE, *ROWS, *POOL), "multiply by scale"),
        CommandFlag("FLAG_BIAS_COLUMNS", 0x04, STORE, "add bias[column of C]"),
        CommandFlag("FLAG_BIAS_ROWS", 0x08, STORE, "add bias[row of C]", excludes=("FLAG_BIAS_COLUMNS",)),
        CommandFlag("FLAG_RESIDUAL", 0x10, STORE, "add the tile at a, which is shaped like the one in RAM"),
        CommandFlag("FLAG_RELU", 0x20, (*STORE, *POOL), "negative becomes 0"),
        CommandFlag("FLAG_CLAMP", 0x40, (*STORE, *POOL), "below low becomes low, above high becomes high"),
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
            "FLAG_BFLOAT16_RESIDUAL",
            0x2000000,
            STORE,
            "the residual is bfloat16",
            needs=("FLAG_RESIDUAL",),
            excludes=("FLAG_INT8_RESIDUAL",),
        ),
        CommandFlag(
            "FLAG_FLOAT16_RESIDUAL",
            0x8000000,
            STORE,
            "the residual is float16",
            needs=("FLAG_RESIDUAL",),
            excludes=("FLAG_INT8_RESIDUAL", "FLAG_BFLOAT16_RESIDUAL"),
        ),
        CommandFlag(
            "FLAG_SCALE_RESULT",
            0x4000000,
            (*STORE, *STRIDED, *POOL),
            "multiply the result by high, behind all else",
            excludes=("FLAG_CLAMP", "FLAG_INTEGER"),
        ),
        CommandFlag(
            "FLAG_POOL",
            0x400,
            STORE,
            "the largest of each window of a row of C, which is a plane",
            excludes=("FLAG_RESIDUAL",),
        ),
        CommandFlag(
            "FLAG_ACTIVATION",
            0x1000,
            STORE,
            "y becomes f(y), by the function k",
            excludes=("FLAG_RELU", "FLAG_CLAMP"),
            needs_lanes=True,
        ),
        CommandFlag("FLAG_A_SUMS", 0x2000, (*STRIDED, *POOL, *SAVE), "A lies in the accumulator memory"),
        CommandFlag("FLAG_B_SUMS", 0x4000, STRIDED, "B lies in the accumulator memory"),
        CommandFlag("FLAG_C_SUMS", 0x8000, (*STRIDED, *POOL), "C lies in the accumulator memory"),
        CommandFlag("FLAG_NUMBER", 0x10000, VECTOR, "B is scale or, with FLAG_INTEGER, the int32 b"),
        CommandFlag(
            "FLAG_INTEGER",
            0x20000,
            (*VECTOR, *REDUCE),
            "compute in int64 instead of float32",
            excludes=("FLAG_SCALE",),
        ),
        CommandFlag(
            "FLAG_ROUND",
            0x40000,
            (*STRIDED, *POOL),
            "C, which is int8, is rounded to nearest and saturates",
            excludes=("FLAG_INTEGER",),
        ),
        CommandFlag("FLAG_DIFFERENCE", 0x80000, REDUCE, "reduce A - B"),
        CommandFlag("FLAG_ADD", 0x100000, ROWS, "add B"),
        CommandFlag(
            "FLAG_GAMMA",
            0x200000,
            (*ROWS, *POOL),
            "multiply by the n float32 at b; POOL: a plane's by the one behind its weights",
        ),
        CommandFlag(
            "FLAG_BETA",
            0x400000,
            (*ROWS, *POOL),
            "add the n float32 behind gamma or, without it, at b; POOL: a plane's one",
        ),
        CommandFlag("FLAG_COUNT_BORDER", 0x800000, POOL, "the border counts in an average"),
        CommandFlag(
            "FLAG_GATHER",
            0x1000000,
            LOAD,
            "row r is the one that the list at b says, of c rows in RAM",
            types=("TYPE_INT32", "TYPE_INT64"),
            needs_lanes=True,
        ),
    )
)
"""A new one is a row here, what sim/model does of it, and the compiler's use of it."""

COMMAND_FIELDS = (
    Field("code", 8, "which COMMAND_"),
    Field("ahead", 8, "its cycles count for the op that so many come behind the one that OP named last"),
    Field(
        "type",
        16,
        "which TYPE_; VECTOR, REDUCE, ROWS, POOL: A's in bits 0-3, B's in 4-7, C's in 8-11; LOAD: 0 or, with "
        "FLAG_GATHER, the indices'",
    ),
    Field("flags", 32, "FLAG_ bits"),
    Field(
        "m",
        16,
        "rows of A and C; AWAIT: signals; OP: its number; VECTOR...: third dimension, POOL: rows of A",
    ),
    Field("n", 16, "columns of B and C; VECTOR...: last dimension, POOL: columns of A"),
    Field("k", 16, "columns of A, rows of B; VECTOR..., STORE with FLAG_ACTIVATION: which FUNCTION_"),
    Field("m_inner", 16, "rows of A between two outer strides; 0: all of them"),
    Field(
        "n_inner",
        16,
        "columns of B between two outer strides; 0: all of them; with FLAG_POOL: columns of a plane",
    ),
    Field("k_inner", 16, "k between two middle strides; 0: all of it; POOL, FLAG_POOL: columns of a window"),
    Field(
        "k_middle",
        16,
        "middle strides between two outer ones; 0: all of them; POOL, FLAG_POOL: rows of a window",
    ),
    Field("pool_stride", 16, "POOL, FLAG_POOL: rows and columns from a window to the next"),
    Field("a", 32, "scratchpad address: LOAD's target, MATMUL's A, STORE's residual; VECTOR...: A"),
    Field(
        "b",
        32,
        "scratchpad address: MATMUL's B, STORE's scales, and behind them its bias; VECTOR...: B; "
        "ROWS: B, or gamma and beta; POOL: weights; FLAG_GATHER: the indices",
    ),
    Field(
        "c",
        32,
        "accumulator address: MATMUL's and STORE's C; VECTOR...: C, in the scratchpad; FLAG_GATHER: rows in RAM",
    ),
    Field("c_row_stride", 32, "bytes from a row of C to the next; VECTOR...: along m"),
    Field(
        "a_outer_stride", 32, "bytes to the next m_inner rows of A; LOAD, STORE, VECTOR...: to the next plane"
    ),
    Field("a_inner_stride", 32, "bytes to the next row of A; also of LOAD, STORE, VECTOR..."),
    Field("a_k_outer_stride", 32, "bytes to the next k_middle * k_inner columns of A; VECTOR...: along m"),
    Field("a_k_middle_stride", 32, "bytes to the next k_inner columns of A"),
    Field("a_k_inner_stride", 32, "bytes to the next column of A; VECTOR...: along n"),
    Field("b_outer_stride", 32, "bytes to the next n_inner columns of B; VECTOR...: to the next plane"),
    Field("b_inner_stride", 32, "bytes to the next column of B; VECTOR...: to the next row"),
    Field("b_k_outer_stride", 32, "bytes to the next k_middle * k_inner rows of B; VECTOR...: along m"),
    Field("b_k_middle_stride", 32, "bytes to the next k_inner rows of B"),
    Field("b_k_inner_stride", 32, "bytes to the next row of B; VECTOR...: along n"),
    Field(
        "dram",
        64,
        "LOAD, STORE, SAVE: address of the tile in RAM; STORE, SAVE, SIGNAL: a base address << 32, "
        "plus an address in that device's scratchpad",
    ),
    Field("dram_plane_stride", 32, "bytes from a plane in RAM to the next; VECTOR..., POOL: of C"),
    Field("dram_row_stride", 32, "bytes from a row in RAM to the next; VECTOR...: of C"),
    Field("planes", 16, "of the tile in RAM; 0 counts as 1; VECTOR..., POOL: first dimension"),
    Field("rows", 16, "of a plane; LOAD: may be 0 where there is padding; VECTOR...: second dimension"),
    Field("row_bytes", 32, "of one of its rows"),
    Field("pad_top", 16, "LOAD: rows of zeros before each plane's; POOL, FLAG_POOL: rows of border"),
    Field("pad_bottom", 16, "LOAD: rows of zeros behind each plane's; POOL, FLAG_POOL: rows of border"),
    Field("pad_left", 16, "LOAD: zero bytes before each row's; POOL, FLAG_POOL: columns of border"),
    Field("pad_right", 16, "LOAD: zero bytes behind each row's; POOL, FLAG_POOL: columns of border"),
    Field("scale", 32, "factor, with FLAG_SCALE; B, with FLAG_NUMBER", "float"),
    Field("low", 32, "STORE, POOL: smallest result, with FLAG_CLAMP; ROWS: a norm's epsilon", "float"),
    Field(
        "high",
        32,
        "STORE, POOL: largest result, with FLAG_CLAMP; factor of FLAG_SCALE_RESULT",
        "float",
    ),
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
    Flag("ERROR_INDEX", 8, "index outside the table that rows are gathered from"),
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
