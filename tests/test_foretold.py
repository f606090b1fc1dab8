# SPDX-License-Identifier: Apache-2.0
"""What a plan says that its ops will take on devices, held to what they take in simulation."""

import pytest
import torch
import torch.nn.functional as F
from acalsim_backend.machine.file import load_machine
from acalsim_backend.offload.decide import DRIVER_CYCLES
from acalsim_backend.pipeline import build_graph, run_program
from host_fixtures import captured_function, f
from offload_fixtures import machine_with
from torch import nn


class Sentence(nn.Module):
    """A transformer's layer."""

    def __init__(self, width=64):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(width, 4, 2 * width, activation="gelu", batch_first=True)

    def forward(self, x):
        return self.layer(x)


class Steps(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.last = nn.LSTM(16, 32, batch_first=True), nn.Linear(32, 10)

    def forward(self, x):
        return self.last(self.lstm(x)[0][:, -1])


def image():
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh()),
        *(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(400, 84), nn.Tanh(), nn.Linear(84, 10)),
    )


MODELS = {
    "perceptron": (lambda: nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)), f(1, 64)),
    "images": (image, f(1, 3, 28, 28)),
    "sentence": (Sentence, f(2, 24, 64)),
    "steps": (Steps, f(1, 6, 16)),
    "wide": (lambda: nn.Sequential(nn.Linear(128, 256), nn.GELU(), nn.LayerNorm(256)), f(96, 128)),
}


@pytest.mark.parametrize("machine", ["default", "edge", "large", "quad"])
@pytest.mark.parametrize("name", MODELS)
def test_each_op_takes_what_the_plan_said(name, machine, tmp_path):
    make, x = MODELS[name]
    torch.manual_seed(0)
    plan = held_to_its_plan(tmp_path, captured_function(make().eval(), (x,)), machine)
    assert name != "wide" or any("," in told.placed_on for told in plan.ops) == (machine == "quad")


def test_what_stays_in_the_scratchpad_in_one_run_is_brought_there_in_another(tmp_path):
    """The product in the middle is the CPU's: the first one of few columns pays, the one of three does not."""

    def scores(x, w):
        x = F.leaky_relu(x, 0.1)
        return torch.softmax(x @ (x @ w).T, -1) @ x

    machine_with(tmp_path, columns=128, lanes=12, special_lanes=2, overlap='"serial"')
    captured = captured_function(scores, (f(3, 44), f(44, 44) * 0.15))
    plan = held_to_its_plan(tmp_path / "scores", captured, str(tmp_path / "m.toml"))
    assert [told.place_in_run for told in plan.ops] == [1, 2, None, 1, 2]


def held_to_its_plan(folder, captured, machine):
    """The plan of a program, each of whose ops took what it says."""
    program = build_graph(folder, captured.ir, captured.inputs, machine)
    _, report = run_program(program, captured.inputs, captured.references)
    # Where the linker puts the program decides which rows of DRAM are open.
    row = load_machine(machine).ram.timing["row_miss_cycles"]
    seen = 0
    for found, told in zip(report.ops, program.plan.ops, strict=True):
        if told.device_cycles is None:
            assert told.placed_on == "cpu"
            continue
        driver = found.ledger.cpu + found.ledger.stall
        most = min(driver, DRIVER_CYCLES)
        allowed = max(0.01 * found.cycles, row, 1)
        assert told.device_cycles - allowed <= found.cycles <= told.device_cycles + most + allowed, found.name
        seen += 1
    assert seen
    return program.plan
