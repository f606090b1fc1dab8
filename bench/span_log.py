# SPDX-License-Identifier: Apache-2.0
"""What recording costs a simulation: CPU seconds of QEMU and simulator with it and without, in turns.

    ./run python bench/span_log.py [--models resnet18_32,mobilenetv2] [--rounds 7]

Prints the least of each and the bytes that were recorded, then how long the trace takes to write.
"""

import argparse
import json
import resource
import time
from pathlib import Path

from project import ROOT, simulated

from acalsim_backend import doors  # isort: skip
from acalsim_backend.host.tools import Tools
from acalsim_backend.machine.file import load_machine
from acalsim_backend.report.read import read_report
from acalsim_backend.report.timeline import timeline
from acalsim_backend.report.trace import trace_text
from acalsim_backend.schedule.plan_file import PlanFile
from acalsim_backend.simulate.run import simulate
from acalsim_backend.simulate.run_file import RunFile
from acalsim_backend.simulate.span_file import read_spans


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measured(name, record):
    host = ROOT / "build/host"
    tools = Tools(host / "sst_device.so", next(host.glob("_embedded*.so")))
    before = cpu_seconds()
    run = simulate(ROOT / f"build/{name}.elf", load_machine("default"), "embedded", tools, spans=record)
    return cpu_seconds() - before, len(run.spans or b"")


def trace_seconds(name):
    folder = ROOT / f"build/{name}"
    report = read_report(ROOT / f"build/reports/{name}.json")
    run = doors.read(folder / "run/run.json", RunFile)
    began = time.perf_counter()
    recording = read_spans(folder / "run/spans.bin")
    plan = doors.read(folder / "plan.json", PlanFile)
    text = trace_text(report, timeline(plan, run.statistics, recording, load_machine("default").ram.timing))
    Path("/dev/null").write_text(text)
    return time.perf_counter() - began, len(json.loads(text)["traceEvents"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="resnet18_32,mobilenetv2")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    names = options.models.split(",")
    simulated("default", names)
    for name in names:
        rounds = [(measured(name, False)[0], *measured(name, True)) for _ in range(options.rounds)]
        without, with_it, size = map(min, zip(*rounds, strict=True))
        print(
            f"{name}: {without:.3f} s without, {with_it:.3f} s with recording "
            f"({100 * (with_it / without - 1):+.1f} %), {size:,} bytes"
        )
        seconds, events = trace_seconds(name)
        print(f"{name}: {events:,} events of the trace in {seconds:.2f} s")


if __name__ == "__main__":
    main()
