# SPDX-License-Identifier: Apache-2.0
"""python -m acalsim_backend.report OUT.json ...: the report of one run from the files of the earlier rooms."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import ReportError, run_room
from ..files import read_json, write_json
from ..host.toolchain import compiler_version
from ..machine.file import load_machine
from .compare import compare, difference, tensors
from .report import build_report, provenance
from .show import print_report


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="acalsim_backend.report", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="NAME.json; NAME.host.json goes beside it")
    for name in ("capture", "run", "plan", "placement", "elf", "machine", "qemu"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args(arguments)
    report = report_of_files(options)
    write_json(options.out.with_suffix(".host.json"), read_json(options.run / "host.json"))
    write_json(options.out, report)
    print_report(report)
    if not report["check"]["passed"]:
        raise ReportError(difference(report, read_json(options.capture / "capture.json")["tolerance"]))
    return 0


def report_of_files(options: argparse.Namespace) -> dict:
    capture, plan = read_json(options.capture / "capture.json"), read_json(options.plan)
    references = tensors((options.capture / "outputs.bin").read_bytes(), capture["outputs"])
    outputs = tensors((options.run / "outputs.bin").read_bytes(), plan["outputs"])
    producers = [row["op"] or row["name"] for row in plan["outputs"]]
    qemu = read_json(options.qemu)
    return build_report(
        options.out.stem,
        options.machine.stem,
        read_json(options.run / "run.json"),
        plan,
        read_json(options.placement)["placement"],
        compare(outputs, references, producers, capture["tolerance"]),
        provenance(
            capture,
            options.elf,
            options.machine,
            qemu,
            compiler_version(load_machine(str(options.machine)).cpu.isa),
        ),
        capture.get("quantised", {}).get("ops"),
    )


if __name__ == "__main__":
    run_room(main)
