# SPDX-License-Identifier: Apache-2.0
"""Round trips a second of 1 to 8 nodes in one SST simulation: on one thread, on two threads, in two ranks.

    ./run python bench/cluster.py [--count 20000]

Each node has a C client of its own that reads a register --count times; all clients run at once, and the sum
of their rates is printed. Needs `sst` and the element library that `./run scons ENGINE=sst host` builds;
ranks need `mpirun`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "site_scons"))

from acalsim_backend.errors import AcalsimError  # noqa: E402
from acalsim_backend.host import sst as sst_host  # noqa: E402
from engine_roundtrips import compile_program  # noqa: E402

WAYS = {
    "one thread": ["sst"],
    "two threads": ["sst", "-n", "2"],
    "two ranks": ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "2", "sst"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000)
    options = parser.parse_args()
    try:
        sst_host.find_sst()
        library = sst_host.find_sst_library().parent
    except AcalsimError as error:
        sys.exit(f"cluster: {error}")
    with tempfile.TemporaryDirectory() as folder:
        program = compile_program(Path(folder))
        for name, way in WAYS.items():
            if not shutil.which(way[0]):
                print(f"{name:12} left out: needs {way[0]}")
                continue
            for nodes in (1, 2, 4, 8):
                command = [*way, f"--add-lib-path={library}", str(ROOT / "sim/sst/examples/cluster.py"), "--"]
                rate = measure(Path(folder), command, program, nodes, options.count)
                print(f"{name:12} {nodes:2} nodes {rate:9,.0f} round trips/s", flush=True)


def measure(folder: Path, command: list[str], program: str, nodes: int, count: int) -> float:
    """Round trips a second of all nodes together, by the slowest client's rate."""
    socket = folder / "socket"
    command = [*command, "--socket", str(socket), "--nodes", str(nodes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        for _ in range(nodes):
            server.stdout.readline()
        clients = [
            subprocess.Popen(
                [program, f"{socket}.node{node}", "10200000", str(count)], stdout=subprocess.PIPE, text=True
            )
            for node in range(nodes)
        ]
        rates = [float(client.communicate()[0]) for client in clients]
        server.communicate()
    return nodes * min(rates)


if __name__ == "__main__":
    main()
