# SPDX-License-Identifier: Apache-2.0
"""What the C and C++ sources of sim/ include: never in a circle, and in sim/qemu only downwards.

A room is a source and the header of its name. plugin.c lists the floors of sim/qemu and the rooms on each.
"""

import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from acalsim_backend.paths import SIM

pytestmark = pytest.mark.quick

SUFFIXES = {".c", ".h", ".cc", ".hh"}
GENERATED = ("registers", "tables")


def rooms_of(folder: Path, base: Path) -> dict[str, set[str]]:
    """Each room of `folder`, named relative to `base` as an include names it, and what it includes."""
    rooms: dict[str, set[str]] = {}
    for path in sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES):
        room = str(path.relative_to(base).with_suffix(""))
        included = re.findall(r'^#include "(.+)\.\w+"', path.read_text(), re.MULTILINE)
        rooms.setdefault(room, set()).update(set(included) - {room, *GENERATED})
    return rooms


def circle(rooms: dict[str, set[str]]) -> list[str]:
    """The rooms of a circle of includes, the first again at the end; empty where there is none."""
    try:
        TopologicalSorter(rooms).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def floors_of(table: str) -> list[list[str]]:
    """The rooms on each floor, the ground floor first, from the comment of plugin.c."""
    lines = re.findall(r"^ \*   (\S+) +(.+)$", table, re.MULTILINE)
    assert lines[0] == ("floor", "rooms")
    return [rooms.split() for _, rooms in reversed(lines[1:])]


def upward(rooms: dict[str, set[str]], floors: list[list[str]]) -> list[str]:
    """The includes that do not lead to a lower floor."""
    height = {room: level for level, names in enumerate(floors) for room in names}
    return [
        f"{room} -> {included}"
        for room in sorted(rooms)
        for included in sorted(rooms[room])
        if height[included] >= height[room]
    ]


QEMU_ROOMS = rooms_of(SIM / "qemu", SIM / "qemu")
ENGINE_ROOMS = {name: rooms_of(SIM / name, SIM) for name in ("model", "embedded", "sst")}
FLOORS = floors_of((SIM / "qemu/plugin.c").read_text())


def test_the_plugin_includes_in_no_circle():
    assert len(QEMU_ROOMS) > 10 and circle(QEMU_ROOMS) == []


def test_models_and_engines_include_in_no_circle():
    together = {room: included for rooms in ENGINE_ROOMS.values() for room, included in rooms.items()}
    assert len(together) > 20 and circle(together) == []


@pytest.mark.parametrize(
    ("folder", "allowed"),
    [("model", {"model", "kernels", "declared", "interface"}), ("embedded", {"model", "embedded"})],
)
def test_models_know_no_engine_and_the_embedded_engine_knows_no_sst(folder, allowed):
    for room, included in ENGINE_ROOMS[folder].items():
        assert {name.split("/")[0] for name in included} <= allowed, room


def test_each_room_of_the_plugin_has_one_floor():
    assert sorted(room for rooms in FLOORS for room in rooms) == sorted(QEMU_ROOMS)


def test_the_plugin_includes_downwards_only():
    assert upward(QEMU_ROOMS, FLOORS) == []


def test_a_circle_through_several_files_is_found(tmp_path):
    (tmp_path / "low.h").write_text("")
    (tmp_path / "low.c").write_text('#include "low.h"\n#include "middle.h"\n#include <stdio.h>\n')
    (tmp_path / "middle.h").write_text('#include "high.h"\n#include "registers.h"\n')
    (tmp_path / "high.h").write_text("")
    assert circle(rooms_of(tmp_path, tmp_path)) == []
    (tmp_path / "high.c").write_text('#include "low.h"\n')
    assert set(circle(rooms_of(tmp_path, tmp_path))) == {"low", "middle", "high"}


def test_an_include_upwards_or_sideways_is_found():
    rooms = {"roof": {"left"}, "left": {"right"}, "right": {"ground"}, "ground": {"roof"}}
    found = upward(rooms, floors_of(" *   floor  rooms\n *   a  roof\n *   b  left right\n *   c  ground\n"))
    assert found == ["ground -> roof", "left -> right"]
