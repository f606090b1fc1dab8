# SPDX-License-Identifier: Apache-2.0
"""What the matrix engine gains: a large product against the CPU, and how busy the array is over whole ResNet-18 runs.

    ./run python bench/accelerator.py

Simulated cycles: the same on every host. Seconds are those of the simulate stage on one core, values computed, and `MACs/s` what they
come to. Shares of the array's peak are multiply-accumulates over all that it could have done, `while busy` in the cycles in
which the device works, `over the run` in all cycles of the program, CPU work included.
"""

import sys

from project import on_one_core, simulated, timed

GAIN, PEAK, RUN, SECONDS = 200, 0.85, 0.55, 15
"""What is wanted: cycles saved and array's share of its peak for the product, over ResNet-18; seconds to simulate that."""


def shares(report):
    """(of peak while busy, of peak over the run)."""
    device = report["devices"]["compute"]
    return device["macs"] / device["peak_macs_per_cycle"] / device["busy_cycles"], device["macs"] / device[
        "peak_macs_per_cycle"
    ] / report["total_cycles"]


def main():
    found = {
        machine: simulated(machine, ["gemm256"], "bench/models")["gemm256"] for machine in ("cpu", "default")
    }
    gain, (busy, run) = (
        found["cpu"]["total_cycles"] / found["default"]["total_cycles"],
        shares(found["default"]),
    )
    print(
        f"256x256x256, bias, ReLU: {found['cpu']['total_cycles']:,} cycles on cpu, {found['default']['total_cycles']:,} on default: "
        f"{gain:.0f} times fewer (wanted {GAIN}); array at {busy:.1%} of peak while busy (wanted {PEAK:.0%})"
    )
    right = gain >= GAIN and busy >= PEAK
    on_one_core()
    print(
        f"{'ResNet-18, 224x224':18} {'cycles':>12} {'while busy':>11} {'over the run':>13} {'max_rel_error':>14} {'host seconds':>13} {'MACs/s':>14}"
    )
    for machine, precision in (
        ("default", "float32"),
        ("default", "int8"),
        ("edge", "float32"),
        ("edge", "int8"),
        ("large", "float32"),
    ):
        report, seconds = timed(machine, "resnet18", "models/large", precision)
        busy, run = shares(report)
        print(
            f"{machine + ' ' + precision:18} {report['total_cycles']:12,} {busy:11.1%} {run:13.1%} {report['check']['max_rel_error']:14.2g} {seconds:13.2f} {report['devices']['compute']['macs'] / seconds:14,.0f}"
        )
        if (machine, precision) == ("default", "float32"):
            right &= run >= RUN and seconds < SECONDS
    print(f"wanted on default: {RUN:.0%} over the run, less than {SECONDS} s")
    return int(not right)


if __name__ == "__main__":
    sys.exit(main())
