# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: F811 (fixtures are imported by name, then asked for by the same name)
"""SST as the engine: its element library, and the same numbers as the embedded engine's."""

import json
import random
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from acalsim_backend.errors import MachineError
from acalsim_backend.host.sst import OLDEST, is_too_old
from acalsim_backend.machine.device import DEVICE_MODELS
from acalsim_backend.machine.file import load_machine
from compute_fixtures import NOP, SYNC, command, load, matmul, packed, store
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
    ROOT,
    SIZE,
    START,
    STATUS,
    TEXT,
    TEXT_RAM,
    TEXT_STATISTICS,
    WAIT,
    WRITE,
    Client,
    engine_library,
    request,
    server,
)

needs_sst = pytest.mark.skipif(not (shutil.which("sst") and shutil.which("sst-config")), reason="needs sst")
INTERRUPT = 4
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
    return lambda *arguments, **options: server(
        "--engine", "sst", *arguments, environment=environment, **options
    )


@pytest.fixture
def config(sst_library, tmp_path):
    """Starts `sst` on the configuration itself, with SST's own options and ours."""
    started = []

    def start(*options, before=(), ours=(), script="config.py", nodes=("",)):
        folder = tmp_path / str(len(started))
        folder.mkdir()
        command = [
            *before,
            "sst",
            *options,
            f"--add-lib-path={sst_library.parent}",
            f"sim/sst/{script}",
            "--",
        ]
        command += [
            "--socket",
            str(folder / "socket"),
            "--stats",
            str(folder / "stats.json"),
            *map(str, ours),
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        process.socket, process.stats = folder / "socket", folder / "stats.json"
        said = {process.stdout.readline() for _ in nodes}
        assert said == {f"listening on {process.socket}{node}\n" for node in nodes}
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
        own = text[text.index(f"{model.name.capitalize()}Device") :]
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


# --- The same numbers ------------------------------------------------------------------------------


OTHER = COMPUTE + 0x100000
MACHINE = """
[ram]
channels = 2
interleave_bytes = 64
row_bytes = 512
row_miss_cycles = 9
[devices.echo]
base = 0x10200000
[devices.compute]
base = 0x10300000
[devices.other]
base = 0x10400000
model = "compute"
dataflow = "os"
rows = 4
"""


@pytest.fixture
def machine(tmp_path):
    """A machine whose two compute devices get in each other's way."""
    path = tmp_path / "two.toml"
    path.write_text(MACHINE)
    return path


@pytest.fixture
def ram(tmp_path):
    """A guest's RAM file with a list of commands in it, and what shares it."""
    path = tmp_path / "ram"
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((33, 20), np.float32), rng.standard_normal((20, 17), np.float32)
    operands = [load(0, RAM + 0x1000, a.shape), load(0x1000, RAM + 0x3000, b.shape)]
    again = [
        load(0, RAM + 0x3000, (2, 5, 20), padding=(1, 0, 1, 0)),
        matmul(33, 17, 20, "ACCUMULATE", b=0x1000),
    ]
    commands = [*operands, matmul(33, 17, 20, b=0x1000), store(33, 17, RAM + 0x6000), *again, SYNC]
    commands += [
        load(0, RAM + 0x6000, (5, 17), strides=(136, 0)),
        store(33, 17, RAM + 0x9000, "RESIDUAL", a=0x2000),
    ]
    image = bytearray(0x10000)
    image[: len(packed(*commands))] = packed(*commands)
    image[0x1000 : 0x1000 + a.nbytes] = a.tobytes()
    image[0x3000 : 0x3000 + b.nbytes] = b.tobytes()
    path.write_bytes(image)
    text = f"{RAM:#x} {len(image):#x} 0x0 {path}".encode()
    return path, request(TEXT, size=TEXT_RAM, data=len(text)) + text, len(packed(*commands)), (a, b)


def session(client, shared, list_bytes, seed):
    """Random accesses around random work, polls included; what the client saw of them."""
    rng = random.Random(seed)
    client.send(shared)
    seen = []
    for _ in range(250):
        what = rng.choice(["start", "sleep", "poll", "poll", "poll", "echo", "result", "reset", "nowhere"])
        client.send(
            request(ADVANCE, rng.choice([0, 0, 64, 3000]) << 32, rng.choice([0, 0, 1, 2, 7, 60, 400]))
        )
        seen += access(client, what, rng, list_bytes)
    seen.append(client.end())
    return seen


def access(client, what, rng, list_bytes):
    if what == "start":
        return start(client, rng.choice([COMPUTE, OTHER]), list_bytes)
    if what == "sleep":
        devices = rng.choice([[COMPUTE], [OTHER], [COMPUTE, OTHER], [OTHER, COMPUTE]])
        answers = [answer for device in devices for answer in start(client, device, list_bytes, INTERRUPT)]
        client.send(request(ADVANCE, data=rng.choice([0, 5, 2000])) + request(WAIT))
        return [*answers, client.response()]
    if what == "echo":
        return [client.write(ECHO + DATA_IN, rng.randrange(2**16))]
    if what == "reset":
        return [client.write(rng.choice([COMPUTE, OTHER, ECHO]) + CONTROL, 2)] if rng.random() < 0.2 else []
    if what == "nowhere":
        return [client.read(0x100), client.read(COMPUTE + DATA_IN)]
    register = STATUS if what == "poll" else rng.choice([RESULT, DATA_OUT])
    return [client.read(rng.choice([COMPUTE, OTHER, ECHO]) + register)]


def start(client, device, list_bytes, flags=0):
    answers = [client.write(device + DATA_IN, RAM), client.write(device + SIZE, list_bytes)]
    return [*answers, client.write(device + CONTROL, START | flags)]


def outcome(process, client, ram, seed):
    path, shared, list_bytes, _ = ram
    before = path.read_bytes()
    seen = session(client, shared, list_bytes, seed)
    client.close()
    assert_success(process)
    after = path.read_bytes()
    path.write_bytes(before)
    return seen, json.loads(process.stats.read_text()), after


def assert_success(process):
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err


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
@pytest.mark.parametrize(("seed", "options"), [(0, ()), (1, ()), (2, ()), (3, ("-n", "2")), (4, ("-n", "2"))])
def test_random_sessions_are_the_embedded_engines_to_the_cycle(config, server, ram, machine, seed, options):
    sst = config(*options, ours=["--machine", machine])
    in_sst = outcome(sst, Client(sst.socket), ram, seed)
    reference = server("--machine", machine)
    reference.process.stats = reference.stats
    assert in_sst == outcome(reference.process, reference.client(), ram, seed)


@needs_sst
def test_devices_that_ask_for_dma_in_one_cycle_have_the_same_order(config, server, tmp_path):
    """The upper device's 16 NOPs take as long as the lower one's list, which is fetched after them."""
    machine, path = tmp_path / "tie.toml", tmp_path / "ram"
    machine.write_text(MACHINE[MACHINE.index("[devices.echo]") :])
    upper, lower = [*[NOP] * 16, load(0, RAM, (64, 16))], [load(0, RAM, (32, 16))]
    path.write_bytes((packed(*upper) + packed(*lower)).ljust(0x10000, b"\0"))
    text = f"{RAM:#x} 0x10000 0x0 {path}".encode()

    def stalls(client):
        client.send(request(TEXT, size=TEXT_RAM, data=len(text)) + text)
        for base, address, commands in ((OTHER, RAM, upper), (COMPUTE, RAM + len(packed(*upper)), lower)):
            for register, value in ((DATA_IN, address), (SIZE, len(packed(*commands))), (CONTROL, START)):
                client.write(base + register, value)
        seen = [client.read(COMPUTE + RESULT), client.read(OTHER + RESULT), client.end()]
        return [stall for _, _, stall, _ in seen]

    started, lists, latency, decoded = 3, 18 * 16, 20, 1
    expected = [lists + latency + decoded - started + 256 + latency, 512, 1]
    sst = config(ours=["--machine", machine])
    assert stalls(Client(sst.socket)) == stalls(server("--machine", machine).client()) == expected


@needs_sst
@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one thread", "two threads"])
@pytest.mark.parametrize("sleeps", [False, True], ids=["stalled", "asleep"])
def test_devices_send_each_other_tiles_and_signals_in_the_same_cycles(
    config, server, machine, tmp_path, options, sleeps
):
    """(A B) B by way of the other device's scratchpad, and a signal back."""
    path = tmp_path / "ram"
    rng = np.random.default_rng(7)
    a, b = rng.standard_normal((12, 10), np.float32), rng.standard_normal((10, 10), np.float32)
    to_other, to_first = command("SIGNAL", dram=OTHER << 32), command("SIGNAL", dram=COMPUTE << 32)
    first = [
        load(0, RAM + 0x4000, a.shape),
        load(0x1000, RAM + 0x5000, b.shape),
        matmul(12, 10, 10, b=0x1000),
    ]
    first += [store(12, 10, OTHER << 32 | 0x2000), to_other, command("AWAIT", m=1)]
    other = [
        load(0x1000, RAM + 0x5000, b.shape),
        command("AWAIT", m=1),
        matmul(12, 10, 10, a=0x2000, b=0x1000),
    ]
    other += [store(12, 10, RAM + 0x6000), to_first]
    image = bytearray(0x10000)
    for place, data in (
        (0, packed(*first)),
        (0x2000, packed(*other)),
        (0x4000, a.tobytes()),
        (0x5000, b.tobytes()),
    ):
        image[place : place + len(data)] = data
    text = f"{RAM:#x} {len(image):#x} 0x0 {path}".encode()

    def answers(client):
        path.write_bytes(image)
        client.send(request(TEXT, size=TEXT_RAM, data=len(text)) + text)
        seen = []
        for base, address, commands in ((OTHER, RAM + 0x2000, other), (COMPUTE, RAM, first)):
            for register, value in (
                (DATA_IN, address),
                (SIZE, len(packed(*commands))),
                (CONTROL, START | INTERRUPT * sleeps),
            ):
                seen.append(client.write(base + register, value))
        if sleeps:
            client.send(request(WAIT))
            seen.append(client.response())
        seen += [client.read(OTHER + RESULT), client.read(COMPUTE + RESULT), client.end()]
        return seen, np.frombuffer(path.read_bytes(), np.float32, 120, 0x6000).reshape(12, 10).copy()

    sst = config(*options, ours=["--machine", machine])
    (in_sst, values), (embedded, expected) = (
        answers(Client(sst.socket)),
        answers(server("--machine", machine).client()),
    )
    assert in_sst == embedded and np.array_equal(values, expected)
    np.testing.assert_allclose(values, a @ b @ b, rtol=1e-4, atol=1e-4)


@needs_sst
def test_devices_that_interrupt_in_one_cycle_wake_the_cpu_together(config, server, tmp_path):
    """The stall is booked to what the lowest one did, here no stage of an engine."""
    path = tmp_path / "ram"
    path.write_bytes(packed(NOP).ljust(0x1000, b"\0"))
    text = f"{RAM:#x} 0x1000 0x0 {path}".encode()

    def answers(process, client):
        client.send(request(TEXT, size=TEXT_RAM, data=len(text)) + text)
        start(client, COMPUTE, len(packed(NOP)))
        work = 1 + client.read(COMPUTE + RESULT)[2]
        client.write(ECHO + CONTROL, INTERRUPT)
        start(client, COMPUTE, len(packed(NOP)), INTERRUPT)
        client.send(request(ADVANCE, data=work - LATENCY - 2))
        client.write(ECHO + DATA_IN, 1)
        client.send(request(ADVANCE, 7) + request(WAIT))
        seen = [client.response(), client.end()]
        client.close()
        process.communicate(timeout=20)
        return seen, json.loads(process.stats.read_text())["stalls"]

    sst, reference = config(), server()
    reference.process.stats = reference.stats
    seen, stalls = answers(sst, Client(sst.socket))
    assert (seen, stalls) == answers(reference.process, reference.client())
    assert seen == [(1, 3 << 4, LATENCY, 0), (1, 0, 1, 1)]
    assert stalls["7"] == {
        "access": LATENCY,
        **dict.fromkeys(("fetch", "load", "compute", "store", "dram"), 0),
    }


@needs_sst
@pytest.mark.parametrize(
    "before", [b"", request(WRITE, ECHO + CONTROL, INTERRUPT)], ids=["nothing", "one before"]
)
def test_a_wait_that_nothing_could_end_is_the_same_error(sst_server, server, before):
    said = []
    for start in (sst_server, server):
        process = start()
        client = process.client()
        client.send(before + request(WRITE, ECHO + DATA_IN, 1) * bool(before) + request(WAIT) * 2)
        said.append(process.finish())
    status, _, err = said[0]
    assert status == 1 and err.startswith("serve: the CPU waits for an interrupt (wfi) at cycle ")
    assert err == said[1][2]


needs_mpirun = pytest.mark.skipif(not shutil.which("mpirun"), reason="needs mpirun")
RANKS = "mpirun --allow-run-as-root --oversubscribe -n 2"


@needs_sst
@needs_mpirun
def test_two_ranks_give_the_same_session(config, server, ram, machine):
    sst = config("--partitioner=sst.linear", before=RANKS.split(), ours=["--machine", machine])
    in_sst = outcome(sst, Client(sst.socket), ram, 1)
    reference = server("--machine", machine)
    reference.process.stats = reference.stats
    assert in_sst == outcome(reference.process, reference.client(), ram, 1)


# --- Many nodes -----------------------------------------------------------------------------------


@needs_sst
@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one thread", "two threads"])
def test_each_node_of_a_cluster_is_the_machine_alone(config, server, ram, machine, options):
    _, shared, list_bytes, _ = ram  # which all nodes leave as they found it, but for results
    nodes = {f".node{node}": node for node in range(3)}
    ours = ["--machine", machine, "--nodes", len(nodes)]
    sst = config(*options, ours=ours, script="examples/cluster.py", nodes=nodes)
    with ThreadPoolExecutor() as pool:
        clients = {node: Client(f"{sst.socket}{node}") for node in nodes}
        sessions = {
            node: pool.submit(session, clients[node], shared, list_bytes, nodes[node]) for node in nodes
        }
        in_sst = {node: one.result(60) for node, one in sessions.items()}
    assert_success(sst)
    for node, seed in nodes.items():
        alone = server("--machine", machine)
        assert in_sst[node] == session(alone.client(), shared, list_bytes, seed)
        assert_success(alone.process)
        assert json.loads(Path(f"{sst.stats}{node}").read_text()) == json.loads(alone.stats.read_text())


# --- SST's own elements ---------------------------------------------------------------------------


def needs_element(name):
    ask = ["sst-info", name]
    has_it = (
        shutil.which(ask[0])
        and "ELEMENT LIBRARY" in subprocess.run(ask, capture_output=True, text=True).stdout
    )
    return pytest.mark.skipif(not has_it, reason=f"needs {name} of sst-elements")


@needs_sst
@pytest.mark.parametrize(
    "example",
    [
        pytest.param("memhierarchy", marks=needs_element("memHierarchy")),
        pytest.param("network", marks=needs_element("merlin")),
    ],
)
def test_ssts_memory_and_network_change_the_time_and_nothing_else(sst_server, server, ram, example):
    path, shared, list_bytes, _ = ram
    before = path.read_bytes()

    def work(process):
        client = process.client()
        client.send(shared)
        answers = [*start(client, COMPUTE, list_bytes), client.read(COMPUTE + RESULT), client.end()]
        assert_success(process.process)
        after = path.read_bytes()
        path.write_bytes(before)
        return [answer[:2] for answer in answers], after, answers[-2][2]

    example = ROOT / f"sim/sst/examples/{example}.toml"
    *in_sst, cycles = work(sst_server("--machine", example))
    *alone, other_cycles = work(server())
    assert in_sst == alone and cycles != other_cycles


def test_a_configuration_for_sst_that_is_not_there_is_told(tmp_path):
    path = tmp_path / "machine.toml"
    path.write_text('[sst]\nconfig = "nowhere.py"\n[devices.echo]\nbase = 0x10200000\n')
    with pytest.raises(
        MachineError, match=r"machine.toml: sst.config is 'nowhere.py'; there is no file '.*/nowhere.py'$"
    ):
        load_machine(str(path))


def test_a_machine_with_a_configuration_for_sst_is_no_machine_of_the_embedded_engine(server):
    process = server("--machine", ROOT / "sim/sst/examples/network.toml")
    status, _, err = process.finish()
    assert status == 1 and err.endswith("sst.config says more than this engine knows; it needs ENGINE=sst\n")


# --- What users of SST know -----------------------------------------------------------------------


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


# --- The pipeline ---------------------------------------------------------------------------------


def test_options_for_sst_are_refused_where_sst_is_not_asked_for(host_tree):
    done = host_tree.scons("-n", "SST_OPTIONS=-n 2", "sim-matmul", check=False)
    assert done.returncode == 2 and done.stderr == "scons: SST_OPTIONS is '-n 2', which needs ENGINE=sst\n"


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
