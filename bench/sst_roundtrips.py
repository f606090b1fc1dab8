# SPDX-License-Identifier: Apache-2.0
"""Round trips a second over the same kind of socket: a bare C ping-pong, the embedded engine, SST.

    ./run python bench/sst_roundtrips.py [--rounds 7] [--count 100000] [--sst-library FILE.so]

As engine_roundtrips.py, with SST as a third server; needs `sst` and the library that
`./run scons ENGINE=sst host` builds. Rounds alternate, so that a busy host hits all alike.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path

from engine_roundtrips import compile_program, round_trips, serve_command


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--sst-library", help="the element library, if not build/host-sst's")
    options = parser.parse_args()
    if options.sst_library:
        os.environ["ACALSIM_SST_LIBRARY"] = options.sst_library
    with tempfile.TemporaryDirectory() as folder:
        program = compile_program(Path(folder))
        socket = str(Path(folder, "socket"))
        embedded = serve_command(socket)
        servers = {
            "bare ping-pong": [program, socket],
            "embedded engine": embedded,
            "SST": [*embedded, "--engine", "sst"],
        }
        rates: dict[str, list[float]] = {name: [] for name in servers}
        for _ in range(options.rounds):
            for name, command in servers.items():
                rates[name].append(round_trips(command, program, socket, options.count))
    report(rates)


def report(rates: dict[str, list[float]]) -> None:
    bare = rates["bare ping-pong"]
    for name, values in rates.items():
        ratio = statistics.median(mine / theirs for mine, theirs in zip(values, bare, strict=True))
        print(
            f"{name:16} {statistics.median(values):9,.0f} round trips/s  "
            f"({min(values):,.0f} .. {max(values):,.0f})  ratio {ratio:.2f}"
        )
    print("targets: embedded engine at least 0.80, SST at least 0.60")


if __name__ == "__main__":
    main()
