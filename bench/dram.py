# SPDX-License-Identifier: Apache-2.0
"""RAM's time by this project's model, and by memHierarchy's timingDRAM with the same channels and banks.

    ./run python bench/dram.py

Prints the cycles that the compute device takes for loads of 64 KiB in several patterns, then the cycles of
whole models. The machine is sim/sst/examples/memhierarchy.toml; for the embedded engine its table [sst] is
left out. Needs `sst` with sst-elements, and the element library that `./run scons ENGINE=sst host` builds.
"""

import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from devices import share
from engine_roundtrips import serve_command
from project import ROOT, simulated

sys.path[:0] = [str(ROOT / "tests")]

from acalsim_backend.errors import AcalsimError  # noqa: E402
from acalsim_backend.host import sst as sst_host  # noqa: E402
from compute_fixtures import load, packed, store  # noqa: E402
from simulator_fixtures import COMPUTE, CONTROL, DATA_IN, RAM, RESULT, SIZE, START, Client  # noqa: E402

MACHINE = ROOT / "sim/sst/examples/memhierarchy.toml"
LIST, BLOCK, LINE = 0x10000, 0x10000, 64
MODELS = {"models": ("mlp", "lenet", "resnet18_32", "bert"), "bench/models": ("gemm256",)}


def rows(bytes_, pitch, count):
    """One LOAD of `count` rows of `bytes_` bytes each, whose starts lie `pitch` bytes apart."""
    return [load(0, RAM + 0x100000, (count, bytes_ // 4), strides=(pitch, 0))]


def scattered(seed=0):
    """LOADs of single lines at random places, BLOCK bytes in all."""
    places = random.Random(seed).sample(range(1 << 16), BLOCK // LINE)
    return [load(LINE * i, RAM + 0x100000 + LINE * place, (1, LINE // 4)) for i, place in enumerate(places)]


def there_and_back():
    """LOADs and STOREs of a tile in turns."""
    tile = (32, 32)
    return [
        one
        for i in range(8)
        for one in (load(4096 * i, RAM + 0x100000 + 4096 * i, tile), store(32, 32, RAM + 0x200000 + 4096 * i))
    ]


PATTERNS = {
    "one stream": rows(BLOCK, BLOCK, 1),
    "rows of 1 KiB, 4 KiB apart": rows(1024, 4096, 64),
    "rows of 256 bytes, 4 KiB apart": rows(256, 4096, 256),
    "rows of 64 bytes, 1,088 bytes apart": rows(64, 1088, 1024),
    "rows of 64 bytes, 32 KiB apart": rows(64, 32768, 1024),
    "lines of 64 bytes by chance": scattered(),
    "loads and stores in turns": there_and_back(),
}


def main():
    try:
        sst_host.find_sst()
        sst_host.find_sst_library()
    except AcalsimError as error:
        sys.exit(f"dram: {error}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        alone = folder / "memhierarchy.toml"
        alone.write_text(re.sub(r"(?m)^\[sst\]\nconfig = .*\n", "", MACHINE.read_text()))
        print(f"{'':37} {'here':>9} {'memHierarchy':>13}")
        for pattern, commands in PATTERNS.items():
            compare(
                pattern, cycles(folder, alone, "embedded", commands), cycles(folder, MACHINE, "sst", commands)
            )
        for models, names in MODELS.items():
            own, other = (
                simulated(machine, names, models, engine=engine)
                for machine, engine in ((alone, "embedded"), (MACHINE, "sst"))
            )
            for model in names:
                compare(model, own[model]["total_cycles"], other[model]["total_cycles"])


def compare(name, own, other):
    print(f"{name:37} {own:9,} {other:13,} {own / other - 1:+7.1%}", flush=True)


def cycles(folder, machine, engine, commands):
    """Cycles that the device takes for one command list."""
    words = packed(*commands)
    ram = folder / "ram"
    ram.write_bytes(bytes(LIST) + words + bytes((1 << 26) - LIST - len(words)))
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "site_scons"), "VERBOSE": "0"}
    command = [*serve_command(str(folder / "socket")), "--engine", engine, "--machine", machine]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        server.stdout.readline()
        client = Client(folder / "socket")
        share(client, ram)
        for register, value in ((DATA_IN, RAM + LIST), (SIZE, len(words)), (CONTROL, START)):
            client.write(COMPUTE + register, value)
        success, value, waited, *_ = client.read(COMPUTE + RESULT)
        if (success, value) != (1, 0):
            sys.exit(f"dram: the device refused its list with {value}")
        client.end()
        server.communicate()
    finally:
        server.kill()
    return waited


if __name__ == "__main__":
    main()
