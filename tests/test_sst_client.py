# SPDX-License-Identifier: Apache-2.0
"""SST behind the socket, through a client that knows the protocol's two structs."""

import json
import re

import pytest
from simulator_fixtures import (
    ADVANCE,
    DATA_IN,
    DATA_OUT,
    ECHO,
    HELLO,
    READ,
    STATUS,
    TEXT,
    TEXT_RAM,
    TEXT_STATISTICS,
    request,
)
from sst_fixtures import LATENCY, needs_sst


@needs_sst
def test_a_plain_client_polls_echoes_and_ends_sst(sst_server):
    process = sst_server()
    client = process.client()
    client.write(ECHO + DATA_IN, 7)
    assert [client.read(ECHO + STATUS)[1] for _ in range(LATENCY + 1)] == [1] * (LATENCY - 1) + [2] * 2
    assert client.read(ECHO + DATA_OUT) == (1, 7, 1, 0)
    assert client.write(ECHO + DATA_IN, 8)[2] == 1
    assert client.read(ECHO + DATA_OUT) == (1, 8, LATENCY, 0)
    assert client.read(0)[0] == 0
    assert client.end() == (1, 0, 1, 1)
    status, out, err = process.finish()
    assert (status, err) == (0, ""), err
    assert "Device transactions: 17" in out
    assert json.loads(process.stats.read_text())["total_cycles"] == 16 + LATENCY


@needs_sst
@pytest.mark.parametrize(
    ("frames", "line"),
    [
        (request(9), "malformed frame: type 9 is unknown"),
        (request(READ, ECHO)[:7], "truncated frame: the client left after 7 of 20 bytes"),
        (
            request(ADVANCE, data=2**62) + request(READ, ECHO + STATUS),
            "the client advanced past the end of time",
        ),
        (
            request(TEXT, size=TEXT_RAM, data=22) + b"0x0 0x1000 0x0 /absent",
            "guest RAM file '/absent': No such file",
        ),
        (b"", "the client left before the simulation ended, at cycle 0 after 0 transactions"),
    ],
)
def test_a_client_that_breaks_its_promise_ends_sst_with_one_line(sst_server, frames, line):
    process = sst_server()
    client = process.client()
    client.send(frames)
    client.close()
    status, _, err = process.finish()
    assert status == 1 and re.fullmatch(f"serve: {re.escape(line)}.*\n", err), err
    assert not process.stats.exists()


@needs_sst
def test_statistics_of_a_client_that_are_no_json_are_refused(sst_server):
    process = sst_server()
    client = process.client()
    client.send(request(HELLO, 1))
    client.receive(client.response()[1])
    client.end()
    client.send(request(TEXT, size=TEXT_STATISTICS, data=4) + b"what")
    assert process.finish()[::2] == (1, "serve: the client's statistics are not a JSON object\n")


@needs_sst
def test_a_missing_element_library_is_told_with_the_command_that_builds_it(server, tmp_path):
    process = server("--engine", "sst", environment={"ACALSIM_SST_LIBRARY": str(tmp_path / "none.so")})
    status, _, err = process.finish()
    assert status == 1 and re.fullmatch(
        r"serve: no SST element library at '.*'; build it: .*ENGINE=sst host\n", err
    )
