# SPDX-License-Identifier: Apache-2.0
"""Device reads a second of a guest in QEMU, by the embedded engine and by SST, beside a bare C ping-pong.

    ./run python bench/mmio_roundtrips.py [--rounds 5] [--count 200000]

The bare ping-pong exchanges frames of 20 and 16 bytes over a Unix socket and does nothing else. The guest is
a bare-metal loop of device reads; its time is that of the whole QEMU process, start included. Every round
measures all of them, so that a busy host slows all alike. SST takes part where it is on PATH and `./run scons
ENGINE=sst host` has built its element library.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "site_scons"))

from acalsim_backend.host import qemu  # noqa: E402
from engine_roundtrips import EMBEDDED, SST, report, serve_commands  # noqa: E402

PING_PONG = r"""
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "registers.h"

int main(int argc, char **argv) {
    int pair[2];
    long count = argc > 1 ? atol(argv[1]) : 1;
    struct MMIORequest request = {.size = 4};
    struct MMIOResponse response = {.success = 1};
    struct timespec begin, end;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return 1;
    if (fork() == 0) {
        close(pair[0]);
        while (recv(pair[1], &request, sizeof request, MSG_WAITALL) == sizeof request)
            if (send(pair[1], &response, sizeof response, 0) != sizeof response) return 1;
        return 0;
    }
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (long i = 0; i < count; i++)
        if (send(pair[0], &request, sizeof request, 0) != sizeof request ||
            recv(pair[0], &response, sizeof response, MSG_WAITALL) != sizeof response)
            return 1;
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%f\n", count / (end.tv_sec - begin.tv_sec + (end.tv_nsec - begin.tv_nsec) / 1e9));
    return 0;
}
"""

GUEST = """
    .globl _start
_start:
    li a1, 0x10200000
    li a2, {count}
1:  lw a0, 8(a1)
    addi a2, a2, -1
    bnez a2, 1b
    li a0, 0xdeadbeef
    sw a0, 0(a1)
    j .
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=200_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plugin = qemu.build_plugin(folder)
        pair, guest = compile_pair(folder), compile_guest(folder, options.count)
        simulators = serve_commands(str(folder / "socket"))
        rates: dict[str, list[float]] = {name: [] for name in ("bare ping-pong", *simulators)}
        for _ in range(options.rounds):
            rates["bare ping-pong"].append(
                float(subprocess.check_output([pair, str(options.count)], text=True))
            )
            for name, simulator in simulators.items():
                rates[name].append(options.count / guest_seconds(folder / "socket", simulator, plugin, guest))
    report(rates, {EMBEDDED: 0.8, SST: 0.6})


def compile_pair(folder: Path) -> Path:
    (folder / "pair.c").write_text(PING_PONG)
    subprocess.run(["gcc", "-O2", f"-I{folder}", folder / "pair.c", "-o", folder / "pair"], check=True)
    return folder / "pair"


def compile_guest(folder: Path, count: int) -> Path:
    (folder / "guest.s").write_text(GUEST.format(count=count))
    command = ["riscv64-unknown-elf-gcc", "-march=rv64gc", "-mabi=lp64d"]
    command += ["-nostdlib", "-Wl,-Ttext=0x80000000"]
    subprocess.run([*command, folder / "guest.s", "-o", folder / "guest.elf"], check=True)
    return folder / "guest.elf"


def guest_seconds(socket: Path, simulator: list[str], plugin: Path, guest: Path) -> float:
    """Wall time of one QEMU process with a simulator that has just been started."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "site_scons"), "VERBOSE": "0"}
    socket.unlink(missing_ok=True)
    with subprocess.Popen(simulator, stdout=subprocess.DEVNULL, env=environment) as process:
        while not socket.exists():
            if process.poll() is not None:
                sys.exit(f"mmio_roundtrips: the simulator ended with {process.returncode} before it listened")
            time.sleep(0.01)
        command = [qemu.find_qemu(), "-M", "virt", "-bios", "none", "-display", "none", "-serial", "none"]
        command += ["-monitor", "none", "-kernel", guest]
        command += ["-plugin", plugin, "-device", f"sst-device,socket={socket}"]
        time.sleep(0.2)  # the simulator has made its socket, and is about to wait on it
        begin = time.perf_counter()
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
        return time.perf_counter() - begin


if __name__ == "__main__":
    main()
