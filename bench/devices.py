# SPDX-License-Identifier: Apache-2.0
"""Host time of simulating 1 to 64 compute devices, in the embedded engine and in SST.

    ./run python bench/devices.py [--lists 3200] [--sst-options="-n 2"]

In each round every device is started on the same list of 48 commands, then waited for. There are as many
rounds as let all devices together do --lists lists. The host time of a list should not grow with the number
of devices. The simulator's start, in which it builds the machine, is not timed.
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
sys.path[:0] = [str(ROOT / "site_scons"), str(ROOT / "tests")]

from compute_fixtures import load, matmul, packed, store  # noqa: E402
from engine_roundtrips import SST, serve_commands  # noqa: E402
from simulator_fixtures import (  # noqa: E402
    CONTROL,
    DATA_IN,
    RAM,
    RESULT,
    SIZE,
    START,
    TEXT,
    TEXT_RAM,
    Client,
    request,
)

COUNTS = (1, 2, 4, 8, 16, 32, 64)
BASE, STEP = 0x10300000, 0x100000
MACHINE = "[devices.echo]\nbase = 0x10200000\n"
DEVICE = '[devices.compute{}]\nmodel = "compute"\nbase = {:#x}\n'
TILE = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lists", type=int, default=3200)
    parser.add_argument("--sst-options", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(f"{'devices':>16}  {'seconds':>8}  {'ms a list':>9}  {'to 1 device':>11}")
        for name, command in serve_commands(f"{folder}/socket").items():
            command += [f"--sst-options={options.sst_options}"] if name == SST else []
            first = None
            for count in COUNTS:
                rounds = max(1, options.lists // count)
                seconds = measure(Path(folder), command, count, rounds)
                each = 1000 * seconds / (count * rounds)
                first = first or each
                print(f"{name:16} {count:3} {seconds:9.3f}  {each:9.3f}  {each / first:11.2f}", flush=True)


def measure(folder: Path, command: list[str], count: int, rounds: int) -> float:
    """Wall seconds of all rounds on a simulator that has just been started."""
    bases = [BASE + STEP * i for i in range(count)]
    machine, ram = folder / "machine.toml", folder / "ram"
    machine.write_text(MACHINE + "".join(DEVICE.format(i, base) for i, base in enumerate(bases)))
    words = packed(*command_list())
    ram.write_bytes(words.ljust(0x20000, b"\0"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "site_scons"), "VERBOSE": "0"}
    with subprocess.Popen(
        [*command, "--machine", machine], stdout=subprocess.PIPE, text=True, env=environment
    ) as server:
        server.stdout.readline()
        client = Client(folder / "socket")
        share(client, ram)
        begin = time.perf_counter()
        for _ in range(rounds):
            one_round(client, bases, len(words))
        seconds = time.perf_counter() - begin
        client.end()
        server.communicate()
    return seconds


def command_list() -> list:
    """Products of tiles: two loads, a product and a store, twelve times over."""
    tile, bytes_ = (TILE, TILE), TILE * TILE * 4
    work = [load(0, RAM + 0x10000, tile), load(bytes_, RAM + 0x12000, tile)]
    return (work + [matmul(TILE, TILE, TILE, b=bytes_), store(TILE, TILE, RAM + 0x18000)]) * 12


def share(client: Client, ram: Path) -> None:
    text = f"{RAM:#x} {ram.stat().st_size:#x} 0x0 {ram}".encode()
    client.send(request(TEXT, size=TEXT_RAM, data=len(text)) + text)
    client.read(BASE + CONTROL)


def one_round(client: Client, bases: list[int], list_bytes: int) -> None:
    for base in bases:
        for register, value in ((DATA_IN, RAM), (SIZE, list_bytes), (CONTROL, START)):
            client.write(base + register, value)
    for base in bases:
        if client.read(base + RESULT)[:2] != (1, 0):
            sys.exit(f"devices: the device at {base:#x} refused its list")


if __name__ == "__main__":
    main()
