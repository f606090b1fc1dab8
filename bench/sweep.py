# SPDX-License-Identifier: Apache-2.0
"""Points of a sweep a minute, beside fresh runs of the same points.

    ./run python bench/sweep.py [--models mlp bert] [--fresh 3]

A sweep with nothing kept from earlier ones is timed on two cores, the model's capture left out, as it is by a
fresh run: `scons MACHINE=POINT sim-NAME` in a folder of its own. The cycles of both have to be the same. The
aim is 100 points a minute for mlp, 20 for bert.
"""

import argparse
import csv
import os
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import tomli_w
from project import ROOT, scons, simulated

sys.path.insert(0, str(ROOT / "site_scons"))
from acalsim_backend.machine.file import find_machine, read_table  # noqa: E402
from acalsim_backend.machine.keys import with_keys  # noqa: E402
from acalsim_backend.sweep.space import read_sweep  # noqa: E402

GRID = """\
[grid]
"cpu.latency.load" = [2, 3]
"devices.compute.rows" = [8, 16, 32]
"ram.bytes_per_cycle" = [8, 32, 128]
"ram.latency_cycles" = [20, 40, 80]
"""
KEPT = ROOT / "build/sweeps"
FRESH = "bench_sweep_point"


@contextmanager
def others_put_aside():
    """What earlier sweeps have found is there again afterwards."""
    aside = KEPT / ".points-aside"
    if (KEPT / ".points").exists():
        (KEPT / ".points").rename(aside)
    try:
        yield
    finally:
        shutil.rmtree(KEPT / ".points", ignore_errors=True)
        if aside.exists():
            aside.rename(KEPT / ".points")


def swept(folder, model):
    """(rows of the table, seconds)."""
    sweep = folder / "bench.toml"
    sweep.write_text(GRID)
    for place in (KEPT / ".points", KEPT / "bench"):
        shutil.rmtree(place, ignore_errors=True)
    started = time.perf_counter()
    scons(f"sweep-{model}", f"SWEEP={sweep}")
    seconds = time.perf_counter() - started
    with open(KEPT / f"bench/{model}.csv") as stream:
        return list(csv.DictReader(stream)), seconds


def fresh(folder, model, point):
    """(cycles, seconds) of one point that nothing is kept of."""
    machine = folder / f"{FRESH}.toml"
    machine.write_text(tomli_w.dumps(with_keys(read_table(find_machine("default")), point)))
    shutil.rmtree(ROOT / "build" / FRESH, ignore_errors=True)
    started = time.perf_counter()
    report = simulated(machine, [model])[model]
    return report["total_cycles"], time.perf_counter() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=["mlp", "bert"])
    parser.add_argument("--fresh", type=int, default=3, help="points that are run anew as well")
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    scons("-j2", *(f"sim-{model}" for model in options.models))
    with tempfile.TemporaryDirectory() as name, others_put_aside():
        folder = Path(name)
        for model in options.models:
            rows, seconds = swept(folder, model)
            points = read_sweep(folder / "bench.toml").points
            chosen = range(0, len(points), -(-len(points) // options.fresh))
            runs = {place: fresh(folder, model, points[place]) for place in chosen}
            for place, (cycles, _) in runs.items():
                assert cycles == int(rows[place]["total_cycles"]), (model, points[place], cycles)
            one = sum(took for _, took in runs.values()) / len(runs)
            print(
                f"{model}: {len(rows)} points in {seconds:.1f} s, {60 * len(rows) / seconds:.0f} a minute; "
                f"fresh: {one:.1f} s each, {60 / one:.1f} a minute; {one * len(rows) / seconds:.0f} times as fast"
            )
    shutil.rmtree(ROOT / "build" / FRESH, ignore_errors=True)


if __name__ == "__main__":
    main()
