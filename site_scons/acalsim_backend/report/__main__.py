# SPDX-License-Identifier: Apache-2.0
"""python -m acalsim_backend.report OUT.json ...: a run's report from the earlier rooms' files."""

from __future__ import annotations

import argparse
from pathlib import Path

from .. import doors
from ..capture.capture_file import CaptureFile, sample_bytes
from ..check.placement_file import PlacementFile
from ..errors import ReportError, run_room
from ..files import write_atomic
from ..host.qemu_file import QemuFile
from ..host.toolchain import compiler_version
from ..machine.file import load_machine
from ..machine.machine import Machine
from ..mapped import mapped, samples
from ..schedule.plan_file import PlanFile
from ..simulate.run_file import HostFile, RunFile
from ..simulate.span_file import read_spans
from .advice_file import AdviceFile
from .generated import TOKENS, generated
from .page.page import page
from .page.view import Subject as Shown
from .report import Subject, build_report, checked, difference, provenance
from .report_file import Report, Verification
from .rows import csv_text, op_rows
from .samples import of_all
from .show import print_report
from .timeline import Timeline, timeline
from .trace import trace_text


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="acalsim_backend.report", description=__doc__.splitlines()[0])
    parser.add_argument(
        "out",
        type=Path,
        help="NAME.json; NAME.host.json, NAME.ops.csv, NAME.trace.json and NAME.html go beside it",
    )
    parser.add_argument("--machine", required=True)
    for name in ("capture", "run", "plan", "placement", "elf", "qemu"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--times", type=Path, help="where the run's wall times go, instead of NAME.host.json")
    parser.add_argument("--verified", type=Path, help="NAME.verify.json, for the page")
    parser.add_argument("--advice", type=Path, help="NAME.advice.json, for the page")
    options = parser.parse_args(arguments)
    capture = doors.read(options.capture / "capture.json", CaptureFile, ReportError)
    host = doors.read(options.run / "host.json", HostFile, ReportError)
    plan = doors.read(options.plan, PlanFile, ReportError)
    placement = doors.read(options.placement, PlacementFile, ReportError)
    verified = doors.read(options.verified, Verification, ReportError) if options.verified else None
    advice = doors.read(options.advice, AdviceFile, ReportError) if options.advice else None
    run = doors.read(options.run / "run.json", RunFile, ReportError)
    recording = read_spans(options.run / "spans.bin", ReportError)
    machine = load_machine(options.machine)
    happened = timeline(plan, run.statistics, recording, machine.ram.timing)
    report = report_of_files(options, machine, capture, plan, placement, run, happened)
    shown = page(Shown(report, plan, placement, capture.tolerance, happened, verified, advice))
    doors.write(options.times or options.out.with_suffix(".host.json"), host)
    write_atomic(options.out.with_suffix(".ops.csv"), csv_text(op_rows(report)))
    write_atomic(options.out.with_suffix(".trace.json"), trace_text(report, happened))
    write_atomic(options.out.with_suffix(".html"), shown)
    doors.write(options.out, report)
    print_report(report)
    if not report.check.passed:
        raise ReportError(difference(report, capture.tolerance))
    return 0


def report_of_files(
    options: argparse.Namespace,
    machine: Machine,
    capture: CaptureFile,
    plan: PlanFile,
    placement: PlacementFile,
    run: RunFile,
    happened: Timeline,
) -> Report:
    subject = Subject(
        model=options.out.stem,
        machine=machine,
        plan=plan,
        placement=placement.placement,
        provenance=provenance(
            capture.origin,
            options.elf,
            machine,
            doors.read(options.qemu, QemuFile, ReportError).version,
            compiler_version(machine.cpu.isa),
        ),
        quantised=capture.quantised.ops if capture.quantised else None,
        halves=capture.narrowed.types if capture.narrowed else (),
    )
    block = mapped(options.run / "outputs.bin")
    expected = mapped(options.capture / "outputs.bin")
    references = samples(expected, capture.outputs, capture.samples, sample_bytes(capture.outputs))
    outputs = samples(block, plan.outputs, capture.samples, plan.sections.get(".outputs", 0))
    checks = [
        checked(plan, *of_sample, capture.tolerance) for of_sample in zip(outputs, references, strict=True)
    ]
    made = generated(plan, block, outputs[0][TOKENS], references[0][TOKENS], machine) if plan.loop else None
    return build_report(subject, run, of_all(checks), happened, made, checks)


if __name__ == "__main__":
    run_room(main)
