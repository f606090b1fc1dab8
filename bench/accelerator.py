# SPDX-License-Identifier: Apache-2.0
"""What the matrix engine gains: a large product beside the CPU's, and how busy the array is in ResNet-18.

    ./run python bench/accelerator.py

Cycles are simulated ones, the same on every host. Host seconds are those of the simulate stage on one core,
in which all values are computed; MACs/s is what they come to. The two shares divide the multiply-accumulates
done by those that the array could have done: `while busy` in the cycles in which the device works, `over the
run` in all cycles of the program, the CPU's work included.
"""

import sys

from project import on_one_core, simulated, timed

GAIN = 200
"""How many times fewer cycles the product is to take than on the CPU."""
PEAK, RUN = 0.85, 0.55
"""The least share of the array's peak: in the product while busy, in ResNet-18 over the run."""
SECONDS = 15
"""The most host seconds for ResNet-18."""
VARIANTS = (
    ("default", "float32"),
    ("default", "int8"),
    ("edge", "float32"),
    ("edge", "int8"),
    ("large", "float32"),
)


def shares(report):
    """The shares of the array's peak: (while busy, over the run)."""
    device = report["devices"]["compute"]
    cycles_at_peak = device["macs"] / device["peak_macs_per_cycle"]
    return cycles_at_peak / device["busy_cycles"], cycles_at_peak / report["total_cycles"]


def product():
    """Print a line about the product; return whether it is as wanted."""
    cpu, default = (
        simulated(machine, ["gemm256"], "bench/models")["gemm256"] for machine in ("cpu", "default")
    )
    gain, busy = cpu["total_cycles"] / default["total_cycles"], shares(default)[0]
    print(
        f"256x256x256, bias, ReLU: {cpu['total_cycles']:,} cycles on cpu, "
        f"{default['total_cycles']:,} on default: {gain:.0f} times fewer (wanted {GAIN}); "
        f"array at {busy:.1%} of peak while busy (wanted {PEAK:.0%})"
    )
    return gain >= GAIN and busy >= PEAK


def resnet():
    """Print a line a variant of ResNet-18; return whether the first one is as wanted."""
    print(
        f"{'ResNet-18, 224x224':18} {'cycles':>12} {'while busy':>11} {'over the run':>13} "
        f"{'max_rel_error':>14} {'host seconds':>13} {'MACs/s':>14}"
    )
    right = True
    for machine, precision in VARIANTS:
        report, seconds = timed(machine, "resnet18", "models/large", precision)
        busy, run = shares(report)
        print(
            f"{machine + ' ' + precision:18} {report['total_cycles']:12,} {busy:11.1%} {run:13.1%} "
            f"{report['check']['max_rel_error']:14.2g} {seconds:13.2f} "
            f"{report['devices']['compute']['macs'] / seconds:14,.0f}"
        )
        if (machine, precision) == VARIANTS[0]:
            right = run >= RUN and seconds < SECONDS
    print(f"wanted on default: {RUN:.0%} over the run, less than {SECONDS} s")
    return right


def main():
    right = product()
    on_one_core()
    return int(not resnet() or not right)


if __name__ == "__main__":
    sys.exit(main())
