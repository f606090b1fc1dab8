# SPDX-License-Identifier: Apache-2.0
"""Devices of the user's in C++: compiled by themselves, loaded by the engine, refused in a line."""

import re

import pytest
from acalsim_backend.errors import AcalsimError
from acalsim_backend.host import own
from acalsim_backend.machine.file import load_machine
from conftest import ROOT
from simulator_fixtures import DATA_IN, DATA_OUT, RESULT

SECOND = 0x18
ADDER = re.search(r"```cpp\n(.*?)```", (ROOT / "docs/own_device.md").read_text(), re.DOTALL)[1]
"""The page's own listing."""


@pytest.fixture(scope="module")
def adder(tmp_path_factory):
    """A machine with an adder, and the library of each of its own devices."""
    folder = tmp_path_factory.mktemp("adder")
    (folder / "adder.cc").write_text(ADDER)
    (folder / "adders.toml").write_text(
        '[devices.echo]\nbase = 0x10200000\n[devices.mine]\nmodel = "adder.cc"\nlatency_cycles = 7\n'
    )
    machine = load_machine(str(folder / "adders.toml"))
    return machine, own.libraries(machine, {})


@pytest.fixture
def simulator(embedded, adder):
    machine, libraries = adder
    simulator = embedded.Engine(**machine.ram.timing)
    for device in machine.devices:
        model = own.models(machine, libraries)[device.name]
        simulator.add_device(model, device.name, device.base, dict(device.parameters))
    return simulator


def test_a_device_in_cpp_has_its_registers_its_time_and_the_stall_rule(simulator, adder):
    base = adder[0].devices[1].base
    assert simulator.write(base + SECOND, 40) == (True, 0, 1)
    assert simulator.write(base + DATA_IN, 2) == (True, 0, 1)
    assert simulator.read(base + RESULT) == (True, 42, 7)
    assert simulator.read(base + SECOND)[1] == 40 and not simulator.write(base + DATA_OUT, 1)[0]
    assert simulator.result()["devices"]["mine"] == {"busy_cycles": 7, "transactions": 5}


def test_a_built_in_device_keeps_its_own_registers_beside_it(simulator, adder):
    assert not simulator.write(adder[0].devices[0].base + SECOND, 1)[0]


def test_a_device_that_has_not_changed_is_not_compiled_again(adder, monkeypatch):
    monkeypatch.setattr(own, "make", None)
    machine, libraries = adder
    assert own.libraries(machine, {}) == libraries


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            "become(STATUS_BUSY);",
            "become(STATUS_BUSY)",
            r"^'mine': .*adder\.cc:17:9: error: expected ';' before 'after'",
        ),
        ("Cycle latency_;", "Cycle latency_; void more();\n    virtual void read() { more(); }", "undefined"),
        ('slot.parameter("latency', 'lost("latency', r"adder\.cc:10:\d+: error: 'lost' was not declared"),
    ],
)
def test_a_source_that_does_not_compile_is_refused_with_the_compilers_first_line(
    tmp_path, adder, old, new, complaint
):
    machine = with_source(tmp_path, ADDER.replace(old, new))
    with pytest.raises(AcalsimError, match=complaint) as refusal:
        own.libraries(machine, {})
    assert len(str(refusal.value).splitlines()) == 1


def test_a_source_without_a_device_is_refused_when_it_is_loaded(tmp_path, embedded):
    machine = with_source(tmp_path, ADDER.replace('const Registered<Adder> registered("adder");', ""))
    path = own.libraries(machine, {})["mine"]
    with pytest.raises(
        ValueError, match="device 'mine': its source registers 0 models; it has one `const Reg"
    ):
        embedded.Engine(**machine.ram.timing).add_device(str(path), "mine", 0x10400000, {"access_cycles": 1})


def test_a_library_of_another_interface_is_refused(tmp_path, embedded, monkeypatch):
    monkeypatch.setattr(own, "interface_header", lambda: '#define ACALSIM_INTERFACE "older"\n')
    path = own.libraries(with_source(tmp_path, ADDER), {})["mine"]
    with pytest.raises(ValueError, match="device 'mine': device library .* was compiled for interface older"):
        embedded.Engine(20, 8).add_device(str(path), "mine", 0x10400000, {"access_cycles": 1})


def test_without_a_compiler_there_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(own, "CXX", "no-such-compiler")
    with pytest.raises(AcalsimError, match="'mine': no C\\+\\+ compiler"):
        own.libraries(with_source(tmp_path, ADDER + "//\n"), {})


def with_source(folder, text):
    (folder / "adder.cc").write_text(text)
    (folder / "m.toml").write_text('[devices.echo]\nbase = 0x10200000\n[devices.mine]\nmodel = "adder.cc"\n')
    return load_machine(str(folder / "m.toml"))
