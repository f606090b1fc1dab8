# SPDX-License-Identifier: Apache-2.0
"""What each precision costs on a machine: cycles of every model, and their ratio to float32.

    ./run python bench/precisions.py [--machine default] [--models bert vit ...] [--precisions int8 bfloat16]

The reports are scons's own, which simulates what is missing or out of date. `error` is max|y - ref| / max|ref|.
"""

import argparse
import sys

from project import ROOT, simulated


def zoo():
    """The names of the models in models/."""
    return sorted(path.stem for path in (ROOT / "models").glob("*.py") if not path.name.startswith("_"))


def table(plain, others):
    """The lines of the table: reports in float32 by model, and by precision and model."""
    heads = "".join(f" {precision:>12} {'ratio':>6} {'error':>8}" for precision in others)
    yield f"{'model':16} {'float32':>12}{heads}"
    for name, report in plain.items():
        cycles = report["total_cycles"]
        cells = ""
        for reports in others.values():
            own, check = reports[name]["total_cycles"], reports[name]["check"]
            cells += f" {own:12,} {own / cycles:6.2f} {check['max_rel_error']:8.1e}"
        yield f"{name:16} {cycles:12,}{cells}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--machine", default="default", help="a file of sim/machines, or a path")
    parser.add_argument("--models", nargs="+", default=zoo(), metavar="MODEL")
    parser.add_argument("--precisions", nargs="+", default=["int8"], choices=("int8", "bfloat16"))
    options = parser.parse_args()
    plain = simulated(options.machine, options.models)
    others = {
        precision: simulated(options.machine, options.models, precision=precision)
        for precision in options.precisions
    }
    print("\n".join(table(plain, others)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
