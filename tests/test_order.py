# SPDX-License-Identifier: Apache-2.0
"""The order of a run's commands: results stay what they are, and what is foretold is what a run takes."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from acalsim_backend.machine.commands import COMMAND_BYTES, pack_command
from acalsim_backend.pipeline import run_graph
from compute_fixtures import (
    BYTES_PER_CYCLE,
    HEAP,
    LATENCY,
    SYNC,
    load,
    matmul,
    packed,
    parameters,
    store,
)
from host_fixtures import captured_function
from simulator_fixtures import COMPUTE
from test_runs import f, planned
from vector_fixtures import LANES, SPECIAL, save, vector, with_lanes

FLOAT = np.float32
RAM = {"latency_cycles": LATENCY, "bytes_per_cycle": BYTES_PER_CYCLE, "channels": 1, "interleave_bytes": 256,
       "banks": 8, "row_bytes": 0, "row_miss_cycles": 0}  # fmt: skip
SIDE = 4
TILE = SIDE * SIDE * 4


def drawn_list(random, count):
    """Commands on a few tiles of RAM, scratchpad and accumulator memory, which conflict all the time."""

    def tile():
        return TILE * int(random.integers(0, 6))

    x = np.zeros((SIDE, SIDE), FLOAT)
    made = []
    for _ in range(count):
        ram, one, other, sums = HEAP + tile(), tile(), tile(), tile()
        made.append([
            load(one, ram, (SIDE, SIDE)),
            matmul(SIDE, SIDE, SIDE, *(["ACCUMULATE"] if random.random() < 0.5 else []), a=one, b=other, c=sums),
            store(SIDE, SIDE, ram, c=sums),
            vector("ADD", x, ((SIDE, SIDE), FLOAT), b=x, places=(one, other, tile())),
            save(ram, one, TILE),
            SYNC,
        ][random.choice(6, p=[0.3, 0.2, 0.15, 0.2, 0.1, 0.05])])  # fmt: skip
    return made


def order_of(embedded, commands, window):
    device = parameters(lanes=LANES, special_lanes=SPECIAL)
    return embedded.list_order("compute", device, RAM, packed(*commands), COMPUTE, window)


def after(embedded, folder, commands):
    """All tiles in RAM when a list is done."""
    folder.mkdir()
    matrices = with_lanes(embedded, folder)
    matrices.put(HEAP, np.random.default_rng(5).normal(size=(6, SIDE, SIDE)).astype(FLOAT))
    assert matrices.run(*commands)[0] == 0
    return matrices.get(HEAP, (6, SIDE, SIDE)).copy()


@pytest.mark.quick
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("window", [2, 8, 100])
def test_a_list_in_another_order_does_the_same(embedded, tmp_path, seed, window):
    commands = drawn_list(np.random.default_rng(seed), 80)
    order = order_of(embedded, commands, window)
    assert sorted(order) == list(range(80)) and order != sorted(order)
    assert max(place - number for number, place in enumerate(order)) < window
    other = after(embedded, tmp_path / "other", [commands[place] for place in order])
    assert np.array_equal(after(embedded, tmp_path / "one", commands), other)


@pytest.mark.quick
def test_a_window_of_one_leaves_a_list_as_it_is(embedded):
    commands = drawn_list(np.random.default_rng(9), 50)
    assert order_of(embedded, commands, 1) == list(range(50))


@pytest.mark.quick
def test_a_load_does_not_wait_for_work_that_it_has_nothing_to_do_with(embedded):
    work = [matmul(64, 64, 64, a=0, b=0x4000, c=0x1000 * 0) for _ in range(8)]
    commands = [*work, load(0x8000, HEAP, (SIDE, SIDE)), load(0x0, HEAP, (SIDE, SIDE))]
    order = order_of(embedded, commands, 16)
    assert order.index(8) < 2 and order[-1] == 9


@pytest.mark.quick
def test_a_command_says_how_far_behind_the_named_op_its_own_is(embedded):
    one = {"rows": 1, "row_bytes": 64, "dram": 1 << 40, "a": 0}
    list = [
        pack_command(code=12, m=5),
        pack_command(code=1, **one),
        pack_command(code=1, ahead=3, **{**one, "a": 64}),
    ]
    device = parameters(lanes=LANES, special_lanes=SPECIAL)
    _, cycles, by_op = embedded.list_cycles("compute", [device], RAM, [b"".join(list)], [COMPUTE])
    assert {*by_op} == {0, 5, 8} and sum(by_op.values()) in (cycles, cycles - 1)
    assert len(list) * COMMAND_BYTES == 384


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm = torch.nn.Conv2d(3, 12, 3, padding=1), torch.nn.LayerNorm(96)
        self.second, self.third = torch.nn.Linear(768, 96), torch.nn.Linear(96, 40)

    def forward(self, x):
        x = F.avg_pool2d(self.first(x).tanh(), 2)
        return self.third(self.norm(F.gelu(self.second(x.flatten(1)))))


INPUTS = (f(1, 3, 16, 16),)


def test_what_is_foretold_of_an_op_is_what_it_takes(tmp_path):
    network = Network()
    captured = captured_function(network, INPUTS)
    _, report = run_graph(tmp_path, captured.ir, captured.inputs, captured.references)
    foretold = {name: each.cycles for name, each in planned(network, INPUTS).offloaded.items()}
    assert report.check.passed and len(foretold) > 3
    for op in report.ops:
        taken = sum(cycles for name, cycles in vars(op.ledger).items() if name not in ("cpu", "stall"))
        assert abs(foretold[op.name] - taken) <= max(1, taken // 100), op.name


def test_weights_are_loaded_while_something_else_is_computed():
    plan = planned(Network(), INPUTS)
    (run,) = plan.runs
    largest = max(plan.ir.params, key=lambda name: plan.ir.tensors[name].elements)
    loads = [n for n, each in enumerate(run.commands) if each.dram and each.dram.storage == largest]
    assert loads[0] < [command.code for command in run.commands].index("COMMAND_POOL")
