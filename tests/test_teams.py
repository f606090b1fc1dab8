# SPDX-License-Identifier: Apache-2.0
"""Several compute devices: who computes what at the same time; numbers and memory stay right."""

import json
from itertools import permutations

import pytest
import torch
from acalsim_backend.codegen.generator import timer_for
from acalsim_backend.errors import MachineError
from acalsim_backend.machine.file import load_machine
from acalsim_backend.schedule.foretold import foretold
from acalsim_backend.schedule.passes import make_plan
from conftest import compiled_examples
from host_fixtures import captured_function, f
from hypothesis import given, settings
from offload_fixtures import Device, assert_right, machine_with
from pipeline_fixtures import models_option
from random_graphs import _binary, _matmul, _unary, chains
from torch import nn

WIDE = "bytes_per_cycle = 256"
"""RAM that several devices do not wait for."""


@pytest.fixture
def devices(embedded, engine_library, tmp_path, always):
    """devices(n): a machine with n compute devices that are alike."""
    return lambda count: Device(embedded, engine_library, tmp_path, machine_with(tmp_path, WIDE, count=count))


CASES = {
    "rows of a matrix": (nn.Linear(64, 200), f(150, 64)),
    "few rows": (nn.Linear(256, 512), f(1, 256)),
    "batches": (torch.bmm, f(6, 40, 48), f(6, 48, 56)),
    "images": (nn.Sequential(nn.Conv2d(8, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)), f(2, 8, 24, 24)),
    "a layer after the other": (nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 80)), f(90, 64)),
}


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("case", CASES)
def test_a_product_divided_among_devices_is_pytorchs(devices, case, count):
    torch.manual_seed(0)
    several = devices(count)
    outputs, references, schedule, _ = several.run(*CASES[case])
    assert_right(outputs, references)
    teams = [len(schedule.offloaded[kernel.name].lists) for kernel in schedule.kernels]
    assert max(teams) > 1, "nothing was divided"


def test_a_large_product_is_nearly_twice_as_fast_on_two_devices(devices):
    cycles = [
        sum(
            each.cycles
            for each in devices(count).run(torch.matmul, f(256, 256), f(256, 256))[2].offloaded.values()
        )
        for count in (1, 2)
    ]
    assert cycles[0] / 2 <= cycles[1] < cycles[0] / 1.7


class Heads(nn.Module):
    """Three products of one input, and one of their results."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = (nn.Parameter(torch.randn(20, 24)) for _ in range(3))

    def forward(self, x, y, z):
        return (x @ self.q) @ (y @ self.k).transpose(0, 1), z @ self.v


def test_products_that_do_not_depend_on_each_other_run_at_the_same_time(devices):
    torch.manual_seed(0)
    three = devices(3)
    outputs, references, schedule, _ = three.run(Heads(), f(16, 20), f(17, 20), f(18, 20))
    assert_right(outputs, references)
    side_by_side = [step for step in schedule.teams.steps if len(step) > 1]
    assert side_by_side and sum(map(len, schedule.teams.steps)) == len(schedule.kernels)
    for step in side_by_side:
        names = [device.name for kernel in step for device, _ in schedule.offloaded[kernel.name].lists]
        assert len(names) == len(set(names)), "a device has two lists at once"
    order = [kernel.name for step in schedule.teams.steps for kernel in step]
    assert order == [kernel.name for kernel in schedule.kernels]


def ranges(plan, names):
    places = [plan.places[plan.access[name].storage] for name in names]
    return [(place.symbol, place.offset, place.offset + place.size_bytes) for place in places]


def meet(one, other):
    return any(
        a == b and first < others_end and others_first < end
        for a, first, end in one
        for b, others_first, others_end in other
    )


def test_what_runs_at_the_same_time_has_memory_of_its_own(engine_library, tmp_path, always):
    """Of the kernels of a step none writes where another reads or writes, over random graphs too."""
    machine, seen = machine_with(tmp_path, count=3), []

    def check(ir):
        plan = make_plan(ir, machine, timer=timer_for(machine, engine_library))
        for step in plan.teams.steps:
            seen.append(len(step))
            for kernel, other in permutations(step, 2):
                assert not meet(ranges(plan, kernel.results), ranges(plan, [*other.read, *other.results])), (
                    kernel.name,
                    other.name,
                )

    check(captured_function(Heads(), (f(16, 20), f(17, 20), f(18, 20))).ir)
    assert max(seen) > 1
    seen.clear()
    settings(compiled_examples, max_examples=40)(
        given(chains((_matmul, _matmul, _unary, _binary)))(lambda chain: check(chain.ir))
    )()
    assert max(seen) > 1


def test_of_devices_that_differ_the_fastest_alike_compute(embedded, engine_library, tmp_path, always):
    machine_with(tmp_path, WIDE, rows=4, columns=4)
    path = tmp_path / "m.toml"
    path.write_text(
        path.read_text()
        + '[devices.large]\nmodel = "compute"\nbase = 0x10400000\nrows = 32\ncolumns = 32\ncount = 2\n'
    )
    mixed = Device(embedded, engine_library, tmp_path, load_machine(str(path)))
    outputs, references, schedule, _ = mixed.run(torch.matmul, f(200, 150), f(150, 180))
    assert_right(outputs, references)
    assert [each.placed_on for each in schedule.offloaded.values()] == ["large,large1"]


# --- the machine file -----------------------------------------------------------------------------


def test_a_count_makes_devices_that_are_alike_side_by_side(tmp_path):
    devices = machine_with(tmp_path, count=3).devices_of("compute")
    assert [(device.name, device.base) for device in devices] == [
        ("compute", 0x10300000),
        ("compute1", 0x10400000),
        ("compute2", 0x10500000),
    ]
    assert (
        len({device.kind for device in devices}) == 1
        and len({device.parameters["interrupt"] for device in devices}) == 3
    )


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ("count = 0", r"devices.compute.count is 0; it lies between 1 and 64"),
        ("count = 2\ninterrupt = 40", r"devices.compute.interrupt is 40 and count is 2; leave interrupt out"),
        (
            'count = 2\n[devices.compute1]\nmodel = "compute"\nbase = 0x10600000',
            r"two devices named 'compute1'",
        ),
        (
            'count = 64\n[firmware]\ncompletion = "interrupt"',
            r"no interrupt source left for device 'compute59'; there are 60",
        ),
        (
            'count = 2\n[devices.other]\nmodel = "compute"\nbase = 0x10400000',
            r"'compute1' at .* overlaps .*'other'|'other' at .* overlaps .*'compute1'",
        ),
    ],
)  # fmt: skip
def test_a_count_that_cannot_be_is_refused(tmp_path, more, line):
    path = tmp_path / "m.toml"
    machine_with(tmp_path)
    path.write_text(path.read_text() + more + "\n")
    with pytest.raises(MachineError, match=line):
        load_machine(str(path))


# --- the whole system -----------------------------------------------------------------------------

MODEL = """\
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (torch.nn.Linear(48, 64) for _ in range(3))

    def forward(self, x, y):
        return torch.relu(self.a(x)) @ torch.relu(self.b(y)).T, self.c(x + y)


def model():
    return Net()


def inputs():
    return torch.randn(40, 48), torch.randn(40, 48)
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return models_option(tmp_path_factory, teams=MODEL)


@pytest.mark.parametrize("completion", ["stall", "poll", "interrupt"])
def test_the_firmware_runs_devices_side_by_side(host_tree, models, tmp_path, completion):
    machine = tmp_path / f"{completion}.toml"
    text = (
        (host_tree / "sim/machines/default.toml")
        .read_text()
        .replace('model = "compute"', 'model = "compute"\ncount = 3')
        .replace("lanes = ", "lanes = 0 #")  # and no program of all kernels for one of them
    )
    machine.write_text(text.replace("[firmware]", f'[firmware]\ncompletion = "{completion}"'))
    host_tree.scons(models, f"MACHINE={machine}", "sim-teams", "verify-teams")
    report = json.loads((host_tree / f"build/{completion}/reports/teams.json").read_text())
    plan = json.loads((host_tree / f"build/{completion}/teams/plan.json").read_text())
    assert report["check"]["passed"] and report["check"]["max_rel_error"] < 1e-6
    assert any("wait_symbol" in op for op in plan["ops"]) and any(
        "compute1" in op["placed_on"] for op in report["ops"]
    )
    assert report["devices"]["compute"]["macs"] and report["devices"]["compute1"]["macs"]
    assert all(sum(op["ledger"].values()) == op["cycles"] for op in report["ops"])


@pytest.mark.parametrize("count", [2, 4])
def test_more_devices_never_make_a_model_of_small_ops_slower(engine_library, tmp_path, count):
    """One alone makes one program of all; together they would wait for the CPU between any two."""

    def steps(x, w):
        for _ in range(4):
            x = torch.tanh(x @ w)
        return x

    def planned(count):
        machine = machine_with(tmp_path, WIDE, count=count, lanes=16, special_lanes=4)
        return make_plan(ir, machine, timer=timer_for(machine, engine_library))

    ir = captured_function(steps, (f(8, 32), f(32, 32))).ir
    one, several = planned(1), planned(count)
    assert foretold(several) <= foretold(one) and len(several.target.devices) == 1


def test_what_pays_on_several_devices_is_shared_among_them(engine_library, tmp_path):
    machine = machine_with(tmp_path, WIDE, count=4, lanes=16, special_lanes=4)
    ir = captured_function(torch.matmul, (f(256, 256), f(256, 256))).ir
    plan = make_plan(ir, machine, timer=timer_for(machine, engine_library))
    assert [len(each.lists) for each in plan.offloaded.values()] == [4]
