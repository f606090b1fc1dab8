# SPDX-License-Identifier: Apache-2.0
"""What the benches share: machines and models in, reports out, by the project's own scons."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "site_scons"))


def scons(*arguments):
    """Build targets. Ends the bench with what scons said where one fails."""
    done = subprocess.run(
        [sys.executable, "-m", "SCons", "-Q", "-s", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"scons {' '.join(map(str, arguments))}: {done.stderr.strip()}")


def build_folder(machine, precision="float32", engine="embedded"):
    """Where scons puts what it builds for a machine, given by its name or its file."""
    name = (
        Path(str(machine)).stem
        + ("" if precision == "float32" else f"-{precision}")
        + ("" if engine == "embedded" else f"-{engine}")
    )
    return ROOT / ("build" if name == "default" else f"build/{name}")


def simulated(machine, names, models="models", precision="float32", engine="embedded"):
    """The reports of models by their names; `models` is the folder of their files."""
    variables = {"MODELS": models, "MACHINE": machine, "PRECISION": precision, "ENGINE": engine}
    scons(
        "-j2", *(f"{name}={value}" for name, value in variables.items()), *(f"sim-{name}" for name in names)
    )
    folder = build_folder(machine, precision, engine) / "reports"
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in names}


def timed(machine, name, models="models", precision="float32", rounds=3):
    """(report, seconds): the least wall time of the simulate stage in so many runs of it.

    The stage is QEMU, engine and firmware, from their start to their end.
    """
    folder, seconds = build_folder(machine, precision), []
    for _ in range(rounds):
        (folder / f"{name}/run/host.json").unlink(missing_ok=True)
        report = simulated(machine, [name], models, precision)[name]
        seconds.append(json.loads((folder / f"reports/{name}.host.json").read_text())["simulate_wall_s"])
    return report, min(seconds)


def on_one_core():
    """Keep this process and its children on one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
