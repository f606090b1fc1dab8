# SPDX-License-Identifier: Apache-2.0
"""What a matrix product costs on a systolic array: a CSV of cases in, the same with `cycles` out.

    python -m acalsim_backend.timing CASES.csv [--library FILE.so]

`-` reads standard input. The cycles come from the model that simulations use (sim/model/array.cc);
docs/timing.md says what they mean.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType

from .cli import Parser
from .errors import TimingError, run_room
from .host.library import timing_engine

LARGEST_SIZE = 2**32 - 1
LARGEST_DEPTH = 2**16

EXAMPLE = """\
columns, in any order; others are passed on as they are:
  dataflow            ws (weights stay in the array) or os (outputs stay)
  overlap             of a tile with the next: serial, single (buffered) or double (buffered)
  rows, cols          of the array
  M, N, K             C[M,N] = A[M,K] @ B[K,N]
  tile_m              rows of A or C at a time; empty or 0: ws M, os rows
  bw_bytes_per_cycle  of the DMA channel that brings operands, one byte an element;
                      empty, 0 or no such column: operands are always ready
  latency             of that channel in cycles (0)
  depth               buffers that it fills, each for a tile's operands (2)

example:
  $ cat cases.csv
  dataflow,overlap,rows,cols,M,N,K,tile_m
  ws,double,16,16,256,256,256,256
  $ ./run python -m acalsim_backend.timing cases.csv
  dataflow,overlap,rows,cols,M,N,K,tile_m,cycles
  ws,double,16,16,256,256,256,256,65583
"""


@dataclass(frozen=True)
class Column:
    """A column of the input: how its text becomes a value, which ValueError says it cannot."""

    name: str
    value: Callable[[str], str | int]
    default: int | None = None
    """Of an empty field, and of a column that is not there; None: both are errors."""
    may_be_missing: bool = False


def word(*allowed: str) -> Callable[[str], str]:
    def value(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"'{text}' is none of {', '.join(allowed)}")
        return text

    return value


def number(smallest: int, largest: int) -> Callable[[str], int]:
    """Whole numbers; 8.0 is one, as tables with empty fields are often written."""

    def value(text: str) -> int:
        if not (found := re.fullmatch(r"(-?\d+)(\.0*)?", text, re.ASCII)):
            raise ValueError(f"'{text}' is not a whole number")
        if not smallest <= int(found[1]) <= largest:
            raise ValueError(f"{text} is not between {smallest} and {largest}")
        return int(found[1])

    return value


SIZE = number(1, LARGEST_SIZE)
SIZE_OR_NONE = number(0, LARGEST_SIZE)

COLUMNS = (
    Column("dataflow", word("ws", "os")),
    Column("overlap", word("serial", "single", "double")),
    *(Column(name, SIZE) for name in ("rows", "cols", "M", "N", "K")),
    Column("tile_m", SIZE_OR_NONE, default=0),
    Column("bw_bytes_per_cycle", SIZE_OR_NONE, default=0, may_be_missing=True),
    Column("latency", SIZE_OR_NONE, default=0, may_be_missing=True),
    Column("depth", number(1, LARGEST_DEPTH), default=2, may_be_missing=True),
)
"""In the order in which the engine takes them."""

RESULT = "cycles"


@dataclass(frozen=True)
class Row:
    line: int
    fields: list[str]


@dataclass(frozen=True)
class Table:
    """A CSV file: where it came from, its header, its rows (each as long as the header)."""

    name: str
    header: list[str]
    rows: list[Row]

    def complaint(self, line: int, what: object) -> TimingError:
        return TimingError(f"{self.name}, line {line}, {what}")


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    table = read(options.cases)
    cases = list(cases_of(table))
    cycles = cycles_of(timing_engine(options.library), table, cases)
    show(text_of(table, cycles))
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(
        TimingError,
        prog="timing",
        description=__doc__.splitlines()[0],
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cases", metavar="CASES.csv", help="the cases; - is standard input")
    parser.add_argument("--library", help="the engine's library, if not build/host's")
    return parser.parse_args(arguments)


def read(path: str) -> Table:
    """The CSV file at `path`; raises TimingError where it is no table with the columns needed."""
    name = "standard input" if path == "-" else path
    try:
        data = sys.stdin.buffer.read() if path == "-" else _bytes_of(path)
        table = parsed(name, data.decode("utf-8-sig"))
    except OSError as error:
        raise TimingError(f"cannot read '{name}': {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TimingError(f"{name}, line {line}: not UTF-8 text") from None
    return table


def _bytes_of(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()


def parsed(name: str, text: str) -> Table:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        rows = [Row(reader.line_num, [field.strip() for field in fields]) for fields in reader if fields]
    except csv.Error as error:
        raise TimingError(f"{name}, line {reader.line_num}: {error}") from None
    if not rows:
        raise TimingError(f"{name}, line 1: no header; it names the columns {_needed()}")
    table = Table(name, rows[0].fields, rows[1:])
    check_header(table, rows[0].line)
    for row in table.rows:
        if len(row.fields) != len(table.header):
            count = f"{len(row.fields)} fields, the header has {len(table.header)}"
            raise TimingError(f"{name}, line {row.line}: {count}")
    return table


def check_header(table: Table, line: int) -> None:
    for name in table.header:
        if table.header.count(name) > 1:
            raise table.complaint(line, f"column {name}: there are two of that name")
    for column in COLUMNS:
        if column.name not in table.header and not column.may_be_missing:
            raise table.complaint(line, f"column {column.name}: missing; needed are {_needed()}")


def _needed() -> str:
    return ", ".join(column.name for column in COLUMNS if not column.may_be_missing)


def cases_of(table: Table) -> Iterator[tuple[str | int, ...]]:
    """Every row as the engine takes it."""
    places = [
        (column, table.header.index(column.name) if column.name in table.header else None)
        for column in COLUMNS
    ]
    for row in table.rows:
        yield tuple(
            value_of(table, row, column, "" if place is None else row.fields[place])
            for column, place in places
        )


def value_of(table: Table, row: Row, column: Column, text: str) -> str | int:
    if text == "" and column.default is not None:
        return column.default
    try:
        return column.value(text)
    except ValueError as error:
        raise table.complaint(row.line, f"column {column.name}: {error}") from None


def cycles_of(engine: ModuleType, table: Table, cases: Sequence[tuple[str | int, ...]]) -> list[int]:
    try:
        cycles: list[int] = engine.array_cycles(cases)
        return cycles
    except OverflowError:
        row, error = next(_overflows(engine, table, cases))
        raise table.complaint(row.line, f"columns M, N, K: {error}") from None


def _overflows(
    engine: ModuleType, table: Table, cases: Sequence[tuple[str | int, ...]]
) -> Iterator[tuple[Row, Exception]]:
    for row, case in zip(table.rows, cases, strict=True):
        try:
            engine.array_cycles([case])
        except OverflowError as error:
            yield row, error


def text_of(table: Table, cycles: Sequence[int]) -> str:
    """The table with its column of cycles: in its old place where it had one, else the last."""
    header = [*table.header, *([] if RESULT in table.header else [RESULT])]
    place = header.index(RESULT)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    for row, count in zip(table.rows, cycles, strict=True):
        writer.writerow([*row.fields[:place], count, *row.fields[place + 1 :]])
    return out.getvalue()


def show(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough; nothing more for the exit to flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    run_room(main)
