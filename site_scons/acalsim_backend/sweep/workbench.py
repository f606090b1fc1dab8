# SPDX-License-Identifier: Apache-2.0
"""Where a worker measures points: planned anew, built and simulated where no recorded run can be replayed."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import tomli_w

from .. import doors
from ..capture.capture_file import CaptureFile
from ..check.check import check
from ..check.placement_file import RegionRow
from ..codegen.generator import code_files, timer_for
from ..codegen.values import captured_data
from ..errors import AcalsimError, SweepError
from ..files import sha256, write_atomic, write_if_changed
from ..host import qemu
from ..host.library import load
from ..host.own import serve_options
from ..host.toolchain import compiler_version
from ..host.tools import Tools
from ..ir.graph import ACALSimIR
from ..ir.text import parse
from ..machine.file import machine_of, rooted
from ..machine.machine import Machine
from ..mapped import tensors
from ..offload.tiling_file import read_choices
from ..pipeline import build_elf
from ..report.report import Subject, build_report, checked
from ..report.report_file import Check, Provenance, Report
from ..report.timeline import timeline
from ..schedule.passes import make_plan
from ..schedule.plan_file import PlanFile
from ..schedule.plan_rows import plan_file
from ..simulate.firmware import Firmware
from ..simulate.replay import Recording, Replayed, can_replay, cpu_view, replay
from ..simulate.run import simulate
from ..simulate.run_file import RunFile
from ..simulate.span_file import parse_spans
from .cache import Cache, Recorded
from .point import Captured, Failed, Job, Measured, Outcome, digest_of, point_key

ENGINE = "embedded"
PLANS_KEPT = 64


@dataclass(frozen=True)
class Model:
    """A captured model in memory."""

    captured: Captured
    ir: ACALSimIR
    index: CaptureFile


@dataclass(frozen=True)
class Program:
    """A model's program for some machines: all files but those of values."""

    model: Model
    plan: PlanFile
    files: Mapping[str, str]

    @cached_property
    def key(self) -> str:
        """Equal for programs whose ELFs are the same; plan.json knows estimates as well."""
        rows = doors.text(replace(self.plan, ops=()))
        texts = [text for name, text in sorted(self.files.items()) if name not in ("plan.json", "Makefile")]
        return digest_of([], self.model.captured.digest, rows, *texts)


class Workbench:
    """Measures points one after the other. `folder` is for its own use, the cache's may be shared."""

    def __init__(self, folder: Path, cache: Cache, tools: Tools):
        self.folder, self.cache, self.tools = folder, cache, tools
        self.model = lru_cache(4)(_model)
        self._plans: dict[tuple[str, str, str], Program] = {}

    @cached_property
    def engine(self) -> ModuleType:
        return load(self.tools.library)

    def outcome(self, job: Job) -> Outcome:
        """As `measure`, with one line where it fails."""
        try:
            return self.measure(job)
        except AcalsimError as error:
            return Failed.of(error)

    def measure(self, job: Job) -> Measured:
        """The point's result, from the cache where it has it. Raises the AcalsimError of the room that stops it."""
        machine = machine_of(job.table, Path(job.machine))
        if machine.sst_config:
            raise SweepError(f"{machine.path}: sst.config says more than the embedded engine knows")
        key = point_key(job, machine)
        measured = self.cache.point(key)
        if measured is None:
            measured = measured_of(machine, *self.report(job, machine))
            self.cache.keep_point(key, measured)
        return measured

    def report(self, job: Job, machine: Machine) -> tuple[Report, bool]:
        """The report of a point, and whether it is a replay's."""
        program = self.program(self.model(job.captured), machine)
        key = digest_of([], program.key, job.code, cpu_view(machine))
        recorded = self.cache.run(key)
        replayed = None
        if recorded and can_replay(recorded.recording.statistics, machine):
            replayed = replay(recorded.recording, machine, self.engine, machine.energy is not None)
        if recorded and replayed:
            return _report(program, job, machine, recorded, replayed), True
        fresh, spans = self.record(program, job, machine)
        if recorded is None:
            self.cache.keep_run(key, fresh)
        simulated = Replayed(fresh.recording.statistics, spans)
        return _report(program, job, machine, fresh, simulated), False

    def program(self, model: Model, machine: Machine) -> Program:
        """Planned anew where the compiler could decide otherwise."""
        key = model.captured.digest, machine.name, machine.compile_view()
        if key not in self._plans:
            if len(self._plans) >= PLANS_KEPT:
                del self._plans[next(iter(self._plans))]
            timer, tiling = timer_for(machine, self.tools.library), model.captured.tiling
            choices = read_choices(Path(tiling) if tiling else None, machine.name)
            plan = make_plan(model.ir, machine, timer=timer, choices=choices)
            files = code_files(plan.given, plan, machine, self.folder / "program")
            self._plans[key] = Program(model, plan_file(plan.given, plan, machine), files)
        return self._plans[key]

    def record(self, program: Program, job: Job, machine: Machine) -> tuple[Recorded, bytes | None]:
        """Build, check and simulate the program; where energy is counted, what happened when as well."""
        elf, placement = self.build(program, machine)
        file, accesses = self.folder / f"{machine.name}.toml", self.folder / "accesses"
        write_atomic(file, tomli_w.dumps(rooted(job.table, Path(job.machine))))
        options = [f"--record={accesses}", *serve_options(machine)]
        run = simulate(
            elf,
            replace(machine, path=file),
            ENGINE,
            self.tools,
            timeout_s=job.timeout_s,
            engine_options=options,
            spans=machine.energy is not None,
        )
        recording = Recording(run.statistics, accesses.read_bytes(), tuple(Firmware(elf).constants()))
        recorded = Recorded(recording, _compared(program, run.outputs), placement, sha256(elf))
        return recorded, run.spans

    def build(self, program: Program, machine: Machine) -> tuple[Path, tuple[RegionRow, ...]]:
        """The ELF, of which only what has changed since the last one is built, and where its sections lie."""
        folder = self.folder / digest_of([], program.model.captured.digest, program.files["Makefile"])
        values = captured_data(program.plan, Path(program.model.captured.folder))
        for name, content in {**program.files, **values}.items():
            write_if_changed(folder / name, content)
        elf = build_elf(folder, machine.cpu.isa, anew=False)
        return elf, check(elf, elf.with_suffix(".ld"), doors.as_json(program.plan)).regions


def _model(captured: Captured) -> Model:
    folder = Path(captured.folder)
    index = doors.read(folder / "capture.json", CaptureFile, SweepError)
    return Model(captured, parse((folder / "graph_0.ir").read_text()), index)


def _compared(program: Program, outputs: bytes) -> Check:
    index, plan = program.model.index, program.plan
    references = (Path(program.model.captured.folder) / "outputs.bin").read_bytes()
    return checked(plan, tensors(outputs, plan.outputs), tensors(references, index.outputs), index.tolerance)


def _report(program: Program, job: Job, machine: Machine, recorded: Recorded, run: Replayed) -> Report:
    """Of a run that was replayed, or simulated, on this machine."""
    index = program.model.index
    made_by = Provenance(
        model_sha256=index.origin.model_sha256,
        weights_sha256=index.origin.weights_sha256,
        elf_sha256=recorded.elf_sha256,
        machine_sha256=digest_of([], tomli_w.dumps(job.table)),
        torch=index.origin.torch,
        compiler=_compiler(machine.cpu.isa),
        qemu=qemu.installed_version(),
    )
    subject = Subject(
        model=program.model.captured.model,
        machine=machine,
        plan=program.plan,
        placement=recorded.placement,
        provenance=made_by,
        quantised=index.quantised.ops if index.quantised else None,
        halves=index.narrowed.types if index.narrowed else (),
    )
    happened = None
    if run.spans is not None:
        spans = parse_spans(run.spans, "the run's spans")
        happened = timeline(program.plan, run.statistics, spans, machine.ram.timing)
    return build_report(subject, RunFile(ENGINE, run.statistics), recorded.check, happened)


_compiler = lru_cache(compiler_version)


def measured_of(machine: Machine, report: Report, replayed: bool) -> Measured:
    """The part of a report that a sweep's table has."""
    told: dict[str, Any] = doors.as_json(report)
    assert report.roofline, "every new report has one"
    return Measured(
        total_cycles=report.total_cycles,
        bound_cycles=report.roofline.bound_cycles,
        limiter=report.roofline.limiter,
        passed=report.check.passed,
        max_rel_error=report.check.max_rel_error,
        sram_bytes=machine.sram_bytes,
        macs_per_cycle=machine.macs_per_cycle,
        ledger=told["ledger"],
        replayed=replayed,
        energy_pj=told.get("energy", {}).get("total_pj"),
    )


def private_folder() -> tempfile.TemporaryDirectory[str]:
    """For a workbench that has none of the build's."""
    return tempfile.TemporaryDirectory(prefix="acalsim-sweep-")
