# SPDX-License-Identifier: Apache-2.0
"""Seconds for 10,000 random matrix products through the timing command, its start included.

    ./run python bench/timing.py [--cases 10000] [--rounds 5] [--library FILE.so]

Arrays of 4 to 128 rows and columns, sizes up to 4096, every dataflow and overlap, half of them
with a DMA channel. The target is less than 5 s.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEADER = "dataflow,overlap,rows,cols,M,N,K,tile_m,bw_bytes_per_cycle,latency,depth"
LARGEST = 4096


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--library", help="the engine's library, if not build/host's")
    options = parser.parse_args()
    chooser = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "cases.csv")
        path.write_text("\n".join([HEADER, *(case(chooser) for _ in range(options.cases))]) + "\n")
        command = [sys.executable, "-m", "acalsim_backend.timing", str(path)]
        command += ["--library", options.library] if options.library else []
        report(options.cases, [seconds(command) for _ in range(options.rounds)])


def case(chooser: random.Random) -> str:
    fetch = (chooser.randint(1, 256), chooser.randint(0, 300), chooser.randint(1, 16))
    fields = (
        chooser.choice(["ws", "os"]),
        chooser.choice(["serial", "single", "double"]),
        *(chooser.choice([4, 8, 16, 32, 64, 128]) for _ in range(2)),
        *(chooser.randint(1, LARGEST) for _ in range(3)),
        chooser.choice(["", chooser.randint(1, LARGEST)]),
        *chooser.choice([fetch, ("", "", "")]),
    )
    return ",".join(map(str, fields))


def seconds(command: list[str]) -> float:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "site_scons")}
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - start


def report(cases: int, times: list[float]) -> None:
    print(
        f"{cases:,} cases: {statistics.median(times):.2f} s  ({min(times):.2f} .. {max(times):.2f}; target: 5)"
    )


if __name__ == "__main__":
    main()
