# SPDX-License-Identifier: Apache-2.0
"""SST as tests start it: the element library, `serve` on it, `sst` itself; a machine and RAM to simulate."""

import json
import random
import shutil
import subprocess

import numpy as np
import pytest
from compute_fixtures import SYNC, load, matmul, packed, store
from conftest import Tree
from simulator_fixtures import (
    ADVANCE,
    COMPUTE,
    CONTROL,
    DATA_IN,
    DATA_OUT,
    ECHO,
    RAM,
    RESULT,
    SIZE,
    START,
    STATUS,
    TEXT,
    TEXT_RAM,
    WAIT,
    request,
)

needs_sst = pytest.mark.skipif(not (shutil.which("sst") and shutil.which("sst-config")), reason="needs sst")
INTERRUPT = 4

LATENCY = 10
"""Of the default machine's Echo device."""


@pytest.fixture(scope="session")
def sst_tree(made_once, tree_of_all):
    """A tree in which the element library is built, by the pipeline itself, for all workers."""

    def build(folder):
        shutil.copytree(tree_of_all, folder, symlinks=True, dirs_exist_ok=True)
        Tree(folder).scons("-j2", "ENGINE=sst", "host", timeout=600)

    return Tree(made_once("sst-tree", build))


@pytest.fixture(scope="session")
def sst_library(sst_tree):
    return sst_tree / "build/host-sst/libacalsim.so"


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
def two_computes(tmp_path):
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


def has_element(name):
    """Whether SST has that element library."""
    ask = ["sst-info", name]
    return (
        bool(shutil.which(ask[0]))
        and "ELEMENT LIBRARY" in subprocess.run(ask, capture_output=True, text=True).stdout
    )


needs_mpirun = pytest.mark.skipif(not shutil.which("mpirun"), reason="needs mpirun")
RANKS = "mpirun --allow-run-as-root --oversubscribe -n 2"
