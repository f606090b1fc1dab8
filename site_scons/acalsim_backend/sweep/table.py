# SPDX-License-Identifier: Apache-2.0
"""A sweep's results as a table, and what they say: the fronts of cycles against what a machine costs."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import SweepError
from ..machine.keys import Value
from .packages import package
from .point import Measured, Outcome

COSTS = ("macs_per_cycle", "sram_bytes", "energy_pj")
"""Columns of which less is better, beside cycles."""
RESULTS = ("total_cycles", "bound_cycles", "passed", "sram_bytes", "macs_per_cycle")

Row = dict[str, Any]


@dataclass(frozen=True)
class Result:
    """One point of one model. `values` are the point's keys, those that it leaves alone left out; its precision is
    one of several where the sweep says so."""

    model: str
    precision: str
    values: Mapping[str, Value]
    outcome: Outcome
    is_of_several: bool = False

    @property
    def measured(self) -> Measured:
        """The outcome of a point that has a result."""
        assert isinstance(self.outcome, Measured), self.outcome
        return self.outcome

    @property
    def title(self) -> str:
        keys = ", ".join(f"{key} = {value}" for key, value in self.values.items()) or "the machine as it is"
        return f"{keys}, in {self.precision}" if self.is_of_several else keys


@dataclass(frozen=True)
class Shape:
    """The columns that tell the points of a table apart."""

    keys: tuple[str, ...]
    has_models: bool = False
    has_precisions: bool = False


def rows(results: Iterable[Result], shape: Shape) -> list[Row]:
    """A row a point: its keys, then its results, which a failed one lacks; energy where there is any."""
    results = list(results)
    has_energy = any(each.measured.energy_pj is not None for each in with_result(results))
    columns = (*RESULTS, *["energy_pj"] * has_energy)
    return [_row(each, shape, columns) for each in results]


def _row(result: Result, shape: Shape, columns: Sequence[str]) -> Row:
    row: Row = {"model": result.model} if shape.has_models else {}
    row |= {"precision": result.precision} if shape.has_precisions else {}
    row |= {key: result.values.get(key) for key in shape.keys}
    return row | {name: getattr(result.outcome, name, None) for name in columns}


def parquet_bytes(table: Sequence[Row]) -> bytes:
    """The rows as a Parquet file. Raises SweepError where pyarrow is missing or a column has words and numbers."""
    arrow, parquet = (package(name, "PARQUET=1") for name in ("pyarrow", "pyarrow.parquet"))
    stream = io.BytesIO()
    try:
        parquet.write_table(arrow.Table.from_pylist(list(table)), stream)
    except arrow.ArrowInvalid as error:
        raise SweepError(f"the table is none for Parquet: {error}") from None
    return stream.getvalue()


def with_result(results: Iterable[Result]) -> list[Result]:
    return [each for each in results if isinstance(each.outcome, Measured)]


def varying(results: Iterable[Result]) -> list[str]:
    """The costs that the points with a result differ in."""
    right = with_result(results)
    return [cost for cost in COSTS if len({getattr(each.measured, cost) for each in right} - {None}) > 1]


def front(results: Iterable[Result], cost: str) -> list[Result]:
    """The Pareto front: no other point has as few cycles for as little of `cost`. From the cheapest on.

    It is also the best for each budget: the last one that a budget pays for. Points with wrong outputs,
    and those of which the cost is not known, have no part in it.
    """

    def place(result: Result) -> tuple[float, int]:
        return getattr(result.measured, cost), result.measured.total_cycles

    right = [each for each in with_result(results) if each.measured.passed]
    known = [each for each in right if getattr(each.measured, cost) is not None]
    found: list[Result] = []
    for each in sorted(known, key=place):
        if not found or place(each)[1] < place(found[-1])[1]:
            found.append(each)
    return found
