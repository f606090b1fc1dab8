# SPDX-License-Identifier: Apache-2.0
"""Models on 1, 2, 4... compute devices: simulated cycles, and the host seconds that simulating takes.

    ./run python bench/scaling.py [--devices 1 2 4] [--models mlp vit] [--folder models] [--channels 1]

The machine is `default` with the given number of devices and of memory channels. Cycles are the same on every
host. Seconds are the wall time of QEMU and simulator, the least of three runs.
"""

import argparse
import re
import tempfile
from pathlib import Path

from project import ROOT, timed

DEFAULT = ROOT / "sim/machines/default.toml"


def machine_with(folder, count, channels):
    """Write `default` with so many devices and memory channels as a machine file; return its path."""
    path = Path(folder) / f"devices{count}x{channels}.toml"
    text = re.sub(r"(\[devices\.compute\])", rf"\1\ncount = {count}", DEFAULT.read_text())
    path.write_text(re.sub(r"(bytes_per_cycle = 32)", rf"channels = {channels}\n\1", text))
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--models", nargs="*", default=["mlp"])
    parser.add_argument("--folder", default="models")
    parser.add_argument("--channels", type=int, default=1)
    options = parser.parse_args()
    print(
        f"{'model':12} {'devices':>7} {'cycles':>12} {'speed-up':>9} {'device cycles':>14} {'speed-up':>9} "
        f"{'host s':>7}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in options.models:
            first = None
            for count in options.devices:
                report, seconds = timed(machine_with(folder, count, options.channels), name, options.folder)
                own = sum(op["cycles"] for op in report["ops"] if op["placed_on"] != "cpu")
                first = first or (report["total_cycles"], own)
                print(
                    f"{name:12} {count:7} "
                    f"{report['total_cycles']:12,} {first[0] / report['total_cycles']:9.2f} "
                    f"{own:14,} {first[1] / (own or 1):9.2f} {seconds:7.2f}"
                )


if __name__ == "__main__":
    main()
