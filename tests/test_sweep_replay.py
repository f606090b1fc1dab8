# SPDX-License-Identifier: Apache-2.0
"""A replayed run is the run that simulating gives, to the last number; where it would not be, QEMU runs."""

import pytest
from acalsim_backend.capture.model import capture_model
from acalsim_backend.capture.model_file import ModelFile
from acalsim_backend.capture.store import write_capture

LOOKUP = """\
import torch


class Lookup(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(300, 32)
        self.norm = torch.nn.LayerNorm(32)

    def forward(self, x):
        return self.norm(self.table(x))


def model():
    return Lookup()


def inputs():
    return (torch.tensor([[0, 299, 7, 7, 150, 1, 298, 42]]),)
"""
REPLAYED = {
    "RAM's latency": {"ram.latency_cycles": 41},
    "RAM's rows": {"ram.row_bytes": 1024, "ram.row_miss_cycles": 3},
    "a register's latency": {"devices.compute.access_cycles": 7, "devices.echo.access_cycles": 3},
    "queues": {"devices.compute.load_queue_depth": 4},
    "an array": {"devices.compute.rows": 8, "devices.compute.dataflow": "os"},
    "memories": {"devices.compute.accumulator_bytes": 0x20000, "devices.compute.overlap": "single"},
    "a port": {"devices.compute.scratchpad_bytes_per_cycle": 32},
    "a bandwidth": {"ram.bytes_per_cycle": 33},
    "energies": {"energy.dram_byte": 100, "ram.latency_cycles": 42},
}
"""Changes after which mlp needs no other tiles."""

PARTS = {
    "stalling": ("default", {}),
    "polling": ("default", {"firmware.completion": "poll"}),
    "interrupts": ("default", {"firmware.completion": "interrupt"}),
    "devices side by side": ("quad", {}),
    "devices side by side, with energies": ("quad", {"energy.mac_float32": 3}),
}


@pytest.fixture(scope="module")
def mlp(points_of):
    return points_of("mlp")


@pytest.fixture(scope="module")
def recorded(mlp):
    """A workbench that has recorded mlp on `default`."""
    bench = mlp.bench("recorded")
    assert not mlp.report(bench, {})[1]
    return bench


@pytest.mark.parametrize("keys", REPLAYED.values(), ids=REPLAYED)
def test_a_replayed_report_is_the_simulated_one(mlp, recorded, keys, request):
    report, replayed = mlp.report(recorded, keys)
    fresh, again = mlp.report(mlp.bench(request.node.name), keys)
    assert replayed and not again
    assert report == fresh


@pytest.mark.parametrize("machine, keys", PARTS.values(), ids=PARTS)
def test_however_the_firmware_waits_a_point_has_the_cycles_of_a_simulation(mlp, machine, keys, request):
    bench = mlp.bench(request.node.name)
    mlp.report(bench, keys, machine)
    slower = {**keys, "ram.latency_cycles": 41}
    report, replayed = mlp.report(bench, slower, machine)
    fresh, _ = mlp.report(mlp.bench(f"{request.node.name}-fresh"), slower, machine)
    assert report == fresh
    # One that polls asks as often as it has to wait, which no recording knows.
    assert replayed == (keys.get("firmware.completion") != "poll")


@pytest.fixture(scope="module")
def lookup(points_of, tmp_path_factory):
    """A model whose time depends on which rows of a table it looks up: eight of them lie in one of RAM."""
    folder = tmp_path_factory.mktemp("lookup")
    (folder / "lookup.py").write_text(LOOKUP)
    file = ModelFile(folder / "lookup.py")
    file.load()
    write_capture(capture_model(file), file, folder / "captured", None)
    return points_of("lookup", captures=folder / "captured")


def test_rows_that_were_looked_up_are_looked_up_again(lookup):
    bench = lookup.bench("gathers")
    rows = {"ram.row_bytes": 1024, "ram.row_miss_cycles": 13}
    assert not lookup.report(bench, rows)[1]
    slower = {**rows, "ram.row_miss_cycles": 12, "ram.latency_cycles": 41}
    report, replayed = lookup.report(bench, slower)
    fresh, _ = lookup.report(lookup.bench("gathers-fresh"), slower)
    assert replayed and report == fresh
    program = bench.program(bench.model(lookup.captured), lookup.machine(slower))
    assert "FLAG_GATHER" in program.files["graph_0.c"]


def test_other_tiles_and_another_cpu_are_simulated(mlp, recorded):
    for keys in ({"devices.compute.scratchpad_bytes": 2048}, {"cpu.latency.load": 4}):
        report, replayed = mlp.report(recorded, keys)
        assert not replayed and report.check.passed


def test_a_recording_serves_every_later_workbench_on_its_cache(mlp, recorded):
    report, replayed = mlp.report(mlp.bench("recorded"), {})
    assert replayed and report == mlp.report(recorded, {})[0]
