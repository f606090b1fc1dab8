# SPDX-License-Identifier: Apache-2.0
"""Devices in Python: registers, time, DMA, interrupts, statistics; and one line for each mistake."""

import re

import numpy as np
import pytest
from acalsim_backend.machine.file import load_machine
from own_fixtures import machine_with
from simulator_fixtures import (
    BUSY,
    CONTROL,
    DATA_IN,
    DATA_OUT,
    DATA_READY,
    ERROR,
    RAM,
    RESET,
    RESULT,
    START,
    STATUS,
)

HEAD = "from acalsim_backend.device import Choice, Device, Event, Parameter, Refused, Register\n"
DOUBLER = """
class Doubler(Device):
    latency_cycles = Parameter(5, 1, 1000, "of a word")
    FACTOR = Register(0x20, "RW", "what is multiplied by")

    def start(self):
        word = yield self.read(self.DATA_IN, 4, "u4")
        yield self.latency_cycles
        yield self.write(self.DATA_IN, word * np.uint32(self.FACTOR))
        self.count("words")
        self.log(f"doubled {int(word[0])}")
        return 7
"""
FACTOR = 0x20
DMA = 20 + 1  # of up to 8 bytes, by the machine file's defaults


@pytest.fixture
def device(plug_in, tmp_path):
    """A bench with a device of that source."""

    def device(text, table="", **options):
        return plug_in(
            machine_with(tmp_path, "mine.py", "import numpy as np\n" + HEAD + text, table), **options
        )

    return device


def test_work_waits_for_transfers_and_cycles_and_returns_a_result(device):
    bench = device(DOUBLER, "latency_cycles = 9\n")
    bench.put(RAM + 64, np.uint32([21]).tobytes())
    assert bench.run(at_0=RAM + 64, at_20=2) == (7, 1 + DMA + 9 + DMA)
    assert np.frombuffer(bench.get(RAM + 64, 4), np.uint32) == 42
    assert bench.read(STATUS)[1] == DATA_READY
    assert bench.statistics() == {"busy_cycles": 2 * DMA + 9, "transactions": 5, "words": 1}
    assert "doubled 21" in [text for _, who, text in bench.log if who == "mine"]


def test_a_reset_ends_the_work(device):
    bench = device(DOUBLER)
    bench.put(RAM, np.uint32([21]).tobytes())
    bench.write(FACTOR, 2), bench.write(DATA_IN, RAM), bench.write(CONTROL, START)
    assert bench.read(STATUS)[1] == BUSY
    bench.write(CONTROL, RESET)
    assert bench.read(STATUS)[1] == 0 and bench.read(FACTOR)[1] == 0
    assert bench.read(RESULT, advance_cycles=1000)[1] == 0 and bench.get(RAM, 4) == np.uint32([21]).tobytes()
    assert bench.run(at_0=RAM, at_20=3)[0] == 7 and np.frombuffer(bench.get(RAM, 4), np.uint32) == 63


def test_transfers_begin_at_once_and_may_be_waited_for_together(device):
    bench = device(
        """
class Both(Device):
    def start(self):
        a, b = yield [self.read(self.DATA_IN, 8), self.read(self.DATA_IN + 8, 8)]
        yield self.write(self.DATA_IN, b + a)
"""
    )
    bench.put(RAM, b"abcdefghijklmnop")
    assert bench.run(at_0=RAM) == (0, 1 + DMA + 1 + DMA + 1)
    assert bench.get(RAM, 16) == b"ijklmnopabcdefgh"


def test_more_work_runs_beside_the_first_and_can_be_waited_for(device):
    bench = device(
        """
class Two(Device):
    def start(self):
        other = self.run(self.more(30))
        yield 10
        return (yield other)

    def more(self, cycles):
        yield cycles
        return 5
"""
    )
    assert bench.run() == (5, 1 + 30)


def test_callbacks_serve_as_well_as_generators(device):
    bench = device(
        """
class Late(Device):
    def on_write(self, register, value):
        if register == "DATA_IN":
            self.STATUS = 1
            self.after(12, lambda: self.done(value + 1))

    def on_read(self, register):
        return 99 if register == "SIZE" else super().on_read(register)
"""
    )
    assert bench.write(DATA_IN, 4) == (True, 0, 1)
    assert bench.read(RESULT) == (True, 5, 12) and bench.read(0x10)[1] == 99


def test_the_work_may_go_on_for_ever_so_many_yields_in_one_cycle(device):
    bench = device("class Many(Device):\n    def start(self):\n        e = self.read(self.DATA_IN, 4)\n        yield e\n"
                   "        for _ in range(5000):\n            yield e\n")  # fmt: skip
    assert bench.run(at_0=RAM) == (0, 1 + DMA)


@pytest.mark.parametrize(
    ("address", "with_ram", "code"), [(0x1000, True, 2), (RAM - 2, True, 2), (RAM, False, 5)]
)
def test_dma_outside_ram_refuses_the_work(device, address, with_ram, code):
    bench = device(DOUBLER, with_ram=with_ram)
    assert bench.run(at_0=address)[0] == code and bench.read(STATUS)[1] == ERROR


def test_a_read_of_no_whole_number_of_elements_refuses_the_work(device):
    bench = device("class D(Device):\n    def start(self):\n        yield self.read(self.DATA_IN, 6, 'u4')\n")
    assert bench.run(at_0=RAM)[0] == 4


def test_a_device_may_catch_or_make_a_refusal(device):
    bench = device(
        """
class Careful(Device):
    def start(self):
        try:
            yield self.read(self.DATA_IN, 4)
        except Refused as refused:
            self.log(refused)
            raise Refused(17)
"""
    )
    assert bench.run(at_0=4)[0] == 17
    assert "DMA READ of 4 bytes at 0x4 lies outside RAM" in str(bench.log)


def test_the_interrupt_line_is_raised_when_the_device_says_so(device):
    bench = device(
        "class Bell(Device):\n    def on_write(self, register, value):\n        self.interrupt()\n"
    )
    bench.write(DATA_IN, 1)
    assert (bench.engine.result()["total_cycles"], "mine", "Interrupt 37") in bench.log


def test_registers_of_the_wrong_direction_are_refused_without_python(device):
    bench = device("class Quiet(Device):\n    def on_write(self, *_):\n        1 / 0\n")
    assert not bench.write(DATA_OUT, 1)[0] and not bench.write(0x40, 1)[0] and not bench.read(DATA_IN)[0]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "def start(self):\n        yield 3\n        1 / 0",
            r"mine\.py:6: ZeroDivisionError: division by zero",
        ),
        (
            "def start(self):\n        yield 'soon'",
            r"mine\.py:5: TypeError: yield of 'soon'; work yields cycles",
        ),
        ("def start(self):\n        yield -1", r"mine\.py:5: TypeError: yield of -1"),
        ("def on_write(self, *_):\n        self.nothing", r"mine\.py:5: AttributeError: 'D' object has no"),
        ("def on_reset(self):\n        nothing", r"mine\.py:5: NameError: name 'nothing' is not defined"),
        (
            "def start(self):\n        self.after(2, lambda: 1 / 0)\n        yield 9",
            r"mine\.py:5: ZeroDivisionError",
        ),
        ("def start(self):\n        yield self.read(self.DATA_IN, 'x')", r"mine\.py:5: TypeError"),
    ],
)
def test_what_python_raises_is_one_line_with_the_users_file_and_line(device, embedded, text, complaint):
    with pytest.raises(embedded.SimulationError) as raised:
        device(f"class D(Device):\n    {text}\n").run(at_0=RAM)
    assert re.match(f"device 'mine': {complaint}", str(raised.value))
    assert len(str(raised.value).splitlines()) == 1


def test_a_mistake_in_a_module_beside_it_names_that_one(device, embedded, tmp_path):
    (tmp_path / "helper.py").write_text("def f():\n    return 1 / 0\n")
    text = "import helper\nclass D(Device):\n    def start(self):\n        helper.f()\n"
    with pytest.raises(embedded.SimulationError, match=r"^device 'mine': helper\.py:2: ZeroDivisionError"):
        device(text).run()


def test_a_device_that_never_answers_says_what_it_waits_for(device, embedded):
    text = "class D(Device):\n    def start(self):\n        yield Event('the moon')\n"
    with pytest.raises(
        embedded.SimulationError, match=r"after cycle 2; it waits for the moon \(mine\.py:5\)$"
    ):
        device(text).run()


def test_two_devices_may_have_helpers_of_the_same_name(plug_in, tmp_path):
    for folder, number in (("one", 1), ("two", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "unit.py").write_text(
            HEAD
            + "import helper\nclass D(Device):\n    def on_read(self, _):\n        return helper.NUMBER\n"
        )
        (tmp_path / folder / "helper.py").write_text(f"NUMBER = {number}\n")
    (tmp_path / "m.toml").write_text(
        "[devices.echo]\nbase = 0x10200000\n"
        '[devices.mine]\nmodel = "one/unit.py"\n[devices.other]\nmodel = "two/unit.py"\n'
    )
    machine = load_machine(str(tmp_path / "m.toml"))
    assert [plug_in(machine, name).read(DATA_OUT)[1] for name in ("mine", "other")] == [1, 2]
