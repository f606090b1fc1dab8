# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: F811 (fixtures are imported by name, then asked for by the same name)
"""SST as the engine: its element library, and the same numbers as the embedded engine's."""

import json
import random
import re
import shutil
import struct
import subprocess

import numpy as np
import pytest
from acalsim_backend.device import DEVICE_MODELS
from acalsim_backend.sst_host import OLDEST, is_too_old
from simulator_fixtures import (  # noqa: F401
    ADVANCE,
    COMPUTE,
    CONTROL,
    DATA_IN,
    DATA_OUT,
    ECHO,
    HELLO,
    RAM,
    READ,
    RESULT,
    SIZE,
    START,
    STATUS,
    TEXT,
    TEXT_RAM,
    TEXT_STATISTICS,
    Client,
    engine_library,
    request,
    server,
)

needs_sst = pytest.mark.skipif(not (shutil.which("sst") and shutil.which("sst-config")), reason="needs sst")
LATENCY = 10
"""Of the default machine's Echo device."""


@pytest.fixture(scope="session")
def sst_library(host_tree):
    """The element library, built once by the pipeline itself."""
    host_tree.scons("-j2", "ENGINE=sst", "host", timeout=600)
    return host_tree / "build/host-sst/libacalsim.so"


@pytest.fixture
def sst_server(server, sst_library):
    """Starts `serve` with SST as its engine."""
    environment = {"ACALSIM_SST_LIBRARY": str(sst_library)}
    return lambda *arguments, **options: server("--engine", "sst", *arguments, environment=environment, **options)


@pytest.fixture
def config(sst_library, tmp_path):
    """Starts `sst` on the configuration itself, with SST's own options and ours."""
    started = []

    def start(*options, before=(), ours=()):
        folder = tmp_path / str(len(started))
        folder.mkdir()
        command = [*before, "sst", *options, f"--add-lib-path={sst_library.parent}", "sim/sst/config.py", "--"]
        command += ["--socket", str(folder / "socket"), "--stats", str(folder / "stats.json"), *map(str, ours)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        process.socket, process.stats = folder / "socket", folder / "stats.json"
        assert process.stdout.readline() == f"listening on {process.socket}\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


# --- What needs no SST -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "too_old"),
    [
        ("SST-Core Version (-dev)", False),
        (f"SST-Core Version ({OLDEST}.0.0)", False),
        (f"SST-Core Version ({OLDEST - 1}.1.0)", True),
        ("SST-Core Version (9.1.0)", True),
    ],
)
def test_the_oldest_version_is_told_from_its_number(text, too_old):
    assert is_too_old(text) == too_old


# --- The element library ---------------------------------------------------------------------------


@needs_sst
def test_sst_info_documents_every_parameter_of_the_machine_file(sst_library):
    command = ["sst-info", f"--add-lib-path={sst_library.parent}", "acalsim"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "QEMUBinary" in text
    for model in DEVICE_MODELS.values():
        own = text[text.index(f"{model.name.capitalize()}Device"):]
        for parameter in model.parameters:
            assert re.search(rf"\b{parameter.name}\b", own), f"{model.name}.{parameter.name}"
    for word in ("busy_cycles", "transactions", "stall_cycles", "bus", "device%(n)d"):
        assert word in text


# --- A client that knows two structs ---------------------------------------------------------------


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
        (request(ADVANCE, data=2**62) + request(READ, ECHO + STATUS), "the client advanced past the end of time"),
        (request(TEXT, size=TEXT_RAM, data=22) + b"0x0 0x1000 0x0 /absent", "guest RAM file '/absent': No such file"),
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
    assert status == 1 and re.fullmatch(r"serve: no SST element library at '.*'; build it: .*ENGINE=sst host\n", err)


# --- The same numbers ------------------------------------------------------------------------------


@pytest.fixture
def ram(tmp_path):
    """A guest's RAM file with a list of two MATMULs in it, and what shares it."""
    path = tmp_path / "ram"
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((33, 20), np.float32), rng.standard_normal((20, 17), np.float32)
    image = bytearray(0x10000)
    commands = [(1, 33, 17, 20, 0x1000, 0x3000, 0x6000), (1, 5, 17, 20, 0x1000, 0x3000, 0x9000)]
    for index, (code, m, n, k, *addresses) in enumerate(commands):
        fields = [code, m, n, k, *(RAM + address for address in addresses)]
        packed = pack_command(*fields)
        image[index * len(packed): (index + 1) * len(packed)] = packed
    image[0x1000: 0x1000 + a.nbytes] = a.tobytes()
    image[0x3000: 0x3000 + b.nbytes] = b.tobytes()
    path.write_bytes(image)
    text = f"{RAM:#x} {len(image):#x} 0x0 {path}".encode()
    return path, request(TEXT, size=TEXT_RAM, data=len(text)) + text, 2 * len(packed), (a, b)


def pack_command(code, m, n, k, a, b, c):
    from acalsim_backend.device import COMMAND_FIELDS

    values = {"code": code, "m": m, "n": n, "k": k, "a": a, "b": b, "c": c}
    letters = {16: "H", 32: "I", 64: "Q"}
    layout = "<" + "".join(letters[field.bits] for field in COMMAND_FIELDS)
    return struct.pack(layout, *(values.get(field.name, 0) for field in COMMAND_FIELDS))


def session(client, shared, list_bytes, seed):
    """Random accesses around random work, polls included; what the client saw of them."""
    rng = random.Random(seed)
    client.send(shared)
    seen = []
    for _ in range(250):
        what = rng.choice(["start", "poll", "poll", "poll", "echo", "result", "reset", "nowhere"])
        client.send(request(ADVANCE, data=rng.choice([0, 0, 1, 2, 7, 60, 400])))
        seen += access(client, what, rng, list_bytes)
    seen.append(client.end())
    return seen


def access(client, what, rng, list_bytes):
    if what == "start":
        answers = [client.write(COMPUTE + DATA_IN, RAM), client.write(COMPUTE + SIZE, list_bytes)]
        return [*answers, client.write(COMPUTE + CONTROL, START)]
    if what == "echo":
        return [client.write(ECHO + DATA_IN, rng.randrange(2**16))]
    if what == "reset":
        return [client.write(rng.choice([COMPUTE, ECHO]) + CONTROL, 2)] if rng.random() < 0.2 else []
    if what == "nowhere":
        return [client.read(0x100), client.read(COMPUTE + DATA_IN)]
    register = STATUS if what == "poll" else rng.choice([RESULT, DATA_OUT])
    return [client.read(rng.choice([COMPUTE, COMPUTE, ECHO]) + register)]


def outcome(process, client, ram, seed):
    path, shared, list_bytes, _ = ram
    before = path.read_bytes()
    seen = session(client, shared, list_bytes, seed)
    client.close()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    after = path.read_bytes()
    path.write_bytes(before)
    return seen, json.loads(process.stats.read_text()), after


@needs_sst
def test_a_matmul_in_sst_equals_numpy(sst_server, ram):
    path, shared, list_bytes, (a, b) = ram
    process = sst_server()
    client = process.client()
    client.send(shared)
    client.write(COMPUTE + DATA_IN, RAM)
    client.write(COMPUTE + SIZE, list_bytes)
    client.write(COMPUTE + CONTROL, START)
    assert client.read(COMPUTE + RESULT)[:2] == (1, 0)
    client.end()
    assert process.finish()[0] == 0
    result = np.frombuffer(path.read_bytes(), np.float32, 33 * 17, 0x6000).reshape(33, 17)
    np.testing.assert_allclose(result, a @ b, rtol=1e-4, atol=1e-5)


@needs_sst
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one thread", "two threads"])
def test_random_sessions_are_the_embedded_engines_to_the_cycle(config, server, ram, tmp_path, seed, options):
    sst = config(*options)
    in_sst = outcome(sst, Client(sst.socket), ram, seed)
    reference = server()
    reference.process.stats = reference.stats
    assert in_sst == outcome(reference.process, reference.client(), ram, seed)


@needs_sst
@pytest.mark.skipif(not shutil.which("mpirun"), reason="needs mpirun")
def test_two_ranks_give_the_same_session(config, server, ram):
    ranks = ("mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "2")
    sst = config("--partitioner=sst.linear", before=ranks)
    in_sst = outcome(sst, Client(sst.socket), ram, 1)
    reference = server()
    reference.process.stats = reference.stats
    assert in_sst == outcome(reference.process, reference.client(), ram, 1)


@needs_sst
def test_stopping_early_is_no_success(config):
    sst = config("--stop-at=1us")
    client = Client(sst.socket)
    client.send(request(ADVANCE, data=5000) + request(READ, ECHO + STATUS))
    _, err = sst.communicate(timeout=20)
    assert sst.returncode != 0
    assert re.search(r"acalsim: SST stopped at cycle \d+, before the firmware ended the simulation", err)


@needs_sst
def test_ssts_own_statistics_say_the_same(config, tmp_path):
    sst = config(ours=["--sst-statistics", tmp_path / "s.csv"])
    client = Client(sst.socket)
    client.write(ECHO + DATA_IN, 5)
    client.read(ECHO + DATA_OUT)
    client.end()
    sst.communicate(timeout=20)
    rows = [line.split(",") for line in (tmp_path / "s.csv").read_text().splitlines()]
    total = rows[0].index("Sum.u64")
    sums = {(row[0], row[1]): int(row[total]) for row in rows[1:]}
    assert (sums["echo", "busy_cycles"], sums["echo", "transactions"]) == (LATENCY, 3)
    assert (sums["cpu", "transactions"], sums["cpu", "cycles"]) == (3, LATENCY + 2)


@needs_sst
def test_every_models_report_is_the_embedded_engines(host_tree, sst_library):
    host_tree.scons("-j2", "ENGINE=sst", "all-reports", timeout=600)
    names = sorted(path.name for path in (host_tree / "models").glob("[!_]*.py"))
    assert names
    for name in (name.replace(".py", ".json") for name in names):
        embedded = json.loads((host_tree / "build/reports" / name).read_text())
        in_sst = json.loads((host_tree / "build/default-sst/reports" / name).read_text())
        assert (embedded.pop("engine"), in_sst.pop("engine")) == ("embedded", "sst")
        assert in_sst == embedded
