# SPDX-License-Identifier: Apache-2.0
"""The machine file: complete, checked, and refused by name where it is wrong."""

import subprocess
from dataclasses import replace

import pytest
from acalsim_backend.errors import DeviceError, MachineError
from acalsim_backend.machine import headers
from acalsim_backend.machine.file import MACHINES, load_machine
from acalsim_backend.machine.models import DEVICE_MODELS
from acalsim_backend.machine.registers import REGISTERS, refuse_overlaps
from acalsim_backend.machine.rows import RAM_TIMING

pytestmark = pytest.mark.quick

ECHO = "[devices.echo]\nbase = 0x10200000\n"


@pytest.fixture
def machine_file(tmp_path):
    def write(text):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return str(path)

    return write


@pytest.mark.parametrize("path", sorted(MACHINES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_machine_of_the_project_loads_and_describes_itself(path):
    machine = load_machine(path.stem)
    assert machine.name == path.stem and machine.description
    assert machine.device("echo").base == 0x10200000


def test_the_default_map_is_the_tutorials():
    machine = load_machine("default")
    assert (machine.ram.origin, machine.ram.end) == (0x80000000, 0x90000000)
    assert machine.device("compute").base == 0x10300000


def test_what_a_file_leaves_out_takes_the_default(machine_file):
    machine = load_machine(machine_file(ECHO))
    assert machine.cpu.isa == "rv64gc" and machine.cpu.latency["load"] == 2
    assert machine.ram.size_bytes == 256 << 20 and machine.stack_bytes == 16384
    assert machine.device("echo").parameters["latency_cycles"] == 10


def test_timing_parameters_are_not_part_of_what_the_compiler_sees(machine_file):
    plain = load_machine(machine_file(ECHO)).compile_view()
    timed = load_machine(
        machine_file(
            "[cpu.l1d]\nmiss_cycles = 9\n[ram]\nlatency_cycles = 7\n[machine]\nclock_mhz = 5\n" + ECHO
        )
    ).compile_view()
    smaller = load_machine(machine_file("[ram]\nsize_bytes = 0x100000\n" + ECHO)).compile_view()
    assert plain == timed != smaller


def test_a_named_choice_becomes_its_place_in_the_list(machine_file):
    text = ECHO + '[devices.compute]\nbase = 0x10300000\ndataflow = "os"\n'
    parameters = load_machine(machine_file(text)).device("compute").parameters
    assert (parameters["dataflow"], parameters["overlap"]) == (1, 2)


def test_rams_timing_is_complete(machine_file):
    timing = load_machine(machine_file("[ram]\nchannels = 4\nrow_bytes = 2048\n" + ECHO)).ram.timing
    defaults = {row.name: row.default for row in RAM_TIMING}
    assert timing == {**defaults, "channels": 4, "row_bytes": 2048} != defaults


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            ECHO + '[devices.compute]\nbase = 0x10300000\ndataflow = "is"\n',
            "devices.compute.dataflow is 'is'; known are ws, os",
        ),
        (
            ECHO + "[devices.compute]\nbase = 0x10300000\noverlap = 2\n",
            "devices.compute.overlap is 2; known are serial, single, double",
        ),
        ("[ram]\nchannels = 0\n" + ECHO, "ram.channels is 0; it lies between 1 and 256"),
        ("[cpu]\nspeed = 3\n" + ECHO, "unknown key 'cpu.speed'; known are isa, vlen, latency"),
        ("colour = 1\n" + ECHO, "unknown key 'colour'"),
        (ECHO + "lag = 3\n", "unknown key 'devices.echo.lag'; known are access_cycles, latency_cycles"),
        ("[cpu.latency]\nload = 0\n" + ECHO, "cpu.latency.load is 0; it lies between 1 and 1000"),
        ("[cpu.latency]\nload = 1.5\n" + ECHO, "cpu.latency.load is 1.5; it is a whole number"),
        ("[cpu.latency]\nload = true\n" + ECHO, "cpu.latency.load is True; it is a whole number"),
        ('[cpu]\nisa = "mips"\n' + ECHO, "cpu.isa is 'mips'; known are rv64gc, rv64gcv"),
        ('[cpu]\nisa = "rv64gcv"\n' + ECHO, "cpu.vlen is 0 for rv64gcv; rv64gcv takes 128"),
        ("[ram]\nsize_bytes = 0x10001\n" + ECHO, "ram.size_bytes is 0x10001; it is a multiple of 0x1000"),
        ("cpu = 3\n" + ECHO, "cpu is 3; it is a table: [cpu]"),
        ("[devices.echo]\n", "devices.echo.base is missing"),
        (
            "[devices.gpu]\nbase = 0x10200000\n",
            f"devices.gpu.model is 'gpu'; known are {', '.join(DEVICE_MODELS)}",
        ),
        ('[cpu]\nisa = "rv64gc"\n', 'exactly one device with model = "echo"'),
        (
            "[devices.echo]\nbase = 0x10200800\n",
            "devices.echo.base is 0x10200800; it is a multiple of 0x1000",
        ),
        ("[devices.echo]\nbase = 0x10000000\n", "overlaps"),
        (
            ECHO + "[devices.compute]\nbase = 0x10200000\n",
            "device 'compute' at 0x10200000..0x10201000 overlaps device 'echo' at 0x10200000..0x10201000",
        ),
        ("not toml at all", "not valid TOML"),
    ],
)
def test_a_wrong_machine_file_is_refused_naming_file_and_key(machine_file, text, complaint):
    path = machine_file(text)
    with pytest.raises(MachineError) as refusal:
        load_machine(path)
    assert complaint in str(refusal.value) and path in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1


def test_an_unknown_machine_is_answered_with_those_there_are():
    with pytest.raises(MachineError, match="no machine named 'huge'; there are: cpu, default"):
        load_machine("huge")


def test_overlapping_registers_are_refused_when_declared():
    status = REGISTERS[2]
    with pytest.raises(DeviceError, match=r"registers overlap: STATUS 0x08..0x0c and TWIN 0x0a..0x0e"):
        refuse_overlaps((*REGISTERS[:3], replace(status, name="TWIN", offset=0x0A)))


@pytest.mark.parametrize("compiler", [["gcc", "-std=c11", "-x", "c"], ["g++", "-std=c++17", "-x", "c++"]])
def test_the_register_header_is_valid_c_and_cpp_and_holds_its_own_offsets(tmp_path, compiler):
    header = tmp_path / "registers.h"
    header.write_text(headers.registers_header())
    subprocess.run([*compiler, "-Wall", "-Werror", "-fsyntax-only", header], check=True)
    moved = header.read_text().replace("#define REG_STATUS 0x8", "#define REG_STATUS 0xc")
    header.write_text(moved)
    done = subprocess.run([*compiler, "-fsyntax-only", header], capture_output=True, text=True)
    assert done.returncode != 0 and "STATUS moved" in done.stderr


def test_the_machine_header_names_every_device_base():
    text = headers.machine_header(load_machine("default"))
    assert "#define ECHO_DEVICE_BASE 0x10200000" in text
    assert "#define COMPUTE_DEVICE_BASE 0x10300000" in text
