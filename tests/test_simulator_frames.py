# SPDX-License-Identifier: Apache-2.0
"""Frames that are cut, malformed or random end the simulator in one line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulator_fixtures import (
    ADVANCE,
    ECHO,
    HELLO,
    READ,
    SIZE,
    STATUS,
    TEXT,
    TEXT_RAM,
    TEXT_STATISTICS,
    WRITE,
    request,
)

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("length", range(1, 20))
def test_a_truncated_frame_ends_the_server(serve, embedded, length):
    served = serve()
    served.client.read(ECHO + STATUS)
    served.client.send(request(READ, ECHO + STATUS)[:length])
    served.client.close()
    with pytest.raises(embedded.SimulationError, match=f"truncated frame: .* {length} of 20 bytes$"):
        served.result()


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (request(6), "malformed frame: type 6 is unknown"),
        (request(255), "type 255 is unknown"),
        (request(READ, ECHO, size=0), "size 0 is not 1, 2, 4 or 8"),
        (request(WRITE, ECHO, size=3), "size 3 is not 1, 2, 4 or 8"),
        (request(READ, ECHO, size=16), "size 16 is not"),
        (request(HELLO, 2), "the client speaks protocol version 2; this server speaks 1"),
        (request(TEXT, size=9), "TEXT of kind 9"),
        (request(TEXT, size=TEXT_STATISTICS, data=2) + b"{}", "TEXT of kind 2 before the simulation's end"),
        (request(TEXT, size=TEXT_RAM, data=2**60), "TEXT of 1152921504606846976 bytes; at most"),
        (request(TEXT, size=TEXT_RAM, data=0), "not ORIGIN SIZE OFFSET PATH"),
        (request(TEXT, size=TEXT_RAM, data=9) + b"0x0 0x0 x", "not ORIGIN SIZE OFFSET PATH"),
        (request(TEXT, size=TEXT_RAM, data=14) + b"0x0 0x1000 0x0", "not ORIGIN SIZE OFFSET PATH"),
        (request(ADVANCE, data=2**64 - 1), "ADVANCE past the end of time"),
        (request(ADVANCE, data=2**63 - 1) + request(ADVANCE, data=1), "ADVANCE past the end of time"),
    ],
)
def test_a_malformed_frame_ends_the_server(serve, embedded, frame, message):
    served = serve()
    served.client.send(frame)
    with pytest.raises(embedded.SimulationError, match=message):
        served.result()


@pytest.mark.parametrize("sent", [b"", b"0x80000000 0x1000"])
def test_a_truncated_text_ends_the_server(serve, embedded, sent):
    served = serve()
    served.client.send(request(TEXT, size=TEXT_RAM, data=40) + sent)
    served.client.close()
    with pytest.raises(embedded.SimulationError, match="truncated frame"):
        served.result()


def test_a_client_that_leaves_early_ends_the_server(serve, embedded):
    served = serve()
    served.client.read(ECHO + STATUS)
    served.client.close()
    with pytest.raises(
        embedded.SimulationError, match="left before .* ended, at cycle 1 after 1 transactions"
    ):
        served.result()


def test_a_client_that_never_takes_its_answer_ends_the_server(serve, embedded):
    served = serve()
    served.client.send(request(READ, ECHO + STATUS) * 2000)
    served.client.close()
    with pytest.raises(embedded.SimulationError, match="cannot answer the client|left before"):
        served.result()


@given(data=st.binary(max_size=200))
@settings(max_examples=60)
def test_random_bytes_never_do_worse_than_one_line(serve, embedded, data):
    served = serve()
    try:
        served.client.send(data)
        served.client.close()
    except OSError:
        pass
    with pytest.raises(embedded.SimulationError) as caught:
        served.result()
    assert "\n" not in str(caught.value)


def test_frames_may_arrive_in_pieces_or_many_at_once(serve):
    served = serve()
    for byte in request(WRITE, ECHO + SIZE, 9):
        served.client.send(bytes([byte]))
    assert served.client.response()[0] == 1
    served.client.send(request(READ, ECHO + SIZE) * 1000)
    assert [served.client.response() for _ in range(1000)] == [(1, 9, 1, 0)] * 1000


@pytest.mark.parametrize("place", range(6))
def test_an_advance_at_any_place_never_keeps_the_server_waiting(serve, embedded, place):
    served = serve()
    frames = [request(HELLO, 1), request(WRITE, ECHO + SIZE, 9), request(READ, ECHO + SIZE)]
    frames += [request(WRITE, ECHO, 0xDEADBEEF), request(TEXT, size=TEXT_STATISTICS, data=2) + b"{}"]
    frames.insert(place, request(ADVANCE, data=7))
    served.client.send(b"".join(frames))
    if place == 4:  # between the end and the statistics
        with pytest.raises(embedded.SimulationError, match="type 2 after the simulation's end"):
            served.result()
    else:
        assert served.result()["total_cycles"] == (10 if place < 4 else 3)
