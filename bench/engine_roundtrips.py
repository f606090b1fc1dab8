# SPDX-License-Identifier: Apache-2.0
"""Round trips a second of the embedded engine and of SST, beside those of a bare C server on the same socket.

    ./run python bench/engine_roundtrips.py [--rounds 7] [--count 100000]

One C client reads the Echo device's STATUS --count times from each. The bare server receives 20 bytes, sends
16 and does nothing else. Every round measures all of them, so that a busy host slows all alike. SST takes
part where it is on PATH and `./run scons ENGINE=sst host` has built its element library.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "site_scons"))

from acalsim_backend.errors import AcalsimError  # noqa: E402
from acalsim_backend.host import engine  # noqa: E402
from acalsim_backend.host import sst as sst_host  # noqa: E402
from acalsim_backend.machine.headers import registers_header  # noqa: E402

EMBEDDED, SST = "embedded engine", "SST"

SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "registers.h"

static struct sockaddr_un address = {.sun_family = AF_UNIX};

static void expect(int ok, const char *what) {
    if (!ok) { perror(what); exit(1); }
}

static int bare_server(void) {
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    struct MMIORequest request;
    struct MMIOResponse response = {.success = 1};
    expect(bind(listener, (void *)&address, sizeof address) == 0, "bind");
    expect(listen(listener, 1) == 0, "listen");
    puts("listening");
    fflush(stdout);
    int peer = accept(listener, 0, 0);
    while (recv(peer, &request, sizeof request, 0) == sizeof request)
        expect(send(peer, &response, sizeof response, 0) == sizeof response, "send");
    return 0;
}

static void access_device(int peer, int type, uint64_t addr, uint64_t data) {
    struct MMIORequest request = {.type = type, .size = 4, .addr = addr, .data = data};
    struct MMIOResponse response;
    expect(send(peer, &request, sizeof request, 0) == sizeof request, "send");
    expect(recv(peer, &response, sizeof response, MSG_WAITALL) == sizeof response, "recv");
}

static int client(uint64_t base, long count) {
    int peer = socket(AF_UNIX, SOCK_STREAM, 0);
    struct timespec begin, end;
    expect(connect(peer, (void *)&address, sizeof address) == 0, "connect");
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (long i = 0; i < count; i++) access_device(peer, REQUEST_READ, base + REG_STATUS, 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    access_device(peer, REQUEST_WRITE, base + REG_DATA_IN, END_OF_SIMULATION);
    printf("%f\n", count / (end.tv_sec - begin.tv_sec + (end.tv_nsec - begin.tv_nsec) / 1e9));
    return 0;
}

int main(int argc, char **argv) {
    strcpy(address.sun_path, argv[1]);
    return argc == 2 ? bare_server() : client(strtoull(argv[2], 0, 16), atol(argv[3]));
}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--count", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program = compile_program(Path(folder))
        socket = str(Path(folder, "socket"))
        servers = {"bare ping-pong": [program, socket], **serve_commands(socket)}
        rates: dict[str, list[float]] = {name: [] for name in servers}
        for _ in range(options.rounds):
            for name, command in servers.items():
                rates[name].append(round_trips(command, program, socket, options.count))
    report(rates, {EMBEDDED: 0.8, SST: 0.6})


def compile_program(folder: Path) -> str:
    (folder / "registers.h").write_text(registers_header())
    source, program = folder / "roundtrips.c", folder / "roundtrips"
    source.write_text(SOURCE)
    subprocess.run(["gcc", "-O2", "-D_GNU_SOURCE", str(source), "-o", str(program)], check=True)
    return str(program)


def serve_commands(socket: str) -> dict[str, list[str]]:
    """The command that serves the socket, by engine. SST is left out, with a line, where it is missing."""
    embedded = serve_command(socket)
    try:
        sst_host.find_sst(), sst_host.find_sst_library()
    except AcalsimError as error:
        print(f"{SST:18} left out: {error}")
        return {EMBEDDED: embedded}
    return {EMBEDDED: embedded, SST: [*embedded, "--engine", "sst"]}


def serve_command(socket: str) -> list[str]:
    """The command that serves the socket with the embedded engine."""
    library = str(engine.build(ROOT / "build/tests/engine"))
    return [sys.executable, "-m", "acalsim_backend.serve", "--socket", socket, "--library", library]


def round_trips(server: list[str], program: str, socket: str, count: int) -> float:
    """Round trips a second of one client with one server that has just been started."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "site_scons"), "VERBOSE": "0"}
    Path(socket).unlink(missing_ok=True)
    with subprocess.Popen(server, stdout=subprocess.PIPE, text=True, env=environment) as process:
        process.stdout.readline()
        client = [program, socket, "10200000", str(count)]
        rate = float(subprocess.run(client, check=True, capture_output=True, text=True).stdout)
        process.communicate(timeout=10)
    return rate


def report(rates: dict[str, list[float]], targets: dict[str, float]) -> None:
    """Print a line for each server: its rate, and the median of its rate over the first server's."""
    bare = next(iter(rates.values()))
    for name, values in rates.items():
        low, middle, high = min(values), statistics.median(values), max(values)
        ratio = statistics.median(mine / theirs for mine, theirs in zip(values, bare, strict=True))
        target = f"  (target: at least {targets[name]})" if name in targets else ""
        print(
            f"{name:18} {middle:9,.0f} round trips/s  ({low:,.0f} .. {high:,.0f})  ratio {ratio:.2f}{target}"
        )


if __name__ == "__main__":
    main()
