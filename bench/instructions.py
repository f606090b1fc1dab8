# SPDX-License-Identifier: Apache-2.0
"""Guest instructions a multiply-accumulate, in products and convolutions, without and with vectors.

    ./run python bench/instructions.py [--machines cpu vector]

The models are those of bench/models. The plugin counts the instructions of every op: padding, bias and
activation are included, start-up and exit are not. The figures are the same on every host.
"""

import argparse
import json
import sys

from project import ROOT, scons

MODELS = ROOT / "bench/models"
TARGETS = {
    "cpu": {"matmul64": 1.55, "matmul128": 1.55, "conv3x3": 1.45, "mlp": 2.2, "depthwise3x3": None},
    "vector": {"matmul64": 0.095, "matmul128": 0.095, "conv3x3": 0.095, "mlp": 0.22, "depthwise3x3": None},
}
"""The most instructions a multiply-accumulate that are wanted; of None there is no wish."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--machines", nargs="*", default=list(TARGETS))
    failed = False
    print(f"{'machine':8} {'model':14} {'MACs':>10} {'instructions':>13} {'per MAC':>8}  wanted")
    for machine in parser.parse_args().machines:
        scons("-j2", f"MODELS={MODELS}", f"MACHINE={machine}", "all-reports")
        for model, wanted in TARGETS.get(machine, TARGETS["cpu"]).items():
            report = json.loads((ROOT / f"build/{machine}/reports/{model}.json").read_text())
            macs, instructions = (sum(op[key] for op in report["ops"]) for key in ("macs", "instructions"))
            failed |= wanted is not None and instructions / macs > wanted or not report["check"]["passed"]
            print(
                f"{machine:8} {model:14} {macs:10,} {instructions:13,} {instructions / macs:8.3f}  "
                f"{f'<= {wanted}' if wanted else ''}"
            )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
