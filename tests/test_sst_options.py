# SPDX-License-Identifier: Apache-2.0
"""What users of SST know: options, launchers, checkpoints, statistics."""

import json
import re

import pytest
from simulator_fixtures import ADVANCE, DATA_IN, DATA_OUT, ECHO, READ, STATUS, request
from sst_fixtures import LATENCY, RANKS, needs_mpirun, needs_sst


def echo_once(process):
    client = process.client()
    client.write(ECHO + DATA_IN, 5)
    client.read(ECHO + DATA_OUT)
    client.end()
    return process.finish()


@needs_sst
def test_options_go_to_sst(sst_server):
    status, out, err = echo_once(sst_server("--sst-options", "-n 2 --print-timing-info"))
    assert (status, err) == (0, "") and "Threads:               2" in out


@needs_sst
def test_an_option_that_sst_does_not_know_is_told_in_its_words(sst_server):
    status, _, err = sst_server("--sst-options=--no-such-option").finish()
    assert status == 1 and re.fullmatch(
        "serve: SST ended before the simulation did: .*unrecognized option '--no-such-option'\n", err
    ), err


@needs_sst
@needs_mpirun
def test_a_launcher_starts_sst(sst_server):
    process = sst_server("--sst-launcher", RANKS, "--sst-options=--print-timing-info")
    status, out, err = echo_once(process)
    assert (status, err) == (0, "") and "Ranks:                 2" in out
    assert not process.socket.exists()


@needs_sst
def test_stopping_early_is_no_success(sst_server):
    process = sst_server("--sst-options=--stop-at=1us")
    process.client().send(request(ADVANCE, data=5000) + request(READ, ECHO + STATUS))
    status, _, err = process.finish()
    assert (status, err) == (
        1,
        "serve: SST stopped at cycle 1000, before the firmware ended the simulation\n",
    )
    assert not (process.stats.exists() or process.socket.exists())


@needs_sst
@pytest.mark.parametrize("option", ["--checkpoint-sim-period=1us", "--checkpoint-wall-period=1s"])
def test_a_checkpoint_is_refused_with_the_reason(sst_server, option):
    status, _, err = sst_server(f"--sst-options={option}").finish()
    assert status == 1 and re.fullmatch("serve: a checkpoint would hold SST's side only: .*\n", err), err


@needs_sst
@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_ssts_own_statistics_say_the_same(sst_server, tmp_path, suffix):
    file = tmp_path / f"s.{suffix}"
    assert echo_once(sst_server(f"--sst-options=--model-options=--sst-statistics={file}"))[0] == 0
    sums = {"csv": sums_of_csv, "json": sums_of_json}[suffix](file.read_text())
    assert (sums["echo", "busy_cycles"], sums["echo", "transactions"]) == (LATENCY, 3)
    assert (sums["cpu", "transactions"], sums["cpu", "cycles"]) == (3, LATENCY + 2)


def sums_of_csv(text):
    rows = [line.split(",") for line in text.splitlines()]
    total = rows[0].index("Sum.u64")
    return {(row[0], row[1]): int(row[total]) for row in rows[1:]}


def sums_of_json(text):
    parts = json.loads(text)["components"]
    return {(part["name"], row["stat"]): row["values"][0] for part in parts for row in part["statistics"]}
