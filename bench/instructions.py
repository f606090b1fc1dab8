# SPDX-License-Identifier: Apache-2.0
"""Guest instructions a multiply-accumulate, of the kernels in bench/models on machines without and with vectors.

    ./run python bench/instructions.py [--machines cpu vector]

Counted by the guest itself, padding, bias and activation included, start-up and exit not: the same
figures on every machine.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "bench/models"
TARGETS = {
    "cpu": {"matmul64": 1.55, "matmul128": 1.55, "conv3x3": 1.45, "mlp": 2.2, "depthwise3x3": None},
    "vector": {"matmul64": 0.095, "matmul128": 0.095, "conv3x3": 0.095, "mlp": 0.22, "depthwise3x3": None},
}
"""What is wanted at most."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--machines", nargs="*", default=list(TARGETS))
    failed = False
    print(f"{'machine':8} {'model':14} {'MACs':>10} {'instructions':>13} {'per MAC':>8}  wanted")
    for machine in parser.parse_args().machines:
        subprocess.run(
            [
                sys.executable,
                "-m",
                "SCons",
                "-Q",
                "-s",
                "-j2",
                f"MODELS={MODELS}",
                f"MACHINE={machine}",
                "all-reports",
            ],
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        for model, wanted in TARGETS.get(machine, TARGETS["cpu"]).items():
            report = json.loads((ROOT / f"build/{machine}/reports/{model}.json").read_text())
            macs, instructions = (sum(op[key] for op in report["ops"]) for key in ("macs", "instructions"))
            failed |= wanted is not None and instructions / macs > wanted or not report["check"]["passed"]
            print(
                f"{machine:8} {model:14} {macs:10,} {instructions:13,} {instructions / macs:8.3f}  {f'<= {wanted}' if wanted else ''}"
            )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
