# SPDX-License-Identifier: Apache-2.0
"""Reports and plans that nobody ran, for pages: of any number of ops, with a roofline or with odd names."""

from dataclasses import fields, replace

import numpy as np
from acalsim_backend.check.placement_file import PlacementFile, RegionRow, SectionRow
from acalsim_backend.report.page.view import Subject
from acalsim_backend.report.report_file import Check, Ledger, Provenance, Report, ReportedOp, Roofline
from acalsim_backend.report.timeline import CpuSpan, DeviceLanes, Lane, Timeline
from acalsim_backend.schedule.plan_file import BufferRow, ElfRow, OpRow, PlanFile
from acalsim_backend.simulate.run_file import Counters, EngineCounters, OpCounters
from acalsim_backend.simulate.span_file import SPAN

PASSED = Check(True, 1e-7, 2e-7, None)


def reported_op(index, name="op", **changes):
    ledger = Ledger(cpu=10 + index, stall=1, fetch=2, load=0, compute=300, store=0, dram=40)
    values = {
        "index": index,
        "name": f"{name}_{index}",
        "type": "GEMM",
        "placed_on": "compute" if index % 2 else "cpu",
        "cycles": 353 + index,
        "ledger": ledger,
        "counters": OpCounters(20),
        "macs": 4096 * (index % 2),
        "source": "models/it.py:3",
        "torch_ops": ("aten.addmm.default",),
        "fused": (),
    }
    return ReportedOp(**values | changes)


def report_of(ops, model="it", check=PASSED, **changes):
    overhead = 1000
    ledger = Ledger(*(sum(getattr(op.ledger, each.name) for op in ops) for each in fields(Ledger)))
    ledger = Ledger(ledger.cpu + overhead, *(getattr(ledger, each.name) for each in fields(Ledger)[1:]))
    total = sum(op.cycles for op in ops) + overhead
    sections = (SectionRow(".text", 0x80000000, 4000), SectionRow(".buffers", 0x80001000, 65536))
    values = {
        "schema": 1,
        "model": model,
        "machine": "default",
        "engine": "embedded",
        "total_cycles": total,
        "cpu_cycles": ledger.cpu,
        "stall_cycles": total - ledger.cpu,
        "ledger": ledger,
        "counters": Counters(5000, 1, 2, 8, 16),
        "engine_counters": EngineCounters(7),
        "ops": tuple(ops),
        "overhead_cycles": overhead,
        "check": check,
        "placement": (RegionRow("RAM", 0x80000000, 1 << 28, 69632, sections),),
        "devices": {"echo": {"busy_cycles": 0, "transactions": 1}},
        "provenance": Provenance(*(letter * 64 for letter in "abcd"), "2.13.0", "gcc", "7.2"),
    }
    return Report(**values | changes)


def plan_of(ops):
    """A chain: every op but the first needs the one before, and every third the one seven before, too."""
    rows = tuple(
        OpRow(
            index=op.index,
            name=op.name,
            symbol=f"op_{op.index}",
            type=op.type,
            placed_on=op.placed_on,
            reason="",
            macs=op.macs,
            source=op.source,
            aten=op.torch_ops,
            fused=(),
            needs=tuple(
                ops[op.index - back].name
                for back in (1, 7)
                if op.index >= back and (back == 1 or op.index % 3 == 0)
            ),
        )
        for op in ops
    )
    buffers = tuple(
        BufferRow(f"t_{op.index}", 4096 * (op.index % 16), 4096, op.index, min(op.index + 2, len(ops) - 1))
        for op in ops
    )
    elf = ElfRow(64, "double", True)
    return PlanFile("graph_0", elf, 16384, (), (), rows, (), (), {".buffers": 65536}, (), buffers)


def subject_of(ops, **changes):
    report = report_of(ops, **changes)
    return Subject(report, plan_of(ops), PlacementFile(report.placement, ()), 1e-4, timeline_of(report))


def timeline_of(report):
    """The ops one behind the other, each with two LOADs that overlap, a MATMUL and a transfer on the device."""
    cpu, rows, now = [CpuSpan(0, 1000, -1)], {name: [] for name in ("load", "compute", "dma")}, 1000
    for op in report.ops:
        end = now + op.cycles
        cpu.append(CpuSpan(now, end, op.index))
        if op.placed_on != "cpu":
            rows["load"] += [span(now, now + 100, op, code=1, bytes=640, m=1, n=10, k=64)]
            rows["load"] += [span(now + 50, now + 150, op, code=1, bytes=640, m=1, n=10, k=64)]
            rows["compute"] += [span(now + 150, end, op, code=2, m=4, n=8, k=16)]
            rows["dma"] += [span(now, now + 100, op, bytes=640)]
        now = end
    lanes = {name: Lane(*made) for name, made in ((name, lane(spans)) for name, spans in rows.items())}
    transfers, none = lanes.pop("dma"), Lane(*lane([]))
    devices = (DeviceLanes("compute", none, transfers, lanes),) if any(map(len, rows.values())) else ()
    return Timeline(now, tuple(cpu), none, devices, peak_bytes=32, latency_cycles=40)


def span(begin, end, op, **values):
    return {"begin": begin, "end": end, "op": op.index, **values}


def lane(spans):
    found = np.zeros(len(spans), SPAN)
    for place, row in enumerate(spans):
        for name, value in row.items():
            if name != "op":
                found[place][name] = value
    return found, np.array([row["op"] for row in spans], np.int64)


def bounded(subject):
    """The same with what says how far it is from the best."""
    ops = tuple(
        replace(
            op, roofline=Roofline(100 + op.index, "array", {"array": 100 + op.index, "vector": 0, "dram": 50})
        )
        for op in subject.report.ops
    )
    by = {"array": sum(op.roofline.bound_cycles for op in ops), "vector": 0, "dram": 50 * len(ops)}
    report = replace(subject.report, ops=ops, roofline=Roofline(by["array"], "array", by))
    return replace(subject, report=report)
