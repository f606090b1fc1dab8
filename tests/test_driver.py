# SPDX-License-Identifier: Apache-2.0
"""The firmware's driver of the compute device, on a real QEMU beside the real simulator."""

import re

import pytest
from acalsim_backend.errors import SimulateError
from compute_fixtures import ERRORS
from driver_fixtures import SYMBOLS, outputs_wanted, product
from qemu_fixtures import cross

pytestmark = pytest.mark.quick


def test_a_list_is_executed_and_over_when_the_driver_returns(firmware, measure):
    run = measure(firmware("product", product(), symbols=SYMBOLS))
    assert list(memoryview(run.outputs[:1024]).cast("f")) == outputs_wanted()
    compute = run.statistics.devices["compute"]
    assert compute["commands"] == 4 and compute["transactions"] == 4
    op = next(op for op in run.statistics.guest["ops"] if op["symbol"] == "op_product")
    assert op["stall_cycles"] >= compute["busy_cycles"]
    assert op["instructions"] < 40, "the driver is short"


@pytest.mark.parametrize(
    ("mistake", "index", "error"),
    [
        ("list[0].a = 0x40000;", 0, "ERROR_SCRATCHPAD"),
        ("list[1].code = 77;", 1, "ERROR_COMMAND"),
        ("list[2].c = 0x10000;", 2, "ERROR_ACCUMULATOR"),
        ("list[3].dram = 0x1000;", 3, "ERROR_ADDRESS"),
    ],
)
def test_a_refused_command_is_told_by_op_index_and_name(firmware, measure, mistake, index, error):
    with pytest.raises(SimulateError) as caught:
        measure(firmware(error.lower(), product(mistake), symbols=SYMBOLS))
    wanted = f"the guest gave up: op_product: the device at 0x10300000 refused command {index} of 4: {error}"
    assert str(caught.value) == wanted and error in ERRORS


def test_a_list_beyond_the_devices_address_bits_is_refused(firmware, measure):
    c = product().replace("COMPUTE_DEVICE_BASE, list", "COMPUTE_DEVICE_BASE, list + (1ull << 25)")
    with pytest.raises(SimulateError) as caught:
        measure(firmware("far", c, symbols=SYMBOLS))
    wanted = (
        r"op_product: the device at 0x10300000 takes command lists below 0x100000000; "
        r"this one is at 0x1[0-9a-f]{8}"
    )
    assert re.search(wanted, str(caught.value))


def test_a_device_that_refuses_has_an_exit_status_of_its_own(firmware, run):
    assert run(firmware("status", product(), symbols=SYMBOLS), value=6).status == 91


def test_a_program_without_the_driver_does_not_carry_it(firmware):
    assert "compute_refused" not in cross("nm", firmware("bare", "int main(void) { return 0; }"))
