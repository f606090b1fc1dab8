# SPDX-License-Identifier: Apache-2.0
"""What models of real size cost to build: seconds and peak memory of every stage, beside the weights.

    ./run python bench/models.py [gpt2 bert_base ...] [--folder models/large] [--machine roomy] [--simulate]

CPU seconds say more where others use the machine, too. What scons itself takes is left out. A stage's peak is
the largest resident set of any one process in it. `times` is (peak - 1 GB) / weights; the aim is at most 2.5 for
every stage, and under 60 s from capture to ELF for gpt2. Whatever was built before is built anew. With --simulate
the last line of a model has its cycles beside its bound and, of one that makes tokens, those of prompt and tokens.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from project import ROOT, build_folder

STAGES = {
    "capture": "{capture}/{name}/capture.json",
    "codegen": "{build}/{name}/plan.json",
    "values": "{build}/{name}/graph_0_values.obj",
    "compile": "{build}/{name}/graph_0.o",
    "link": "{build}/{name}.elf",
    "check": "{build}/{name}/placement.json",
}
SIMULATED = {"simulate": "{build}/{name}/run/run.json", "report": "{build}/reports/{name}.json"}
TO_ELF = ("capture", "codegen", "values", "compile", "link")
GB = 10**9


def cost(*command):
    """Seconds, CPU seconds and peak bytes of a command and all that it starts."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(map(str, command))} failed")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def stage_costs(name, folder, machine, stages):
    """(seconds, CPU seconds, peak bytes) of each stage, of which what scons itself takes is left out."""
    build, capture = build_folder(machine).relative_to(ROOT), "build/capture"
    variables = [f"MODELS={folder}", f"MACHINE={machine}", "TIMEOUT=100000"]
    scons = (sys.executable, "-m", "SCons", "-Q", "-s", *variables)
    cost(*scons, "host")
    targets = {stage: path.format(build=build, capture=capture, name=name) for stage, path in stages.items()}
    for made in (ROOT / capture / name, ROOT / build / name):
        shutil.rmtree(made, ignore_errors=True)
    idle, idle_cpu, _ = cost(*scons, "host")
    rows = {stage: cost(*scons, target) for stage, target in targets.items()}
    return {stage: (seconds - idle, cpu - idle_cpu, peak) for stage, (seconds, cpu, peak) in rows.items()}


def measure(name, folder, machine, stages):
    rows = stage_costs(name, folder, machine, stages)
    weights = (ROOT / f"build/capture/{name}/graph_0_weights.bin").stat().st_size
    for stage, (seconds, cpu, peak) in rows.items():
        times = f"{peak / 1e6:10,.0f} {weights / 1e6:9,.0f} {max(0, peak - GB) / weights:7.2f}"
        print(f"{name:12} {stage:9} {seconds:8.1f} {cpu:8.1f} {times}", flush=True)
    seconds, cpu = (sum(rows[stage][column] for stage in TO_ELF) for column in (0, 1))
    print(f"{name:12} to ELF    {seconds:8.1f} {cpu:8.1f}", flush=True)
    if "report" in rows:
        report = json.loads((build_folder(machine) / f"reports/{name}.json").read_text())
        print(f"{name:12} {simulated(report)}", flush=True)


def simulated(report):
    """What the simulated machine took."""
    cycles, bound = report["total_cycles"], report["roofline"]["bound_cycles"]
    text = f"{cycles:,} cycles, {cycles / bound:.2f} times the bound, error {report['check']['max_rel_error']:.2g}"
    if made := report.get("generated"):
        steps = made["token_cycles"]
        text += f"; prompt {made['prompt_cycles']:,}, each of {len(steps)} further tokens {sum(steps) / len(steps):,.0f}"
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=["gpt2", "bert_base", "vit_b16", "resnet50"])
    parser.add_argument("--folder", type=Path, default=Path("models/large"))
    parser.add_argument("--machine", default="roomy")
    parser.add_argument("--simulate", action="store_true", help="simulate and report, too")
    options = parser.parse_args()
    print(f"{'model':12} {'stage':9} {'seconds':>8} {'CPU s':>8} {'peak MB':>10} {'weights':>9} {'times':>7}")
    for name in options.names:
        measure(name, options.folder, options.machine, STAGES | (SIMULATED if options.simulate else {}))


if __name__ == "__main__":
    main()
