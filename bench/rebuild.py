# SPDX-License-Identifier: Apache-2.0
"""How long a build takes that has nothing or little to do.

    ./run python bench/rebuild.py

Prints two medians: the time of `scons all-reports` when all is built, as a multiple of the time of `python -c
"import numpy"` (the aim is at most 8), and the time from a changed timing parameter to a new matmul report
(the aim is under 2 s).
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 7


def seconds(*command):
    started = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def scons(*arguments):
    return seconds(sys.executable, "-m", "SCons", "-Q", *arguments)


def nothing_to_do():
    scons("-j2", "all-reports")
    pairs = [(scons("all-reports"), seconds(sys.executable, "-c", "import numpy")) for _ in range(ROUNDS)]
    build, numpy = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    models = len([path for path in (ROOT / "models").glob("*.py") if path.name[0] != "_"])
    print(f"nothing to do, {models} models: {build:.2f} s; import numpy: {numpy:.2f} s; ratio {ratio:.1f}")


def changed_latency():
    with tempfile.TemporaryDirectory() as folder:
        machine = Path(folder) / "bench_rebuild.toml"
        text = (ROOT / "sim/machines/default.toml").read_text()
        times = []
        for latency in range(2, 3 + ROUNDS):
            machine.write_text(text.replace("load = 2 ", f"load = {latency} "))
            times.append(scons(f"MACHINE={machine}", "sim-matmul"))
    shutil.rmtree(ROOT / "build/bench_rebuild")
    print(f"a changed timing parameter to a new matmul report: {statistics.median(times[1:]):.2f} s")


if __name__ == "__main__":
    nothing_to_do()
    changed_latency()
