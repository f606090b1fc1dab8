# SPDX-License-Identifier: Apache-2.0
"""Own devices in SST, in all three languages: the embedded engine's numbers to the cycle, and its words."""

import re

import numpy as np
import pytest
import torch
from acalsim_backend import pipeline
from acalsim_backend.errors import DeviceError, SimulateError
from acalsim_backend.host import own
from acalsim_backend.machine.file import load_machine
from acalsim_backend.own.bench import Bench
from acalsim_backend.paths import cache_folder
from conftest import ROOT, alone
from driver_fixtures import SYMBOLS
from host_fixtures import captured_function, f
from own_fixtures import machine_with
from pipeline_fixtures import refused, report_of
from qemu_fixtures import firmware_of
from rtl_fixtures import RTL, library, waves
from rtl_fixtures import machine_with as machine_with_rtl
from simulator_fixtures import RAM
from sst_fixtures import needs_sst
from test_own_run import ENDLESS, STUCK

pytestmark = needs_sst
EXAMPLES = ROOT / "examples/devices"
HEAD = "from acalsim_backend.device import Device, Event\n"
THROWS = """
#include <stdexcept>
#include "model/registry.hh"
namespace acalsim {
struct Thrower : Device {
    using Device::Device;
    void write(std::uint32_t offset, std::uint32_t) override {
        if (offset != REG_DATA_IN) return;
        become(STATUS_BUSY);
        after(5, [] { throw std::out_of_range("no such row"); });
    }
};
const Registered<Thrower> registered("thrower");
}
"""


@pytest.fixture
def sst(sst_library, engine_library, monkeypatch):
    """Whoever asks for the engine `sst` finds its library."""
    monkeypatch.setenv("ACALSIM_SST_LIBRARY", str(sst_library))
    monkeypatch.setenv("ACALSIM_ENGINE", str(engine_library))


@pytest.mark.parametrize("language", ["py", "cc", "sv"])
def test_a_model_on_an_own_device_has_the_embedded_engines_report(sst, request, tmp_path, language):
    if language == "sv":
        request.getfixturevalue("verilog")
    captured = captured_function(lambda a, b: torch.softmax(a @ b, -1) * 2, [f(9, 20), f(20, 16)])
    machine = str(EXAMPLES / f"softmax_{language}/softmax_{language}.toml")
    built(load_machine(machine))
    program = pipeline.build_graph(tmp_path, captured.ir, captured.inputs, machine)
    (y, report), (y_sst, in_sst) = (
        pipeline.run_program(program, captured.inputs, captured.references, engine)
        for engine in ("embedded", "sst")
    )
    assert in_sst.engine == "sst" and in_sst.check.passed and in_sst.devices["softmax"]["busy_cycles"] > 100
    assert vars(in_sst) | {"engine": "embedded"} == vars(report) and np.array_equal(y, y_sst)


def built(machine):
    """The machine, when its devices' libraries are in the cache: a simulator has a minute to listen."""
    with alone(cache_folder() / ".lock"):
        own.libraries(machine, {})
    return machine


def said(machine, engine, **options):
    """What is said of a device whose work does not end as it should."""
    with pytest.raises(DeviceError) as refusal, Bench(machine, "mine", engine, **options) as bench:
        bench.write("DATA_IN", RAM)
        bench.run()
    return str(refusal.value)


@pytest.mark.parametrize(
    ("work", "complaint"),
    [
        ("yield 3\n        1 / 0", r"device 'mine': mine\.py:5: ZeroDivisionError: division by zero"),
        (
            "yield Event('the moon')",
            r"device 'mine' never answers the READ of 4 bytes at 0x10400014: nothing is left to happen after "
            r"cycle \d+; it waits for the moon \(mine\.py:4\)",
        ),
    ],
)
def test_what_goes_wrong_in_python_is_the_same_line(sst, tmp_path, work, complaint):
    machine = machine_with(
        tmp_path, "mine.py", f"{HEAD}class D(Device):\n    def start(self):\n        {work}\n"
    )
    lines = [said(machine, engine) for engine in ("sst", "embedded")]
    assert lines[0] == lines[1] and re.fullmatch(complaint, lines[0]), lines


def test_what_cpp_throws_is_the_same_line_with_its_cycle(sst, tmp_path):
    machine = built(machine_with(tmp_path, "mine.cc", THROWS))
    lines = [said(machine, engine) for engine in ("sst", "embedded")]
    assert lines[0] == lines[1] and re.fullmatch(
        r"cycle 6: device 'mine' has not answered the WRITE of 4 bytes at 0x1040000c: no such row", lines[0]
    ), lines


def test_a_module_that_hangs_is_the_same_line_with_the_state_of_its_signals(sst, verilog, tmp_path):
    """The mover's fault 12 stays busy without a word."""
    machine = built(machine_with_rtl(tmp_path, RTL / "mover.sv", silent_cycles=1000))
    lines = []
    for engine in ("sst", "embedded"):
        with pytest.raises(DeviceError) as refusal, Bench(machine, "mine", engine) as bench:
            bench.run(SOURCE=RAM, TARGET=RAM + 4096, STRIDE=64, BURSTS=1, BEATS=4, BEAT_SIZE=4, FAULT=12)
        lines.append(str(refusal.value))
    assert lines[0] == lines[1] and re.fullmatch(
        r"cycle \d+: device 'mine' \(mover\.sv\) hangs: .* busy 1; .*\(valid/ready\)", lines[0]
    )


def test_waveforms_are_the_same_to_the_picosecond(sst, verilog, tmp_path):
    machine = machine_with_rtl(tmp_path, RTL / "mover.sv")
    library(machine, waves=True)
    found = []
    for engine in ("sst", "embedded"):
        with Bench(machine, "mine", engine, options=["--waves", f"{tmp_path}/{engine}"]) as bench:
            bench.run(SOURCE=RAM, TARGET=RAM + 4096, STRIDE=64, BURSTS=1, BEATS=4, BEAT_SIZE=4, IDS=1)
            bench.end()
        found.append(waves(tmp_path / f"{engine}.mine.fst"))
    assert found[0] == found[1] and [level for _, level in found[0]["TOP.busy"]] == [0, 1, 0]


def test_a_run_that_never_ends_says_where_it_hangs(sst, measure, tmp_path):
    machine = machine_with(tmp_path, "mine.py", ENDLESS)
    elf = firmware_of(machine, tmp_path)("stuck", STUCK, symbols=SYMBOLS)
    with pytest.raises(SimulateError) as refusal:
        measure(elf, machine, timeout_s=3, engine="sst")
    assert re.search(
        r"had not ended after 3 s; it is in .*, at cycle \d+: device 'mine' has not answered the READ of 4 bytes at "
        r"0x10400014; it waits for 1000 cycles \(mine\.py:6\); a larger limit is TIMEOUT=SECONDS$",
        str(refusal.value),
    ), refusal.value


def test_a_machine_with_own_devices_is_built_for_sst_by_scons(sst_tree, tmp_path):
    machine_with(tmp_path, "mine.py", f"{HEAD}class D(Device):\n    pass\n")
    sst_tree.scons("ENGINE=sst", f"MACHINE={tmp_path}/mine.toml", "sim-matmul")
    report = report_of(sst_tree, "matmul", "build/mine-sst")
    assert report["engine"] == "sst" and report["devices"]["mine"] == {"busy_cycles": 0, "transactions": 2}
    machine_with(tmp_path, "mine.py", f"{HEAD}class D(Device):\n    def on_reset(self):\n        1 / 0\n")
    done = sst_tree.scons("ENGINE=sst", f"MACHINE={tmp_path}/mine.toml", "sim-matmul", check=False)
    assert refused(
        done, r"^simulate: the simulator did not start: serve: device 'mine': mine\.py:4: ZeroDivisionError"
    )
