# SPDX-License-Identifier: Apache-2.0
"""Multiply-accumulates simulated in a host second, here and by SCALE-Sim 3.0.0, which computes no values.

    ./run python bench/scalesim.py

Both simulate the same product and the same convolution on a 16x16 weight-stationary array, one after the
other on one core. ResNet-18 is simulated here only: SCALE-Sim takes a quarter of an hour for its products.
SCALE-Sim is installed from PyPI into build/bench, with the numpy that it needs. Times are those of the whole
simulation, start included; here that is QEMU, engine and firmware.
"""

import csv
import math
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

from acalsim_backend.host.library import timing_engine
from project import ROOT, on_one_core, timed

WANTED = 100
FOLDER = ROOT / "build/bench/scalesim"
PACKAGES = ("scalesim==3.0.0", "numpy==1.26.4")
LAYERS = {
    "gemm384": ("gemm", (384, 384, 384), "Layer, M, N, K,\nproduct, 384, 384, 384,\n"),
    "conv28": (
        "conv",
        (28 * 28, 128, 9 * 64),
        "Layer, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n"
        "convolution, 30, 30, 3, 3, 64, 128, 1,\n",
    ),
}
"""By the name in bench/models: SCALE-Sim's kind of layer, (M, N, K), and SCALE-Sim's file for it.

SCALE-Sim has no padding, so that the image is given with it.
"""
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


def install():
    """Install SCALE-Sim unless it is installed; return the Python that has it."""
    python = FOLDER / "venv/bin/python"
    if not python.exists():
        venv.create(FOLDER / "venv", with_pip=True)
        subprocess.run([python, "-m", "pip", "-q", "install", *PACKAGES], check=True)
    (FOLDER / "array.cfg").write_text(CONFIG)
    return python


def scalesim(python, kind, layer):
    """Run SCALE-Sim once: (the array's cycles without stalls, wall seconds)."""
    (FOLDER / "layer.csv").write_text(layer)
    shutil.rmtree(FOLDER / "out", ignore_errors=True)
    files = ["-t", "layer.csv", "-l", "layer.csv"]
    start = time.perf_counter()
    done = subprocess.run(
        [python, "-m", "scalesim.scale", "-c", "array.cfg", "-i", kind, "-p", "out", *files],
        cwd=FOLDER,
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - start
    reports = list(Path(FOLDER, "out").rglob("COMPUTE_REPORT.csv"))
    if done.returncode or not reports:
        sys.exit(f"SCALE-Sim: {done.stdout[-500:]}{done.stderr[-500:]}")
    with open(reports[0], newline="") as stream:
        row = next(csv.DictReader(stream, skipinitialspace=True))
    return int(row["Total Cycles"]) - int(row["Stall Cycles"]), seconds


def ours(model, models="bench/models"):
    """(MACs, seconds) of a simulation on `default`."""
    report, seconds = timed("default", model, models)
    assert report["check"]["passed"]
    return report["devices"]["compute"]["macs"], seconds


def main():
    on_one_core()
    python, rates, engine = install(), [], timing_engine(None)
    print(
        f"{'':18} {'MACs':>13} {'SCALE-Sim s':>12} {'MACs/s':>10} {'here s':>7} {'MACs/s':>14} {'ratio':>6}"
        "   cycles of a serial array"
    )
    for model, (kind, size, layer) in LAYERS.items():
        macs, own_seconds = ours(model)
        assert macs == math.prod(size)
        cycles, seconds = scalesim(python, kind, layer)
        (own_cycles,) = engine.array_cycles([("ws", "serial", 16, 16, *size, 0, 0, 0, 2)])
        rates.append((macs / seconds, macs / own_seconds))
        print(
            f"{model:18} {macs:13,} {seconds:12.2f} {macs / seconds:10,.0f} "
            f"{own_seconds:7.2f} {macs / own_seconds:14,.0f} {seconds / own_seconds:6.0f}"
            f"   SCALE-Sim {cycles:,}, here {own_cycles:,}: {own_cycles / cycles - 1:+.2%}"
        )
    macs, seconds = ours("resnet18", "models/large")
    peer = max(rate for rate, _ in rates)
    print(
        f"{'ResNet-18 224x224':18} {macs:13,} {'':12} {peer:10,.0f} "
        f"{seconds:7.2f} {macs / seconds:14,.0f} {macs / seconds / peer:6.0f}"
    )
    print(f"wanted: a ratio of {WANTED} at least; ResNet-18's is to the better of SCALE-Sim's two rates")
    return int(min(own / other for other, own in rates) < WANTED)


if __name__ == "__main__":
    sys.exit(main())
