# SPDX-License-Identifier: Apache-2.0
"""The memory plans of whole models: little is wasted, and the ELF agrees with them."""

import json
import re
import subprocess

import pytest
from acalsim_backend.arena import least_bytes
from acalsim_backend.schedule import memory as planning
from acalsim_backend.schedule.in_place import in_place
from acalsim_backend.schedule.passes import make_plan
from pipeline_fixtures import MODELS
from plan_memory import MACHINE
from zoo_fixtures import MODELS as ZOO


@pytest.mark.parametrize("name", ZOO)
def test_the_arena_of_a_model_is_hardly_larger_than_what_lives_at_once(captured_model, name):
    plan = make_plan(captured_model(name).ir, MACHINE)
    placed = {each for each, place in plan.places.items() if place.section != ".buffers"}
    arena = planning.lifetimes(plan, placed)
    least = least_bytes(planning.merge(arena, in_place(plan, arena)))
    assert least <= plan.blocks[".buffers"] <= 1.1 * least


@pytest.mark.parametrize("name", MODELS)
def test_the_elfs_symbols_are_the_plans(host_tree, name):
    plan = json.loads((host_tree / f"build/{name}/plan.json").read_text())
    elf = host_tree / f"build/{name}.elf"
    printed = subprocess.run(
        ["riscv64-unknown-elf-readelf", "-sW", elf], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split() for line in printed.splitlines() if re.match(r"\s+\d+: ", line)]
    found = {row[7]: (int(row[1], 16), int(row[2], 0)) for row in rows if len(row) == 8}
    for symbol in plan["symbols"]:
        address, size = found[symbol["name"]]
        assert size == symbol["size_bytes"] and address % symbol["alignment"] == 0
    for op in plan["ops"]:
        assert found[op["symbol"]][1] > 0
    for row in (*plan["inputs"], *plan["outputs"]):
        assert row["symbol"] in found
