# SPDX-License-Identifier: Apache-2.0
"""The timing command on 10,000 random matrix products: its seconds, and its cycles beside the formulas'.

    ./run python bench/array_cases.py [--cases 10000] [--rounds 3]

Cases have arrays of 4 to 128 rows and columns, sizes up to 4096, and every dataflow and overlap; half of them
fetch their operands through a DMA channel. The formulas are those of tests/array_formulas.py, which were
confirmed on RTL and share no code with the model. They walk tile by tile, which the model does not, so that a
case has at most 100,000 tiles. Seconds are those of the whole command, its start included.
"""

import argparse
import csv
import io
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from project import ROOT

sys.path.insert(0, str(ROOT / "tests"))

from array_formulas import MODES, NO_FETCH, ceil_divide, expected  # noqa: E402

HEADER = (
    "dataflow",
    "overlap",
    "rows",
    "cols",
    "M",
    "N",
    "K",
    "tile_m",
    "bw_bytes_per_cycle",
    "latency",
    "depth",
)
SECONDS = 5
"""The most seconds for all cases."""
MEAN, MEAN_FETCHED = 0.005, 0.03
"""The largest mean error: with operands ready, and with operands that come by DMA."""
LARGEST = 0.01
"""The largest error of a case with operands ready; errors of up to rows + columns cycles are let pass."""
MOST_TILES = 100_000


def case(chooser, mode, fetched):
    """One row of cases.csv. Sizes lie as often between 1 and 64 as between 64 and 4096."""
    while True:
        rows, columns = (chooser.choice([4, 8, 16, 32, 64, 128]) for _ in range(2))
        m, n, k, tile_m = (round(2 ** chooser.uniform(0, 12)) for _ in range(4))
        tile_m = chooser.choice([0, tile_m])
        chunk = tile_m or (m if mode[0] == "ws" else rows)
        chunk_tiles = ceil_divide(k, rows) if mode[0] == "ws" else ceil_divide(chunk, rows)
        if ceil_divide(n, columns) * ceil_divide(m, chunk) * chunk_tiles <= MOST_TILES:
            fetch = (
                (chooser.randint(1, 256), chooser.randint(0, 300), chooser.randint(1, 16))
                if fetched
                else NO_FETCH
            )
            return (*mode, rows, columns, m, n, k, tile_m, *fetch)


def timed(cases, rounds):
    """What the timing command says and takes: (cycles of each case, seconds of each round)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "cases.csv")
        with open(path, "w", newline="") as stream:
            csv.writer(stream).writerows([HEADER, *cases])
        command, times = [sys.executable, "-m", "acalsim_backend.timing", str(path)], []
        for _ in range(rounds):
            start = time.perf_counter()
            done = subprocess.run(
                command,
                check=True,
                capture_output=True,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT / "site_scons")},
            )
            times.append(time.perf_counter() - start)
    return [int(row["cycles"]) for row in csv.DictReader(io.StringIO(done.stdout))], times


def report(mode, fetched, cases, cycles):
    """Print the line of one group of cases; return whether it is as wanted."""
    right = [expected(*each) for each in cases]
    off = [abs(found - wanted) for found, wanted in zip(cycles, right, strict=True)]
    errors = [each / wanted for each, wanted in zip(off, right, strict=True)]
    beyond = sum(
        each > max(LARGEST * wanted, rows + columns)
        for each, wanted, (_, _, rows, columns, *_) in zip(off, right, cases, strict=True)
    )
    mean = statistics.mean(errors)
    print(
        f"{mode[0]:9} {mode[1]:8} {'DMA' if fetched else 'ready':9} {len(cases):6,} "
        f"{sum(each == 0 for each in off):7,} {mean:11.3%} {max(errors):14.3%} {beyond:7}"
    )
    return mean <= MEAN_FETCHED if fetched else mean <= MEAN and not beyond


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    chooser = random.Random(0)
    kinds = [(mode, fetched) for mode in MODES for fetched in (False, True)]
    groups = [kinds[index % len(kinds)] for index in range(options.cases)]
    cases = [case(chooser, *group) for group in groups]
    cycles, times = timed(cases, options.rounds)
    print(
        f"{len(cases):,} cases: {statistics.median(times):.2f} s "
        f"({min(times):.2f} to {max(times):.2f}; wanted: less than {SECONDS})"
    )
    print(
        f"{'dataflow':9} {'overlap':8} {'operands':9} {'cases':>6} {'exact':>7} "
        f"{'mean error':>11} {'largest error':>14} {'beyond':>7}"
    )
    right = statistics.median(times) < SECONDS
    for group in kinds:
        found = [
            pair for pair, kind in zip(zip(cases, cycles, strict=True), groups, strict=True) if kind == group
        ]
        right &= report(*group, *zip(*found, strict=True))
    print(
        f"wanted: mean error {MEAN:.1%} at most, behind DMA {MEAN_FETCHED:.0%}; "
        f"none beyond {LARGEST:.0%} or rows + columns cycles"
    )
    return int(not right)


if __name__ == "__main__":
    sys.exit(main())
