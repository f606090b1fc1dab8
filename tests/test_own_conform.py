# SPDX-License-Identifier: Apache-2.0
"""The suite that holds devices of the user's to what every device promises: it passes good ones and finds faults."""

import pytest
from acalsim_backend.own import checks
from own_fixtures import machine_with

GOOD = """
from acalsim_backend.device import Device, Register

class Good(Device):
    SCALE = Register(0x20, "RW", "factor")
    job = "DATA_IN = @0x1000, SIZE = 4..40 step 4, SCALE = 1..9: u1"

    def start(self):
        data = yield self.read(self.DATA_IN, self.SIZE)
        yield 5 * self.SCALE
        yield self.write(self.DATA_IN, data[::-1])
"""


@pytest.fixture
def trial(tmp_path, engine_library):
    def trial(text=GOOD):
        machine = machine_with(tmp_path, "mine.py", text)
        options = ["--library", str(engine_library)]
        return checks.trial_of(machine, "mine", str(tmp_path), "embedded", options)

    return trial


@pytest.mark.parametrize(
    ("check", "old", "new", "complaint"),
    [
        ("registers_are_as_declared", "def start", "def on_read(self, r):\n        return 3\n\n    def start", "holds 0x3"),
        ("it_begins_idle_and_a_reset_makes_it_so", "def start", "def on_reset(self):\n        self.SCALE = 1\n\n    def start", "SCALE is 0x1 after a reset; it is 0"),
        ("a_thousand_random_accesses_are_answered", "yield 5 *", "import time\n        yield time.time_ns() % 97 +", "answered otherwise"),
        ("a_job_ends_well_and_accesses_stall_meanwhile", "data = yield", "self.done()\n        data = yield", "not BUSY"),
        ("a_reset_in_the_middle_leaves_nothing", "yield 5 *", "self.n = getattr(self, 'n', 0) + 1\n        yield self.n + 5 *", "a job behind a reset is"),
        ("dma_outside_ram_is_refused", "data = yield self.read", "if self.DATA_IN < 1 << 31:\n            return 0\n        data = yield self.read", "with DATA_IN = 0x0, outside RAM, STATUS is 2"),
        ("it_interrupts_at_the_end_when_asked", "data = yield", "self.interrupt()\n        data = yield", "before the work is done"),
        ("the_same_jobs_take_the_same_cycles", "yield 5 *", "import time\n        yield time.time_ns() % 97 +", "the second time"),
    ],
)  # fmt: skip
def test_each_check_passes_a_good_device_and_finds_a_fault(trial, check, old, new, complaint):
    run = getattr(checks, check)
    run(trial())
    with pytest.raises(checks.Broken, match=complaint):
        run(trial(GOOD.replace(old, new, 1)))
