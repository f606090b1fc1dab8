# SPDX-License-Identifier: Apache-2.0
"""The Echo device's registers, through a client that knows the protocol's two structs and no more."""

import pytest
from simulator_fixtures import (
    BUSY,
    COMPUTE,
    CONTROL,
    DATA_IN,
    DATA_OUT,
    DATA_READY,
    ECHO,
    END,
    READ,
    RESET,
    RESULT,
    SIZE,
    START,
    STATUS,
    WRITE,
    request,
)
from simulator_work import LATENCY

pytestmark = pytest.mark.quick


def test_echo_answers_what_was_written(serve):
    served = serve()
    assert served.client.write(ECHO + DATA_IN, 0x3F800000)[:2] == (1, 0)
    assert served.client.read(ECHO + DATA_OUT)[:2] == (1, 0x3F800000)
    assert served.client.end() == (1, 0, 1, 1)
    assert served.result()["ended"]


def test_polling_status_ends(serve):
    client = serve().client
    client.write(ECHO + DATA_IN, 7)
    seen = [client.read(ECHO + STATUS)[1] for _ in range(LATENCY + 1)]
    assert seen == [BUSY] * (LATENCY - 1) + [DATA_READY] * 2


def test_every_transaction_takes_at_least_a_cycle(serve):
    served = serve()
    assert [served.client.read(address)[2] for address in (ECHO + STATUS, ECHO + 0x18, 0x0)] == [1, 1, 1]
    served.client.end()
    assert served.result()["total_cycles"] == 4


@pytest.mark.parametrize("register", [DATA_OUT, RESULT])
def test_reading_a_result_waits_for_it_in_one_transaction(serve, register):
    served = serve()
    served.client.write(ECHO + DATA_IN, 5)
    success, _, stall, _ = served.client.read(ECHO + register)
    assert (success, stall) == (1, LATENCY)
    served.client.end()
    assert served.result()["devices"]["echo"] == {"busy_cycles": LATENCY, "transactions": 3}


def test_writing_data_while_busy_waits_and_then_starts(serve):
    client = serve().client
    client.write(ECHO + DATA_IN, 5)
    assert client.write(ECHO + DATA_IN, 6)[2] == LATENCY
    assert client.read(ECHO + STATUS)[1] == BUSY
    assert client.read(ECHO + DATA_OUT)[1:3] == (6, LATENCY - 1)


def test_dead_beef_ends_after_the_work_at_hand(serve):
    served = serve()
    served.client.write(ECHO + DATA_IN, 5)
    assert served.client.end() == (1, 0, LATENCY, 1)
    assert served.result()["total_cycles"] == 1 + LATENCY


def test_dead_beef_elsewhere_is_a_number_like_any_other(serve):
    client = serve().client
    assert client.write(ECHO + SIZE, END)[3] == 0
    assert client.write(COMPUTE + DATA_IN, END)[3] == 0
    assert client.read(ECHO + SIZE)[1] == END


def test_control_and_size_are_read_back_and_reset_clears_them(serve):
    client = serve().client
    client.write(ECHO + CONTROL, START)
    client.write(ECHO + SIZE, 64)
    assert (client.read(ECHO + CONTROL)[1], client.read(ECHO + SIZE)[1]) == (START, 64)
    client.write(ECHO + CONTROL, RESET)
    assert (client.read(ECHO + CONTROL)[1], client.read(ECHO + SIZE)[1]) == (0, 0)


def test_reset_while_busy_forgets_the_answer(serve):
    client = serve().client
    client.write(ECHO + DATA_IN, 5)
    assert client.write(ECHO + CONTROL, RESET)[2] == 1
    for _ in range(2 * LATENCY):
        assert client.read(ECHO + STATUS)[1] == 0
    assert client.read(ECHO + DATA_OUT)[1] == 0
    client.write(ECHO + DATA_IN, 6)
    assert client.read(ECHO + DATA_OUT)[1:3] == (6, LATENCY)


def test_only_the_low_32_bits_of_data_count(serve):
    client = serve().client
    client.write(ECHO + SIZE, 0xFFFFFFFF_00000040)
    assert client.read(ECHO + SIZE)[1] == 0x40


REFUSED = {
    "undeclared register": [(READ, ECHO + 0x18, 4), (WRITE, ECHO + 0xFFC, 4), (READ, COMPUTE + 0x18, 4)],
    "no device": [(READ, 0, 4), (WRITE, ECHO - 4, 4), (WRITE, COMPUTE + 0x1000, 4), (READ, 2**64 - 4, 4)],
    "read-only": [(WRITE, ECHO + DATA_OUT, 4), (WRITE, ECHO + STATUS, 4), (WRITE, COMPUTE + RESULT, 4)],
    "write-only": [(READ, ECHO + DATA_IN, 4), (READ, COMPUTE + DATA_IN, 4)],
    "size": [(kind, ECHO + SIZE, size) for kind in (READ, WRITE) for size in (1, 2, 8)],
    "alignment": [(kind, ECHO + SIZE + shift, 4) for kind in (READ, WRITE) for shift in (1, 2, 3)],
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_registers_do_not_allow_is_refused_and_the_server_lives_on(serve, why):
    served = serve()
    served.client.write(ECHO + SIZE, 77)
    for kind, address, size in REFUSED[why]:
        served.client.send(request(kind, address, END, size))
        assert served.client.response() == (0, 0, 1, 0)
    assert served.client.read(ECHO + SIZE)[:2] == (1, 77)
    served.client.end()
    assert served.result()["transactions"] == len(REFUSED[why]) + 3
