# SPDX-License-Identifier: Apache-2.0
"""The embedded engine as tests use it: built once a change, served in a thread or as a process."""

import os
import signal
import socket
import struct
import subprocess
import sys
import threading

import pytest
from acalsim_backend.host import engine
from acalsim_backend.host.library import load
from acalsim_backend.machine.file import load_machine
from acalsim_backend.paths import cache_folder
from conftest import ROOT, alone

ECHO, COMPUTE = 0x10200000, 0x10300000
DATA_IN, DATA_OUT, STATUS, CONTROL, SIZE, RESULT = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14
BUSY, DATA_READY, ERROR = 1, 2, 4
START, RESET = 1, 2
READ, WRITE, ADVANCE, HELLO, TEXT, WAIT = range(6)
TEXT_RAM, TEXT_STATISTICS = 1, 2
END = 0xDEADBEEF
RAM = 0x80000000


@pytest.fixture(scope="session")
def engine_library():
    """The engine's library; objects of sources that have not changed are kept between runs."""
    with alone(cache_folder() / ".lock"):
        return engine.build(cache_folder() / "engine")


@pytest.fixture(scope="session")
def embedded(engine_library):
    """The engine's Python module."""
    return load(engine_library)


@pytest.fixture
def simulator(embedded):
    """An engine with the default machine's devices; its RAM is slower."""
    return simulator_of(embedded, load_machine("default"), latency_cycles=20, bytes_per_cycle=8)


def simulator_of(embedded, machine, **ram):
    simulator = embedded.Engine(**{**machine.ram.timing, **ram})
    for device in machine.devices:
        simulator.add_device(device.model, device.name, device.base, dict(device.parameters))
    return simulator


def request(kind, address=0, data=0, size=4):
    """A frame, packed as the protocol says: 20 bytes."""
    return struct.pack("<BBHQQ", kind, size, 0, address, data)


class Client:
    """A client that knows a request's 20 bytes and a response's 16, and no more."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(str(path))

    def send(self, data):
        self.socket.sendall(data)

    def receive(self, size):
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise EOFError(f"{len(data)} of {size} bytes")
            data += part
        return data

    def response(self):
        """(success, data, stall cycles, flags)"""
        success, reserved, data = struct.unpack("<B7sQ", self.receive(16))
        return success, data, int.from_bytes(reserved[:6], "little"), reserved[6]

    def read(self, address, size=4):
        self.send(request(READ, address, 0, size))
        return self.response()

    def write(self, address, data, size=4):
        self.send(request(WRITE, address, data, size))
        return self.response()

    def end(self):
        return self.write(ECHO + DATA_IN, END)

    def close(self):
        self.socket.close()


class Served:
    """An engine served in a thread of this process to one Client."""

    def __init__(self, simulator, folder, description):
        path = folder / "socket"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(1)
        self._result = self._error = None
        self.thread = threading.Thread(target=self._serve, args=(simulator, description), daemon=True)
        self.thread.start()
        self.client = Client(path)

    def _serve(self, simulator, description):
        try:
            self._result = simulator.serve(self.listener.fileno(), description)
        except Exception as error:
            self._error = error

    def result(self):
        """What serve() returned or raised, once it has."""
        self.thread.join(20)
        assert not self.thread.is_alive(), "the server does not end"
        if self._error is not None:
            raise self._error
        return self._result

    def close(self):
        self.client.close()
        self.thread.join(20)
        self.listener.close()


@pytest.fixture
def serve(simulator, tmp_path):
    """Serves an engine (by default the default machine's) in a thread; returns it as Served."""
    served = []

    def start(engine=simulator, description="a machine\n"):
        folder = tmp_path / str(len(served))
        folder.mkdir()
        served.append(Served(engine, folder, description))
        return served[-1]

    yield start
    for one in served:
        one.close()


def heed_signals():
    """In a new process: tests may run where a shell has signals ignored, which it would go on doing."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Process:
    """`python -m acalsim_backend.serve` as a process of its own."""

    def __init__(self, library, folder, *arguments, environment=None, wait=True):
        self.socket, self.stats = folder / "socket", folder / "stats.json"
        command = [sys.executable, "-m", "acalsim_backend.serve", "--socket", str(self.socket)]
        command += ["--stats", str(self.stats), "--library", str(library), *map(str, arguments)]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT / "site_scons"), "VERBOSE": "", **(environment or {})},
            preexec_fn=heed_signals,
        )
        self.first_line = self.process.stdout.readline() if wait else ""

    def client(self):
        return Client(self.socket)

    def finish(self):
        """(status, stdout, stderr) of the process once it has ended."""
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, self.first_line + out, err

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def server(engine_library, tmp_path):
    """Starts `serve` with the default machine and further arguments; returns a Process."""
    processes = []

    def start(*arguments, library=engine_library, folder=tmp_path, **options):
        processes.append(Process(library, folder, *arguments, **options))
        return processes[-1]

    yield start
    for process in processes:
        process.close()
