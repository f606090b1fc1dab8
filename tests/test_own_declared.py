# SPDX-License-Identifier: Apache-2.0
"""Devices of the user's in a machine file: what their own files declare is checked like what is built in."""

import pytest
import tomli_w
from acalsim_backend.errors import AcalsimError
from acalsim_backend.machine.file import load_machine, read_table, rooted
from acalsim_backend.machine.headers import declared_header, machine_header

pytestmark = pytest.mark.quick

ECHO = "[devices.echo]\nbase = 0x10200000\n"
MINE = '[devices.mine]\nmodel = "unit.cc"\n'
COMMENTS = """\
//@ parameter lanes = 16 in 1..0x400: elements a cycle
//@ parameter order = row of row, column: what is read first
//@ register SCALE at 0x20 RW: factor
"""
CLASS = """\
from acalsim_backend.device import Choice, Device, Parameter, Register

class Unit(Device):
    lanes = Parameter(16, 1, 1 << 10, "elements a cycle")
    order = Choice("row", ("row", "column"), "what is read first")
    SCALE = Register(0x20, "RW", "factor")
"""


@pytest.fixture
def load(tmp_path):
    """The machine whose device `mine` has that source."""

    def load(source=COMMENTS, table=MINE, name="unit.cc"):
        (tmp_path / name).write_text(source)
        (tmp_path / "mine.toml").write_text(ECHO + table)
        return load_machine(str(tmp_path / "mine.toml"))

    return load


@pytest.mark.parametrize(
    ("name", "source"), [("unit.cc", COMMENTS), ("unit.sv", COMMENTS), ("unit.py", CLASS)]
)
def test_a_device_declares_the_same_in_every_language(load, name, source):
    table = f'[devices.mine]\nmodel = "{name}"\nlanes = 4\norder = "column"\n'
    mine = load(source, table, name).devices[1]
    assert mine.own.language == name[-2:] and mine.model == name
    said = {"access_cycles": 1, "interrupt": 37, "lanes": 4, "order": 1}
    assert dict(mine.parameters).items() >= said.items()  # RTL has a clock's besides
    assert [str(row) for row in mine.own.registers] == ["SCALE 0x20..0x24"]
    assert [row.description for row in mine.declared if row.name in ("lanes", "order")] == [
        "elements a cycle",
        "what is read first",
    ]


def test_own_devices_get_the_next_free_bases_and_interrupts(load):
    table = (
        MINE
        + 'count = 2\n[devices.taken]\nbase = 0x10500000\nmodel = "echo"\n[devices.last]\nmodel = "unit.cc"'
    ).replace('"echo"', '"compute"')
    machine = load(table=table)
    assert {device.name: hex(device.base) for device in machine.devices} == {
        "echo": "0x10200000",
        "mine": "0x10600000",
        "mine1": "0x10700000",
        "taken": "0x10500000",
        "last": "0x10400000",
    }
    assert sorted(d.parameters["interrupt"] for d in machine.devices) == [36, 37, 38, 39, 40]


def test_the_firmware_knows_parameters_and_registers(load):
    header = machine_header(load(table=MINE + "lanes = 8\n"))
    assert "#define MINE_DEVICE_LANES 0x8 /* elements a cycle */" in header
    assert "#define MINE_REG_SCALE 0x20 /* RW factor */" in header


def test_what_is_compiled_with_the_device_knows_its_registers(load):
    header = declared_header(load().devices[1].own)
    assert "ROW(SCALE, 0x20, 1, 1)" in header and "#define REG_SCALE 0x20 /* RW factor */" in header


def test_the_compiler_sees_parameters_and_registers_and_not_the_source(load):
    view = load().compile_view()
    assert load(COMMENTS + "int more;\n").compile_view() == view
    assert load(table=MINE + "lanes = 8\n").compile_view() != view
    assert load(COMMENTS.replace("0x20", "0x24")).compile_view() != view


def test_what_a_source_includes_belongs_to_the_device(load, tmp_path):
    (tmp_path / "table.hh").write_text('#include "deeper.hh"\n')
    (tmp_path / "deeper.hh").write_text("")
    read = load(COMMENTS + '#include "table.hh"\n#include "model/registry.hh"\n').devices[1].own.reads
    assert [path.name for path in read] == ["unit.cc", "table.hh", "deeper.hh"]


def test_what_a_python_device_imports_belongs_to_it(load, tmp_path):
    (tmp_path / "helper.py").write_text("import deeper\n")
    (tmp_path / "deeper.py").write_text("")
    machine = load("import numpy, helper\n" + CLASS, '[devices.mine]\nmodel = "unit.py"\n', "unit.py")
    assert [path.name for path in machine.devices[1].own.reads] == ["unit.py", "helper.py", "deeper.py"]


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (
            "//@ parameter lanes = 16\n",
            "unit.cc:1: `//@ parameter lanes = 16` declares nothing; known are parameter",
        ),
        ("\n//@ parameter Lanes = 1 in 1..2: x\n", "unit.cc:2: parameter 'Lanes' is not lower-case letters"),
        ("//@ parameter base = 1 in 1..2: x\n", "parameter 'base' means something for every device"),
        (COMMENTS + COMMENTS, "unit.cc:4: parameter 'lanes' is declared already"),
        ("//@ parameter lanes = 3 in 1..2: x\n", "parameter 'lanes' is 3 in 1..2, which it is not"),
        ("//@ parameter way = up of left, right: x\n", "parameter 'way' is 'up'; known are left, right"),
        (
            "//@ register SCALE at 0x12 RW: x\n",
            "unit.cc:1: registers overlap: SIZE 0x10..0x14 and SCALE 0x12..0x16",
        ),
        (
            "//@ register SCALE at 0x1a RW: x\n",
            "register SCALE 0x1a..0x1e is misaligned or outside the window",
        ),
        ("//@ register SCALE at 0x1000 RW: x\n", "register SCALE 0x1000..0x1004 is misaligned or outside"),
        ("//@ register STATUS at 0x20 RW: x\n", "there are two registers 'STATUS'"),
        ("//@ register SCALE at 0x20 RX: x\n", "register 'SCALE' has access 'RX'; known are R, W, RW"),
        ("//@ sketch unit.py\n", "unit.cc:1: sketch 'unit.py': there is no file"),
    ],
)
def test_a_wrong_declaration_is_refused_naming_file_and_line(load, source, complaint):
    refuse(lambda: load(source), complaint)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("class Unit(Device):", "class Unit(Device) pass", "unit.py:3: "),
        ("(Device)", "(object)", "unit.py: no class derives from Device"),
        ("class", "class Other(Device): pass\nclass", "unit.py: 2 classes derive from Device"),
        ("1 << 10", "len('x')", "unit.py:4: len('x') is no constant"),
        ("1 << 10", "1 << -1", "unit.py:4: 1 << -1: negative shift count"),
        (
            '16, 1, 1 << 10, "elements',
            '16, "elements',
            "unit.py:4: lanes is no Parameter(DEFAULT, LOW, HIGH, TEXT)",
        ),
        ("0x20", "0x08", "unit.py:6: registers overlap: STATUS 0x08..0x0c and SCALE 0x08..0x0c"),
    ],
)
def test_a_wrong_python_device_is_refused_naming_file_and_line(load, old, new, complaint):
    table = '[devices.mine]\nmodel = "unit.py"\n'
    refuse(lambda: load(CLASS.replace(old, new, 1), table, "unit.py"), complaint)


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        (
            MINE + "speed = 3\n",
            "unknown key 'devices.mine.speed'; known are access_cycles, interrupt, lanes, order",
        ),
        (MINE + "lanes = 0\n", "devices.mine.lanes is 0; it lies between 1 and 1024"),
        (MINE + 'order = "up"\n', "devices.mine.order is 'up'; known are row, column"),
        ('[devices.mine]\nmodel = "other.cc"\n', "devices.mine.model is 'other.cc'; there is no file"),
        (
            '[devices.mine]\nmodel = "unit.vhd"\n',
            "'unit.vhd'; a device's own file ends with .py, .cc, .sv, .v",
        ),
        ("[devices.mine]\nmodel = 3\n", "devices.mine.model is 3; known are echo, compute"),
    ],
)
def test_a_machine_file_that_asks_for_what_is_not_declared_is_refused(load, table, complaint):
    refuse(lambda: load(table=table), complaint)


def refuse(action, complaint):
    with pytest.raises(AcalsimError) as refusal:
        action()
    assert complaint in str(refusal.value) and len(str(refusal.value).splitlines()) == 1


def test_a_machine_that_lies_elsewhere_finds_its_devices_and_their_rules(tmp_path):
    (tmp_path / "unit.py").write_text(
        "from acalsim_backend.device import Device\nclass D(Device):\n    pass\n"
    )
    (tmp_path / "rules.py").write_text("")
    (tmp_path / "here.toml").write_text(
        '[devices.echo]\nbase = 0x10200000\n[devices.mine]\nmodel = "unit.py"\nrules = "rules.py"\n'
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    table = rooted(read_table(tmp_path / "here.toml"), tmp_path / "here.toml")
    (elsewhere / "there.toml").write_text(tomli_w.dumps(table))
    machine = load_machine(str(elsewhere / "there.toml"))
    assert machine.devices[-1].own.source == tmp_path / "unit.py"
    assert machine.rules[0].path == tmp_path / "rules.py"
