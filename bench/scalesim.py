# SPDX-License-Identifier: Apache-2.0
"""Multiply-accumulates simulated a second, here with the values computed, against SCALE-Sim 3.0.0 without.

    ./run python bench/scalesim.py

The same product on a 16x16 weight-stationary array, one core. SCALE-Sim gets an environment of its own under build/bench, from PyPI,
with the numpy that it runs with. Times are of the whole program, start included: of ours QEMU, engine and firmware.
"""

import json
import subprocess
import sys
import time
import venv
from pathlib import Path

from project import ROOT, build_folder, on_one_core, scons, simulated

WANTED = 100
FOLDER = ROOT / "build/bench/scalesim"
SIZE = 256
PACKAGES = ("scalesim==3.0.0", "numpy==1.26.4")
CONFIG = """\
[general]
run_name = bench
[architecture_presets]
ArrayHeight: 16
ArrayWidth: 16
IfmapSramSzkB: 128
FilterSramSzkB: 128
OfmapSramSzkB: 64
IfmapOffset: 0
FilterOffset: 10000000
OfmapOffset: 20000000
Bandwidth : 32
Dataflow : ws
MemoryBanks: 1
ReadRequestBuffer: 32
WriteRequestBuffer: 32
[layout]
IfmapCustomLayout: False
IfmapSRAMBankBandwidth: 10
IfmapSRAMBankNum: 10
IfmapSRAMBankPort: 2
FilterCustomLayout: False
FilterSRAMBankBandwidth: 10
FilterSRAMBankNum: 10
FilterSRAMBankPort: 2
[sparsity]
SparsitySupport : false
SparseRep : ellpack_block
OptimizedMapping : false
BlockSize : 8
RandomNumberGeneratorSeed : 40
[run_presets]
InterfaceBandwidth: USER
UseRamulatorTrace: False
"""


def scalesim():
    """Seconds of one run of SCALE-Sim."""
    python = FOLDER / "venv/bin/python"
    if not python.exists():
        venv.create(FOLDER / "venv", with_pip=True)
        subprocess.run([python, "-m", "pip", "-q", "install", *PACKAGES], check=True)
    (FOLDER / "array.cfg").write_text(CONFIG)
    (FOLDER / "product.csv").write_text(f"Layer, M, N, K,\nproduct, {SIZE}, {SIZE}, {SIZE},\n")
    start = time.perf_counter()
    done = subprocess.run([python, "-m", "scalesim.scale", "-c", "array.cfg", "-t", "product.csv", "-l", "product.csv", "-i", "gemm", "-p", "out"],
                          cwd=FOLDER, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode or not list(Path(FOLDER, "out").rglob("COMPUTE_REPORT.csv")):
        sys.exit(f"SCALE-Sim: {done.stdout[-500:]}{done.stderr[-500:]}")
    return seconds


def ours(model, models):
    """(MACs, seconds) of one simulation on `default`."""
    scons(f"MODELS={models}", build_folder("default") / f"{model}.elf")
    (build_folder("default") / f"{model}/run/run.json").unlink(missing_ok=True)
    report = simulated("default", [model], models)[model]
    assert report["check"]["passed"]
    return report["devices"]["compute"]["macs"], json.loads((build_folder("default") / f"reports/{model}.host.json").read_text())["simulate_wall_s"]


def main():
    on_one_core()
    peer = SIZE**3 / scalesim()
    print(f"SCALE-Sim 3.0.0, {SIZE}x{SIZE}x{SIZE}: {peer / 1e6:,.1f} million MACs a second")
    ratios = []
    for name, model, models in ((f"here, {SIZE}x{SIZE}x{SIZE}", "gemm256", "bench/models"), ("here, ResNet-18 224x224", "resnet18", "models/large")):
        macs, seconds = ours(model, models)
        ratios.append(macs / seconds / peer)
        print(f"{name}: {macs / seconds / 1e6:,.1f} million MACs a second ({macs:,} in {seconds:.2f} s), {ratios[-1]:,.0f} times as many")
    return int(max(ratios) < WANTED)


if __name__ == "__main__":
    sys.exit(main())
