# SPDX-License-Identifier: Apache-2.0
"""How far models are from what their machine could do: cycles, bound, their ratio, the CPU's share.

    ./run python bench/roofline.py [--machine default] [--models bert vit ...]

The reports are scons's own, which simulates what is missing or out of date. The bound is the reports'
`roofline`. The last line has the geometric mean of the ratios, without the models that are toys.
"""

import argparse
import math
import sys

from project import ROOT, simulated

TOYS = ("matmul", "chained_matmul", "bmm", "mlp")


def zoo():
    """The names of the models in models/."""
    return sorted(path.stem for path in (ROOT / "models").glob("*.py") if not path.name.startswith("_"))


def row(report):
    """(cycles, bound, ratio, the CPU's share of the cycles). Without a bound there is no ratio."""
    cycles, bound = report["total_cycles"], report["roofline"]["bound_cycles"]
    return cycles, bound, cycles / bound if bound else None, report["cpu_cycles"] / cycles


def geometric_mean(reports):
    """The mean of the ratios of all reports by name that have one and are no toys; of none, None."""
    ratios = [row(report)[2] for name, report in reports.items() if name not in TOYS]
    logarithms = [math.log(ratio) for ratio in ratios if ratio is not None]
    return math.exp(sum(logarithms) / len(logarithms)) if logarithms else None


def shown(ratio):
    return "-" if ratio is None else f"{ratio:.2f}"


def table(reports):
    """The lines of the table."""
    yield f"{'model':16} {'cycles':>12} {'bound':>12} {'ratio':>8} {'CPU':>7}  limit"
    for name, report in reports.items():
        cycles, bound, ratio, cpu = row(report)
        limit = report["roofline"]["limiter"] or "-"
        yield f"{name:16} {cycles:12,} {bound:12,} {shown(ratio):>8} {cpu:7.1%}  {limit}"
    yield f"{'geometric mean':16} {'':12} {'':12} {shown(geometric_mean(reports)):>8}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--machine", default="default", help="a file of sim/machines, or a path")
    parser.add_argument("--models", nargs="+", default=zoo(), metavar="MODEL")
    options = parser.parse_args()
    print("\n".join(table(simulated(options.machine, options.models))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
