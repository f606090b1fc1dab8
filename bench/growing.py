# SPDX-License-Identifier: Apache-2.0
"""Does more hardware make a model slower? Each key of a machine grows by itself, and a sweep simulates every point.

    ./run python bench/growing.py [--machine default] [--models mlp lenet ...] [--keys devices.compute.rows ...]

A line is a model and a key: the cycles from the key's least value to its largest, and the largest step up, in per cent of the
fewest cycles of any smaller value. The aim is at most 2 %; the exit status is 1 where one is larger.
"""

import argparse
import csv
import sys
import tempfile
from pathlib import Path

import tomli_w
from project import ROOT, scons

KIB = 1024
GROWING = {
    "devices.compute.rows": [8, 16, 32, 64],
    "devices.compute.columns": [8, 16, 32, 64],
    "devices.compute.lanes": [4, 8, 16, 32, 64],
    "devices.compute.special_lanes": [1, 2, 4, 8, 16],
    "devices.compute.scratchpad_bytes": [size * KIB for size in (8, 16, 32, 64, 128, 256, 512)],
    "devices.compute.accumulator_bytes": [size * KIB for size in (4, 8, 16, 32, 64, 128)],
    "devices.compute.load_queue_depth": [1, 2, 4, 8, 16],
    "devices.compute.compute_queue_depth": [1, 2, 4, 8, 16],
    "devices.compute.store_queue_depth": [1, 2, 4, 8, 16],
    "devices.compute.count": [1, 2, 4],
    "ram.bytes_per_cycle": [4, 8, 16, 32, 64, 128],
    "ram.channels": [1, 2, 4],
}
MODELS = ("mlp", "lenet", "gpt_step", "lstm", "bert", "vit")
MOST = 2.0


def swept(machine, models, keys):
    """{(model, key, value): its cycles}; a point that cannot be has none."""
    rows = [{key: value} for key in keys for value in GROWING[key]]
    with tempfile.TemporaryDirectory() as folder:
        sweep = Path(folder, "growing.toml")
        sweep.write_text(tomli_w.dumps({"machine": machine, "models": models, "list": {"rows": rows}}))
        scons("sweep", f"SWEEP={sweep}")
    with open(ROOT / "build/sweeps/growing.csv", newline="") as table:
        found = list(csv.DictReader(table))
    points = [(model, *next(iter(row.items()))) for model in models for row in rows]
    return {
        point: int(row["total_cycles"])
        for point, row in zip(points, found, strict=True)
        if row["total_cycles"]
    }


def largest_step(cycles):
    """In per cent of the fewest cycles before, 0 where none goes up."""
    return max(
        (100 * (each / min(cycles[:place]) - 1) for place, each in enumerate(cycles) if place), default=0.0
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--machine", default="default")
    parser.add_argument("--models", nargs="+", metavar="MODEL", default=list(MODELS))
    parser.add_argument("--keys", nargs="+", metavar="KEY", choices=GROWING, default=list(GROWING))
    options = parser.parse_args()
    points = swept(options.machine, options.models, options.keys)
    worst = 0.0
    for model in options.models:
        for key in options.keys:
            cycles = [points[place] for value in GROWING[key] if (place := (model, key, value)) in points]
            step = max(largest_step(cycles), 0.0)
            worst = max(worst, step)
            print(f"{model:12} {key:36} {step:6.1f} %   " + " ".join(f"{each:,}" for each in cycles))
    print(f"the largest step up: {worst:.1f} %")
    sys.exit(worst > MOST)


if __name__ == "__main__":
    main()
