# SPDX-License-Identifier: Apache-2.0
"""In which blocks a product goes through a device's memories: all legal tilings, and what each may cost.

A block of C is `batches` x `m` x `rows` x `columns` of the result, summed up in pieces of `k`. `order`
says what the outer loop is: "m" keeps A's blocks where it can and streams B's, "n" the other way round.
The costs here are an estimate that ranks; the best few are then timed by the device's own model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..alignment import ALIGNMENT, aligned
from ..machine.machine import Device, Machine
from ..machine.models import product_rates
from .layout import block_bytes, pooled_size, vector_bytes
from .operand import Range
from .product import LARGEST_SIZE, Product
from .tile import Tiling

LIST_BYTES = 128
MOST_COMMANDS = 1 << 14

Array = npt.NDArray[Any]
Candidates = dict[str, Array]
"""One column a field of Tiling, and of what was found of it; one row a candidate."""


def parts(total: int, unit: int = 1) -> list[int]:
    """Sizes that cut `total` into equal parts, rounded up to `unit`, largest first."""
    found = {
        min(total, math.ceil(math.ceil(total / count) / unit) * unit)
        for count in {
            *range(1, 17),
            *(1 << power for power in range(5, 17)),
            *(3 << power for power in range(3, 15)),
        }
        if count <= total
    }
    return sorted(found, reverse=True)


class Search:
    """The tilings of one product on a device, or on `team` such devices, all at once as arrays.

    Of the fields that are `given` only those values are tried.
    """

    def __init__(
        self,
        product: Product,
        machine: Machine,
        device: Device,
        given: Mapping[str, int | str] | None = None,
        team: int = 1,
    ):
        self.product, self.ram_timing, self.parameters, self.given, self.team = (
            product,
            machine.ram.timing,
            device.parameters,
            given or {},
            team,
        )
        self.transposed = self.parameters["dataflow"] == 1
        self.rate = product_rates(device.parameters).get(product.type, 0)

    def best(self, most: int) -> list[Tiling]:
        """The most promising ones, best first; none if nothing fits, or if the array does not multiply such."""
        if not self.rate:
            return []
        table = self._candidates()
        if not len(table["m"]):
            return []
        self._measure(table)
        legal = np.flatnonzero(table["legal"])
        order = legal[np.lexsort((table["commands"][legal], table["cycles"][legal]))]
        found: dict[tuple[int, ...], Tiling] = {}
        for index in order:
            row = {
                name: int(table[name][index])
                for name in ("batches", "m", "rows", "columns", "k", "a_slots", "b_slots", "c_slots")
            }
            found.setdefault(tuple(row.values()), Tiling(**row, order="mn"[int(table["n_outer"][index])]))
            if len(found) == most:
                break
        return list(found.values())

    def _sizes(self) -> tuple[list[int], list[int], list[int], list[int]]:
        """Of m, rows, columns and k."""
        product, array_rows, array_columns = self.product, self.parameters["rows"], self.parameters["columns"]
        rows, columns = product.out
        taps, deep = product.taps, array_rows * self.rate

        def down_to_one(sizes: list[int]) -> list[int]:
            """Less than the array's size leaves some of it idle, and lets more blocks be there at once."""
            return [*sizes, *(sizes[-1] >> power for power in range(1, sizes[-1].bit_length()))]

        def allowed(name: str, sizes: list[int], limit: int) -> list[int]:
            return [min(self._number(name), limit)] if name in self.given else sizes

        k = down_to_one(parts(product.k // taps, deep // math.gcd(taps, deep)))
        return (
            allowed("m", down_to_one(parts(product.m, array_rows)), product.m),
            allowed("rows", parts(rows), rows),
            allowed("columns", down_to_one(parts(columns, array_columns)), columns),
            allowed("k", [each * taps for each in k], product.k),
        )

    def _number(self, name: str, default: int = 1) -> int:
        """A size that the user has chosen."""
        return int(self.given.get(name, default))

    def _candidates(self) -> Candidates:
        sizes = self._sizes()
        grid = np.meshgrid(
            *(np.array(each) for each in sizes),
            np.arange(2),
            np.arange(4),
            np.arange(2),
            np.arange(2),
            indexing="ij",
        )
        m, rows, columns, k, n_outer, inner, outer, c_slots = (each.ravel() for each in grid)
        table = {
            "m": m,
            "rows": rows,
            "columns": columns,
            "k": k,
            "n_outer": n_outer,
            "c_slots": c_slots + 1,
            "batches": np.ones_like(m),
        }
        # Columns are cut only where not even one row fits, so that rows of an image stay whole.
        keep = (
            (columns == sizes[2][0]) | (rows == sizes[1][-1]) | bool({"rows", "columns"} & self.given.keys())
        )
        table = {name: values[keep] for name, values in table.items()}
        inner, outer = inner[keep], outer[keep]
        if self.product.batches > 1:
            whole = {
                batches
                for batches in (
                    *parts(self.product.batches),
                    min(self._number("batches"), self.product.batches),
                )
                if batches > 1
            }
            for batches in sorted(whole, reverse=True):
                row = {
                    "m": self.product.m,
                    "rows": self.product.out[0],
                    "columns": self.product.out[1],
                    "k": self.product.k,
                    "batches": batches,
                    "n_outer": 0,
                }
                for slots in (1, 2):
                    table = {
                        name: np.append(values, {**row, "c_slots": slots}[name])
                        for name, values in table.items()
                    }
                    inner, outer = np.append(inner, 0), np.append(outer, 0)
        self._slots(table, inner, outer)
        return self._as_given(table)

    def _as_given(self, table: Candidates) -> Candidates:
        """The candidates that are as the user says; slots can be any number."""
        given = {name: int(value) for name, value in self.given.items() if name != "order"}
        if "order" in self.given:
            given["n_outer"] = "mn".index(str(self.given["order"]))
        keep = np.full(len(table["m"]), True)
        for name, value in given.items():
            if name.endswith("_slots"):
                table[name] = np.full_like(table[name], value)
            else:
                keep &= table[name] == np.minimum(value, table[name].max(initial=1))
        return {name: values[keep] for name, values in table.items()}

    def _slots(self, table: Candidates, inner: Array, outer: Array) -> None:
        """How many blocks of each operand are kept.

        Of the outer loop's operand that is two, or those of one sum and one more, or twice those of one sum,
        or one. Of the other operand it is two, or all of them, or one where the first keeps one.
        """
        nm, nn, nk = self._counts(table)
        kept = np.select([inner == 0, inner == 1, inner == 2], [np.full_like(nk, 2), nk + 1, 2 * nk], 1)
        for name, own in (("a", nm), ("b", nn)):
            mine = table["n_outer"] == (name == "b")
            table[f"{name}_slots"] = np.minimum(
                np.where(mine, kept, np.where(outer == 1, own * nk, np.where(inner == 3, 1, 2))),
                own * nk * self._turns(table),
            )

    def _turns(self, table: Candidates) -> Array:
        """How often all of the operands pass: once for each image and each block of batches."""
        turns: Array = self.product.images * -(-self.product.batches // table["batches"])
        return turns

    def _counts(self, table: Candidates) -> tuple[Array, Array, Array]:
        product = self.product
        nn = -(-product.out[0] // table["rows"]) * -(-product.out[1] // table["columns"])
        return -(-product.m // table["m"]), nn, -(-product.k // table["k"])

    def _measure(self, table: Candidates) -> None:
        """Adds `legal`, `commands` and the estimate `cycles`."""
        product, ram, parameters = self.product, self.ram_timing, self.parameters
        nm, nn, nk = self._counts(table)
        turns, batches = self._turns(table), table["batches"]
        rows, columns = (
            pooled_size(product, table[name], axis) for axis, name in enumerate(("rows", "columns"))
        )
        n = rows * columns
        of = block_bytes(product, batches, table["m"], rows, columns, table["k"])
        a_bytes, b_bytes, c_bytes, residual_bytes = of.a, of.b, of.c, of.residual
        used = (
            vector_bytes(product)
            + table["a_slots"] * (a_bytes + ALIGNMENT)
            + table["b_slots"] * (b_bytes + ALIGNMENT)
            + 2 * aligned(residual_bytes)
        )
        a_loads = np.where(table["a_slots"] >= np.where(table["n_outer"], nm, 1) * nk, nm * nk, nm * nn * nk)
        b_loads = np.where(table["b_slots"] >= np.where(table["n_outer"], 1, nn) * nk, nn * nk, nm * nn * nk)
        blocks = nm * nn
        table["commands"] = (
            turns
            * (a_loads + b_loads + blocks * (nk * batches + len(product.results) + bool(product.residual)))
            + 1
        )
        table["legal"] = (
            (used <= parameters["scratchpad_bytes"])
            & (table["c_slots"] * c_bytes <= parameters["accumulator_bytes"])
            & (table["m"] * batches <= LARGEST_SIZE)
            & (n <= LARGEST_SIZE)
            & (table["k"] <= LARGEST_SIZE)
            & (table["commands"] <= MOST_COMMANDS)
        )
        ratio = (table["rows"] * table["columns"]) / n
        out_bytes = sum(c_bytes / 4 * result.tile.item_bytes * ratio for result in product.results)
        a_real, b_real = nm * table["m"] / product.m, 1.0
        moved = (
            turns
            * (
                a_loads * a_bytes / a_real
                + b_loads * b_bytes * b_real
                + blocks * (residual_bytes + out_bytes)
            )
            + LIST_BYTES * table["commands"]
        )
        bandwidth, latency = ram["bytes_per_cycle"] * ram["channels"], ram["latency_cycles"]
        array = turns * batches * self._array_cycles(table)
        reading = turns * blocks * c_bytes / parameters["scratchpad_bytes_per_cycle"]
        # What has but one slot is loaded while the array waits.
        waiting = sum(
            np.where(
                (table[f"{name}_slots"] == 1) & (turns * loads > 1) & (size > 0),
                turns * loads * (size / bandwidth + latency),
                0,
            )
            for name, loads, size in (("a", a_loads, a_bytes), ("b", b_loads, b_bytes))
        )
        # What the array waits for other units to be done with the memories.
        loaded = turns * (a_loads * a_bytes + b_loads * b_bytes + blocks * residual_bytes)
        port = parameters["scratchpad_bytes_per_cycle"]
        array = array + parameters["load_conflict_percent"] / 100 * loaded / port
        array = array + parameters["store_conflict_percent"] / 100 * reading
        share = -(-(turns * blocks) // self.team) / (turns * blocks)
        start = (a_bytes + b_bytes) / bandwidth + 2 * latency + LIST_BYTES * table["commands"] / bandwidth
        end = c_bytes / bandwidth + latency
        busy = share * (array + waiting + np.where(table["c_slots"] == 1, reading, 0))
        table["cycles"] = start + end + np.maximum(busy, moved / bandwidth)

    def _array_cycles(self, table: Candidates) -> Array:
        """Of all MATMULs of an image and a batch; docs/timing.md has the formulas.

        The last block of each dimension may be smaller.
        """
        product, tall, wide = self.product, self.parameters["rows"], self.parameters["columns"]
        each: Callable[[Array], Array]
        if self.parameters["overlap"] == 0:
            each = lambda slots: 2 * tall + wide + slots - 1  # noqa: E731
        elif self.parameters["overlap"] == 1:
            each = lambda slots: tall + slots  # noqa: E731
        else:
            each = lambda slots: np.maximum(slots, tall)  # noqa: E731
        in_k, in_m = (each, _up(tall)) if self.transposed else (_up(tall), each)

        def of_c(sizes: Array, axis: int) -> Array:
            return pooled_size(product, sizes, axis)

        across = _over_blocks(
            lambda rows: _over_blocks(
                lambda columns: _up(wide)(of_c(rows, 0) * of_c(columns, 1)), product.out[1], table["columns"]
            ),
            product.out[0],
            table["rows"],
        )
        over_k = _over_blocks(lambda k: in_k(_up(self.rate)(k)), product.k, table["k"])
        return _over_blocks(in_m, product.m, table["m"]) * over_k * across


def _up(unit: int) -> Callable[[Array], Array]:
    """Rounds up to whole units."""
    return lambda sizes: -(-sizes // unit)


def _over_blocks(cost: Callable[[Array], Array], total: int, size: Array) -> Array:
    """The sum of a block's cost over the blocks of `size` that `total` is cut into; the last one is the rest."""
    rest = total % size
    costs: Array = (total // size) * cost(size) + np.where(rest > 0, cost(rest), 0)
    return costs


def blocks_of(total: int, size: int) -> Iterator[Range]:
    for first in range(0, total, size):
        yield first, min(first + size, total)
