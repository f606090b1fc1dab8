# SPDX-License-Identifier: Apache-2.0
"""Own devices in builds: what a change redoes, what is said of mistakes, and the targets that begin and try one."""

import json

import pytest
from own_fixtures import ECHO_TABLE, RELU_UNIT, write_relu_unit
from pipeline_fixtures import refused, report_of
from rtl_fixtures import RTL, machine_with, waves
from test_pipeline_failures import simulation_processes

UNIT = """
from acalsim_backend.device import Device, Parameter, Register
import helper

class Unit(Device):
    lanes = Parameter(4, 1, 64, "elements a cycle")
    SCALE = Register(0x20, "RW", "factor")
"""


@pytest.fixture
def unit(tree, tmp_path):
    """A user's folder: writes its files, and builds on its machine."""
    (tmp_path / "helper.py").write_text("")

    def unit(*targets, text=UNIT, table="", model="unit.py", check=True, **options):
        (tmp_path / model).write_text(text)
        (tmp_path / "user.toml").write_text(f'{ECHO_TABLE}[devices.mine]\nmodel = "{model}"\n{table}')
        return tree.scons(f"MACHINE={tmp_path}/user.toml", *targets, check=check, **options)

    unit.folder = tmp_path
    return unit


def stages(done):
    return {line.split()[0] for line in done.stdout.splitlines() if line and not line.startswith(" ")} - {
        "scons:"
    }


def test_a_change_of_a_device_redoes_what_depends_on_it(unit, tree):
    unit("sim-mlp")
    assert report_of(tree, "mlp", "build/user")["devices"]["mine"] == {"busy_cycles": 0, "transactions": 2}
    assert "sim-mlp' is up to date" in unit("sim-mlp").stdout
    before = report_of(tree, "mlp", "build/user")["provenance"]["devices"]
    said = stages(unit("sim-mlp", text=UNIT + "# more\n"))
    assert {"simulate", "report"} <= said and not said & {"codegen", "compile", "link", "own", "check"}
    assert report_of(tree, "mlp", "build/user")["provenance"]["devices"] != before
    (unit.folder / "helper.py").write_text("X = 1\n")
    assert {"simulate", "report"} <= stages(unit("sim-mlp", text=UNIT + "# more\n"))
    assert "codegen" in stages(unit("sim-mlp", text=UNIT, table="lanes = 8\n"))
    assert not stages(tree.scons("sim-mlp")) & {"own", "compile", "simulate", "report"}


@pytest.mark.parametrize(
    ("text", "table", "complaint"),
    [
        (UNIT + "    def start(self:\n", "", r"^scons: device: .*unit\.py:8: "),
        (UNIT.replace("0x20", "0x08"), "", r"^scons: device: .*unit\.py:7: registers overlap: STATUS 0x08"),
        (UNIT, "speed = 1\n", r"^scons: machine: .*user\.toml: unknown key 'devices\.mine\.speed'"),
        (
            UNIT.replace("import helper", "1 / 0"),
            "",
            r"^simulate: the simulator did not start: serve: device 'mine': unit\.py:3: ZeroDiv",
        ),
    ],
)
def test_a_mistake_is_one_line(unit, text, table, complaint):
    assert refused(unit("sim-mlp", text=text, table=table, check=False), complaint)


def test_a_source_that_does_not_compile_is_one_line(unit):
    done = unit("sim-mlp", text="int x = nonsense;\n", model="unit.cc", check=False)
    assert refused(done, r"^device: 'mine': .*unit\.cc:1:9: error: 'nonsense' was not declared")


@pytest.mark.parametrize(
    ("waits", "complaint"),
    [
        (
            "yield Event('the moon')",
            r"device 'mine' never answers the READ of .*: nothing is left .* it waits for the moon \(unit\.py:11\)$",
        ),
        (
            "while True: yield 1000",
            r"had not ended after 3 s; .*, at cycle \d+: device 'mine' has not answered the READ .* it waits for 1000 "
            r"cycles \(unit\.py:11\); a larger limit is TIMEOUT=SECONDS$",
        ),
    ],
)
def test_a_device_that_hangs_is_one_line_and_no_process_is_left(tree, tmp_path, waits, complaint):
    text = RELU_UNIT.replace("yield self.work_cycles", waits).replace("import Device", "import Device, Event")
    done = tree.scons(write_relu_unit(tmp_path, text), "sim-mlp", "TIMEOUT=3", check=False)
    assert refused(done, f"^simulate: .*{complaint}")
    assert len([line for line in done.stderr.splitlines() if not line.startswith("scons: ")]) == 1
    assert not simulation_processes(tree)


def test_a_build_with_waves_leaves_a_waveform_of_the_whole_run(tree, tmp_path, verilog):
    machine_with(tmp_path, RTL / "mover.sv")
    build = (f"MACHINE={tmp_path}/machine.toml", "WAVES=1", "sim-mlp")
    tree.scons(*build)
    counted = report_of(tree, "mlp", "build/machine")["devices"]["mine"]
    found = tree / "build/machine/mlp.mine.fst"
    signals = waves(found)
    assert counted["clock_cycles"] and len(signals["TOP.clk"]) // 2 == counted["clock_cycles"]
    assert "is up to date" in tree.scons(*build).stdout
    found.unlink()
    assert "simulate" in stages(tree.scons(*build)) and found.exists()


def test_a_new_device_is_begun_and_passes_the_suite(tree, tmp_path):
    said = tree.scons("new-device", f"{tmp_path}/my_unit", "LANGUAGE=py").stdout
    assert f"{tmp_path}/my_unit/my_unit.py" in said
    assert refused(tree.scons("new-device", f"{tmp_path}/my_unit", check=False), "is there already")
    assert refused(tree.scons("new-device", check=False), "new-device takes one name")
    machine = f"MACHINE={tmp_path}/my_unit/my_unit.toml"
    said = tree.scons(machine, "test-device-my_unit").stdout
    assert "ok        a thousand random accesses are answered" in said and "BROKEN" not in said
    assert "up to date" in tree.scons(machine, "test-device-my_unit").stdout
    tree.scons(machine, "sim-mlp")
    report = report_of(tree, "mlp", "build/my_unit")
    assert {op["type"]: op["placed_on"] for op in report["ops"]} == {"GEMM": "compute", "RELU": "my_unit"}
    assert report["check"]["passed"] and report["devices"]["my_unit"]["words"] == 128
    trace = json.loads((tree / "build/my_unit/reports/mlp.trace.json").read_text())["traceEvents"]
    (work,) = [event for event in trace if event["name"] == "work"]
    assert work["dur"] == report["devices"]["my_unit"]["busy_cycles"] and work["args"] == {"op": "relu_1"}
    assert refused(
        tree.scons(machine, "test-device-other", check=False), "no own device 'other'.* own are: my_unit"
    )
