# SPDX-License-Identifier: Apache-2.0
"""How long reports take to be made, and their pages to be there.

    ./run python bench/pages.py [--models resnet18_32 mobilenetv2]

Prints for each model the time of the report stage as a process of its own, JSON, CSV, trace and page included (the aim
is under 2 s), the part of it that writes the trace (under 3 s), and where there is Chromium, the time from opening
the page until its charts are drawn and it answers (under 1 s): medians of so many rounds. The stage's CPU time is what
its wall time would be on a computer with nothing else to do.
"""

import argparse
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from project import ROOT, scons

sys.path.insert(0, str(ROOT / "site_scons"))
from acalsim_backend import doors  # noqa: E402
from acalsim_backend.errors import ReportError  # noqa: E402
from acalsim_backend.machine.file import load_machine  # noqa: E402
from acalsim_backend.report.read import read_report  # noqa: E402
from acalsim_backend.report.timeline import timeline  # noqa: E402
from acalsim_backend.report.trace import trace_text  # noqa: E402
from acalsim_backend.schedule.plan_file import PlanFile  # noqa: E402
from acalsim_backend.simulate.run_file import RunFile  # noqa: E402
from acalsim_backend.simulate.span_file import read_spans  # noqa: E402

BUILD = ROOT / "build"
ANSWERS = "<script>document.documentElement.dataset.ready = performance.now()</script></body>"
"""Behind the page's own scripts, which draw everything before they end."""
CHROMIUM = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--dump-dom",
]


def stage(model, folder):
    """Seconds of the report stage, as the build runs it."""
    own = BUILD / model
    places = {
        "capture": BUILD / "capture" / model,
        "run": own / "run",
        "plan": own / "plan.json",
        "placement": own / "placement.json",
        "elf": BUILD / f"{model}.elf",
        "qemu": BUILD / "host/qemu.json",
    }
    command = [sys.executable, "-m", "acalsim_backend.report", folder / f"{model}.json", "--machine=default"]
    command += [f"--{name}={path}" for name, path in places.items()]
    started = time.perf_counter()
    subprocess.run(
        command, env={"PATH": "/usr/bin", "PYTHONPATH": ROOT / "site_scons"}, check=True, capture_output=True
    )
    return time.perf_counter() - started


def stage_cpu(model, folder):
    """Seconds of CPU that the report stage takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    stage(model, folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def trace(model, folder):
    """Seconds until the trace of a run is written, once its recording is read."""
    statistics_ = doors.read(BUILD / model / "run/run.json", RunFile, ReportError).statistics
    plan = doors.read(BUILD / model / "plan.json", PlanFile, ReportError)
    recording = read_spans(BUILD / model / "run/spans.bin", ReportError)
    report = read_report(folder / f"{model}.json")
    started = time.perf_counter()
    happened = timeline(plan, statistics_, recording, load_machine("default").ram.timing)
    (folder / "again.trace.json").write_text(trace_text(report, happened))
    return time.perf_counter() - started


def page(model, folder):
    """Seconds from the beginning of navigation until the page's scripts are through, as the browser tells it."""
    shown = folder / "shown.html"
    shown.write_text((folder / f"{model}.html").read_text().replace("</body>", ANSWERS))
    command = ["chromium", *CHROMIUM, f"--user-data-dir={folder / 'profile'}", shown.as_uri()]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(re.search(r'data-ready="([\d.]+)"', said)[1]) / 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=["resnet18_32", "mobilenetv2"])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    scons("-j2", *(f"sim-{model}" for model in options.models))
    parts = {"report stage": stage, "its CPU time": stage_cpu, "trace": trace} | (
        {"page": page} if shutil.which("chromium") else {}
    )
    for model in options.models:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            stage(model, folder)
            medians = {
                part: statistics.median(measure(model, folder) for _ in range(options.rounds))
                for part, measure in parts.items()
            }
            size = (folder / f"{model}.html").stat().st_size
        said = ", ".join(f"{part} {seconds:.2f} s" for part, seconds in medians.items())
        print(f"{model}: {said}; its page has {size:,} bytes")


if __name__ == "__main__":
    main()
