# SPDX-License-Identifier: Apache-2.0
"""Random graphs on random machines in every precision, held to PyTorch.

    ./run python bench/differential.py [--minutes 15] [--seed 1] [--first 0]
    ./run python bench/differential.py --seed 1 --case 7     one batch again, and what is wrong with it, made small

A batch is 20 graphs, which are one program, on one machine in one precision; the same seed and number make the same
batch on every computer. Prints each finding as a model file and a machine file, and at the end how many graphs ran,
passed and were refused for what reasons. The exit status is 1 where there is a finding.
"""

import argparse
import os
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "site_scons"), str(ROOT / "tests")]
warnings.filterwarnings("ignore", module="torch")

import torch  # noqa: E402
from differential.batch import random_case, verdict_on  # noqa: E402
from differential.shrink import failures, shrunk  # noqa: E402


class Counts:
    """What came of the graphs so far."""

    def __init__(self):
        self.started = time.monotonic()
        self.graphs, self.passed, self.findings, self.since = 0, 0, 0, 0
        self.refused, self.times = Counter(), Counter()

    def line(self):
        hours = (time.monotonic() - self.started) / 3600
        cpu = sum(os.times()[:4]) / 3600
        stages = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in self.times.items())
        return (
            f"{self.graphs:,} graphs in {60 * hours:.1f} min and {cpu:.2f} CPU hours ({self.graphs / cpu:,.0f} an hour), "
            f"{self.passed:,} passed, "
            f"{sum(self.refused.values())} refused, {self.findings} findings, {self.since:,} graphs since the last; {stages}"
        )


def tried(seed, number, options, counts):
    """Runs a batch, and says what is wrong with it."""
    case = random_case(seed, number, options.graphs)
    found, passed = failures(case, lambda each: verdict_on(each, counts.times))
    counts.graphs, counts.passed = counts.graphs + len(case.graphs), counts.passed + passed
    counts.since += passed
    for part, verdict in found:
        if verdict.kind.startswith("refused"):
            counts.refused[verdict.text] += 1
            continue
        counts.findings, counts.since = counts.findings + 1, 0
        print(
            f"\n=== --seed {seed} --case {number}: {part.precision}: {verdict.kind}: {verdict.text}",
            flush=True,
        )
        small = shrunk(part, verdict, options.shrink)
        print(f"{small.model}\n--- machine file, PRECISION={small.precision}\n{small.machine}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=15.0, help="no batch begins later")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the first batch's number")
    parser.add_argument("--case", type=int, help="only the batch of that number")
    parser.add_argument(
        "--graphs", type=int, default=20, help="of a batch; the number is part of what is drawn"
    )
    parser.add_argument("--shrink", type=float, default=300.0, help="seconds to make a finding small")
    options = parser.parse_args()
    torch.set_num_threads(1)
    counts = Counts()
    if options.case is not None:
        tried(options.seed, options.case, options, counts)
    else:
        number = options.first
        while time.monotonic() < counts.started + 60 * options.minutes:
            tried(options.seed, number, options, counts)
            number += 1
            print(f"batch {number - 1}: {counts.line()}", flush=True)
    for reason, count in counts.refused.most_common():
        print(f"refused {count} times: {reason}")
    print(counts.line())
    return counts.findings > 0


if __name__ == "__main__":
    sys.exit(main())
