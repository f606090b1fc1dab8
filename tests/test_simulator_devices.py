# SPDX-License-Identifier: Apache-2.0
"""Devices that the simulator offers, and devices of the user's own in Python."""

import numpy as np
import pytest
from acalsim_backend.machine.models import DEVICE_MODELS
from compute_fixtures import LATENCY as DMA_LATENCY
from compute_fixtures import Matrices
from simulator_fixtures import (
    BUSY,
    CONTROL,
    DATA_IN,
    DATA_OUT,
    DATA_READY,
    ECHO,
    READ,
    RESET,
    RESULT,
    STATUS,
    request,
)
from simulator_work import MINE, A

pytestmark = pytest.mark.quick


def test_every_declared_model_is_there_and_no_other(embedded):
    assert sorted(DEVICE_MODELS) == embedded.models()


def test_a_device_that_cannot_be_plugged_in_is_refused(simulator):
    parameters = {"access_cycles": 1, "latency_cycles": 1}
    with pytest.raises(ValueError, match="device 'x': there is no model 'nonsense'"):
        simulator.add_device("nonsense", "x", 0x20000000, parameters)
    with pytest.raises(ValueError, match="device 'x' at 0x10200ffc overlaps 'echo' at 0x10200000"):
        simulator.add_device("echo", "x", ECHO + 0xFFC, parameters)
    with pytest.raises(ValueError, match="device 'x' lacks its parameter 'latency_cycles'"):
        simulator.add_device("echo", "x", 0x20000000, {"access_cycles": 1})


@pytest.fixture
def doubler(embedded):
    """A first idea of a device: doubles DATA_IN, in as many cycles as its parameter says."""

    class Doubler(embedded.Device):
        def write(self, register, value):
            super().write(register, value)
            if register == "DATA_IN":
                self.set("STATUS", BUSY)
                self.after(self.parameters["latency_cycles"], lambda: self.finish(2 * value))

        def finish(self, result):
            self.log(f"{result} at cycle {self.now}")
            self.set("DATA_OUT", result)
            self.set("STATUS", DATA_READY)

        def read(self, register):
            return 99 if register == "RESULT" else super().read(register)

    return Doubler


def test_a_device_may_be_a_python_class(simulator, doubler, serve):
    simulator.add_device(doubler, "doubler", MINE, {"access_cycles": 1, "latency_cycles": 30})
    served = serve(simulator)
    assert served.client.write(MINE + DATA_IN, 21)[2] == 1
    assert served.client.read(MINE + DATA_OUT)[:3] == (1, 42, 30)
    assert served.client.read(MINE + RESULT)[1] == 99
    assert served.client.read(ECHO + STATUS)[1] == 0
    served.client.end()
    assert served.result()["devices"]["doubler"] == {"busy_cycles": 30, "transactions": 3}


def test_a_python_device_logs_and_is_reset(simulator, doubler):
    seen = []
    simulator.log = lambda *event: seen.append(event)
    simulator.add_device(doubler, "doubler", MINE, {"access_cycles": 1, "latency_cycles": 30})
    simulator.write(MINE + DATA_IN, 21)
    simulator.read(MINE + DATA_OUT)
    assert (31, "doubler", "42 at cycle 31") in seen
    simulator.write(MINE + DATA_IN, 21)
    simulator.write(MINE + CONTROL, RESET)
    assert simulator.read(MINE + DATA_OUT, advance_cycles=100)[1] == 0


def test_a_python_device_reaches_guest_ram(embedded, simulator, tmp_path):
    class Reverser(embedded.Device):
        def write(self, register, value):
            self.set("STATUS", BUSY)
            self.read_ram(value, 4, lambda data: self.write_ram(value, data[::-1], self.finish))

        def finish(self):
            self.set("STATUS", DATA_READY)

    simulator.add_device(Reverser, "reverser", MINE, {"access_cycles": 1})
    matrices = Matrices(simulator, tmp_path)
    matrices.put(A, b"abcd")
    simulator.write(MINE + DATA_IN, A)
    assert simulator.read(MINE + RESULT) == (True, 0, 2 * (DMA_LATENCY + 1))
    assert bytes(matrices.get(A, 4, np.uint8)) == b"dcba"
    with pytest.raises(embedded.SimulationError, match="outside guest RAM"):
        simulator.write(MINE + DATA_IN, 0x1000)


def test_an_exception_in_a_python_device_reaches_whoever_serves_it(embedded, simulator, serve):
    class Broken(embedded.Device):
        def read(self, register):
            raise KeyError(register)

    simulator.add_device(Broken, "broken", MINE, {"access_cycles": 1})
    served = serve(simulator)
    served.client.send(request(READ, MINE + STATUS))
    with pytest.raises(KeyError, match="STATUS"):
        served.result()


def test_whoever_wants_to_know_is_told_how_late_it_is_while_a_device_works(embedded, simulator):
    class Ticking(embedded.Device):
        def write(self, register, value):
            self.left = value
            self.set("STATUS", BUSY)
            self.tick()

        def tick(self):
            self.left -= 1
            self.after(1, self.tick) if self.left else self.set("STATUS", DATA_READY)

    simulator.add_device(Ticking, "ticking", MINE, {"access_cycles": 1})
    told = []
    simulator.tell(told.append)
    simulator.write(MINE + DATA_IN, 200_000)
    simulator.read(MINE + RESULT)
    assert len(told) == 3 and 60_000 < told[0] < told[1] < told[2] < 200_000


def test_a_device_that_never_answers_is_an_error(embedded, simulator):
    class Stuck(embedded.Device):
        def write(self, register, value):
            self.set("STATUS", BUSY)

    simulator.add_device(Stuck, "stuck", MINE, {"access_cycles": 1})
    simulator.write(MINE + DATA_IN, 1)
    with pytest.raises(
        embedded.SimulationError,
        match="device 'stuck' never answers the READ of 4 bytes at 0x10400014: "
        "nothing is left to happen after cycle 2",
    ):
        simulator.read(MINE + RESULT)


def test_a_python_device_may_outlive_its_engine(embedded):
    kept = []

    class Kept(embedded.Device):
        def __init__(self, slot):
            super().__init__(slot)
            kept.append(self)

    simulator = embedded.Engine(20, 8)
    simulator.add_device(Kept, "kept", MINE, {"access_cycles": 1})
    assert (kept[0].name, kept[0].now) == ("kept", 0)
    del simulator
    with pytest.raises(RuntimeError, match="the engine of device 'kept' is gone"):
        kept[0].set("STATUS", BUSY)
