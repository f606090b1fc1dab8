# SPDX-License-Identifier: Apache-2.0
"""The sweep file: a TOML file in, the points that it asks for out. docs/explore.md has its keys.

A point is what a machine file says with some of its keys changed.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..capture.capture_file import PRECISIONS
from ..errors import AcalsimError, SweepError, UnknownKeyError
from ..machine.file import find_machine, load_machine, machine_of, read_table
from ..machine.keys import Value, with_keys
from ..toml import read_toml

MOST_POINTS = 100_000
KINDS = ("grid", "list", "sample")
OBJECTIVES = ("total_cycles", "sram_bytes", "macs_per_cycle", "energy_pj")
DEFAULT_COUNT, DEFAULT_SEED = 100, 0
NAMING_FILES = (".model", ".rules")
"""How keys end whose values are files."""

Point = Mapping[str, Value]


@dataclass(frozen=True)
class Range:
    """Whole numbers from `start` to `end`, both included; `log`: as many between 1 and 10 as between 10 and 100."""

    start: int
    end: int
    step: int = 1
    log: bool = False

    @property
    def last(self) -> int:
        """The largest number that it has."""
        return self.end - (self.end - self.start) % self.step

    def draw(self, chance: random.Random) -> Value:
        if not self.log:
            return chance.randrange(self.start, self.end + 1, self.step)
        drawn = math.exp(chance.uniform(math.log(self.start), math.log(self.end + 1)))
        return min(max(int(drawn), self.start), self.end)


@dataclass(frozen=True)
class Choices:
    values: tuple[Value, ...]

    def draw(self, chance: random.Random) -> Value:
        return chance.choice(self.values)


Axis = Range | Choices


@dataclass(frozen=True)
class Sweep:
    """All of a sweep file. `points` are empty where the whole space is to be searched, which `axes` span."""

    path: Path
    machine: Path
    table: Mapping[str, Any]
    keys: tuple[str, ...]
    points: tuple[Point, ...]
    axes: Mapping[str, Axis]
    count: int
    seed: int
    objectives: tuple[str, ...]
    models: tuple[str, ...]
    precisions: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def reads(self) -> set[Path]:
        """All files of the user's that a point follows from: the sweep's, and those of any of its machines."""
        naming = [key for key in self.keys if key.endswith(NAMING_FILES)]
        found = {self.path}
        for names in itertools.product(*(self.values(key) for key in naming)):
            try:
                changed = with_keys(self.table, dict(zip(naming, names, strict=True)))
                found.update(machine_of(changed, self.machine).reads)
            except AcalsimError:  # no point has that one, or it is without a result
                continue
        return found

    def values(self, key: str) -> Iterable[Value]:
        """Those that points have, or may draw, of a key that is no range."""
        axis = self.axes.get(key)
        if isinstance(axis, Choices):
            return axis.values
        return dict.fromkeys(point[key] for point in self.points if key in point)


def read_sweep(given: str | Path, default_machine: str = "default", searches: bool = False) -> Sweep:
    """Read and check a sweep file; with `searches` its space is for a search, not to be walked through.

    Raises SweepError naming file and key, also for a key that the machine does not know.
    """
    path = Path(given)
    return _Reader(path).sweep(read_toml(path, SweepError), default_machine, searches)


class _Reader:
    """Takes a sweep file apart; every complaint names the file."""

    def __init__(self, path: Path):
        self.path = path

    def fail(self, text: str) -> SweepError:
        return SweepError(f"{self.path}: {text}")

    def sweep(self, table: dict[str, Any], default_machine: str, searches: bool) -> Sweep:
        known = ("machine", "models", "precision", *KINDS)
        for key in table:
            if key not in known:
                raise self.fail(f"unknown key '{key}'; known are {', '.join(known)}")
        kinds = [kind for kind in KINDS if kind in table]
        if len(kinds) != 1:
            found = f"it has {' and '.join(kinds)}" if kinds else "it has none of them"
            raise self.fail(f"a sweep is one of [grid], [list] or [sample]; {found}")
        if searches and kinds != ["sample"]:
            raise self.fail(f"a search draws from the ranges of [sample]; this file has [{kinds[0]}]")
        machine = self.machine(table.get("machine", default_machine))
        space = table[kinds[0]]
        axes = self.sample(space) if kinds == ["sample"] else {}
        own = space if kinds == ["sample"] else {}
        count, seed = (
            self.number(own, *row) for row in (("count", DEFAULT_COUNT, 1), ("seed", DEFAULT_SEED, 0))
        )
        points = () if searches else tuple(self.points(kinds[0], space, axes, count, seed))
        sweep = Sweep(
            path=self.path,
            machine=machine,
            table=read_table(machine),
            keys=tuple(axes or dict.fromkeys(key for point in points for key in point)),
            points=points,
            axes=axes,
            count=count,
            seed=seed,
            objectives=self.words(own, "objectives", OBJECTIVES) or OBJECTIVES[:1],
            models=self.words(table, "models"),
            precisions=self.words(table, "precision", PRECISIONS),
        )
        self.refuse_unknown(sweep)
        return sweep

    def machine(self, given: object) -> Path:
        """By name or by path, which is one from here or from the sweep file's folder."""
        beside = self.path.parent / str(given)
        try:
            path = beside if str(given).endswith(".toml") and beside.is_file() else find_machine(str(given))
            load_machine(str(path.resolve()))
        except AcalsimError as error:
            raise self.fail(str(error)) from None
        return path.resolve()

    def points(
        self, kind: str, space: Any, axes: Mapping[str, Axis], count: int, seed: int
    ) -> Iterator[Point]:
        if kind == "grid":
            yield from self.grid(space)
        elif kind == "list":
            yield from self.listed(space)
        else:
            chance = random.Random(seed)
            for _ in range(count):
                yield {key: axis.draw(chance) for key, axis in axes.items()}

    def grid(self, space: Any) -> Iterator[Point]:
        """Every combination; the last key changes first."""
        axes = {key: self.values(f"grid.{key}", value) for key, value in self.keys(space, "grid").items()}
        size = math.prod(map(len, axes.values()))
        if size > MOST_POINTS:
            raise self.fail(f"the grid has {size:,} points; at most {MOST_POINTS:,} are possible")
        for values in itertools.product(*axes.values()):
            yield dict(zip(axes, values, strict=True))

    def listed(self, space: Any) -> Iterator[Point]:
        rows = space.get("rows") if isinstance(space, dict) and space.keys() <= {"rows"} else space
        if not isinstance(rows, list) or not rows:
            raise self.fail("[list] has 'rows', a list of tables with a value for each key; it is empty")
        for number, row in enumerate(rows, 1):
            point = self.keys(row, f"row {number} of list")
            yield {key: self.value(f"'{key}' in row {number} of list", each) for key, each in point.items()}

    def sample(self, space: Any) -> dict[str, Axis]:
        own = ("count", "seed", "objectives")
        keys = space if not isinstance(space, dict) else {k: v for k, v in space.items() if k not in own}
        return {key: self.axis(key, value) for key, value in self.keys(keys, "sample").items()}

    def axis(self, key: str, given: Any) -> Axis:
        if not isinstance(given, dict):
            return Choices(self.values(f"sample.{key}", given))
        unknown = given.keys() - {"from", "to", "step", "log"}
        if unknown or not {"from", "to"} <= given.keys():
            raise self.fail(
                f"'sample.{key}' is {given!r}; a range has 'from' and 'to', may have 'step' or 'log'"
            )
        log = given.get("log", False)
        least = 1 if log else -(1 << 62)
        start, end = (self.number(given, name, 0, least, f"sample.{key}.") for name in ("from", "to"))
        if end < start or not isinstance(log, bool) or (log and "step" in given):
            raise self.fail(
                f"'sample.{key}' is {given!r}; 'from' is at most 'to', 'log' is true without 'step'"
            )
        return Range(start, end, self.number(given, "step", 1, 1, f"sample.{key}."), log)

    def keys(self, table: Any, where: str) -> dict[str, Any]:
        """The table without nesting: `devices.compute.rows = [8]` is the same as with quotes."""
        found = dict(_flat(table)) if isinstance(table, dict) else {}
        if not found:
            raise self.fail(f"{where} is empty; it has values for one key of the machine at least")
        return found

    def values(self, where: str, given: Any) -> tuple[Value, ...]:
        if not isinstance(given, list) or not given:
            raise self.fail(f"'{where}' is {given!r}; it is a list of values")
        return tuple(self.value(f"'{where}'", each) for each in given)

    def value(self, where: str, given: Any) -> Value:
        if isinstance(given, bool) or not isinstance(given, int | str):
            raise self.fail(f"{where} has the value {given!r}; it is a whole number or a word")
        return given

    def number(
        self, table: Mapping[str, Any], key: str, default: int, least: int, where: str = "sample."
    ) -> int:
        value = table.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise self.fail(f"'{where}{key}' is {value!r}; it is a whole number from {least} on")
        return value

    def words(self, table: Mapping[str, Any], key: str, known: tuple[str, ...] = ()) -> tuple[str, ...]:
        words = table.get(key, [])
        words = [words] if isinstance(words, str) else words
        if not isinstance(words, list) or any(not isinstance(word, str) for word in words):
            raise self.fail(f"'{key}' is {words!r}; it is a list of words")
        for word in words:
            if known and word not in known:
                raise self.fail(f"'{key}' has {word!r}; known are {', '.join(known)}")
        return tuple(dict.fromkeys(words))

    def refuse_unknown(self, sweep: Sweep) -> None:
        """Every key is one of the machine's, whatever its values: those are judged point by point."""
        devices = sweep.table.get("devices", {})
        for key in sweep.keys:
            part, _, rest = key.partition(".")
            device = rest.partition(".")[0]
            if part == "devices" and device not in devices:
                known = ", ".join(devices)
                raise self.fail(f"key '{key}': {sweep.machine.name} has no device '{device}'; it has {known}")
            try:
                changed = with_keys(sweep.table, {key: _some_value(sweep, key)})
            except AcalsimError as error:
                raise self.fail(str(error)) from None
            try:
                machine_of(changed, sweep.machine)
            except UnknownKeyError as error:
                raise self.fail(str(error)) from None
            except AcalsimError:
                continue  # that value is illegal, another may not be


def _some_value(sweep: Sweep, key: str) -> Value:
    axis = sweep.axes.get(key)
    if axis is None:
        return next(point[key] for point in sweep.points if key in point)
    return axis.start if isinstance(axis, Range) else axis.values[0]


RANGE_KEYS = {"from", "to", "step", "log"}


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and not value.keys() & RANGE_KEYS:
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value
