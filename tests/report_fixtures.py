# SPDX-License-Identifier: Apache-2.0
"""Reports that are made up, as tests of what reads reports use them."""

from acalsim_backend import doors
from acalsim_backend.capture.capture_file import QuantisedOp
from acalsim_backend.report.report_file import Check, Ledger, Provenance, Report, ReportedOp, Roofline
from acalsim_backend.simulate.run_file import Counters, EngineCounters, OpCounters

OVERHEAD = 10


def ledger(cycles, compute=0):
    return Ledger(cycles - compute, 0, 0, 0, compute, 0, 0)


def reported_op(index, name, cycles, compute=0, type="GEMM"):
    return ReportedOp(
        index=index,
        name=name,
        type=type,
        placed_on="compute" if compute else "cpu",
        cycles=cycles,
        ledger=ledger(cycles, compute),
        counters=OpCounters(cycles // 2),
        macs=64,
        source="models/it.py:3",
        torch_ops=("aten.mm.default", "aten.add.Tensor"),
        fused=(f"{name}_add",),
        roofline=Roofline(4, "dram", {"array": 1, "dram": 4}),
    )


def made_report(model="it", machine="default", ops=(("mm", 80, 60), ("relu", 10, 0)), int8=False, **changes):
    """A report whose sums agree; `ops` are (name, cycles, of these the device's)."""
    rows = tuple(reported_op(index, *op) for index, op in enumerate(ops))
    total, waited = sum(op.cycles for op in rows) + OVERHEAD, sum(op.ledger.compute for op in rows)
    values = dict(
        schema=1,
        model=model,
        machine=machine,
        engine="embedded",
        total_cycles=total,
        cpu_cycles=total - waited,
        stall_cycles=waited,
        ledger=ledger(total, waited),
        counters=Counters(total // 2, 1, 2, 8, 16),
        engine_counters=EngineCounters(7),
        ops=rows,
        overhead_cycles=OVERHEAD,
        check=Check(True, 0.0, 0.0, None),
        placement=(),
        devices={"echo": {"transactions": 1}},
        provenance=Provenance("m" * 64, "w" * 64, "e" * 64, "f" * 64, "2.13.0", "gcc 12.2", "7.2.22"),
        quantised=(QuantisedOp("mm", 0.5, 0.01),) if int8 else None,
        roofline=Roofline(50, "dram", {"array": 10, "dram": 50}),
    )
    return Report(**values | changes)


def write_report(folder, report, name=""):
    path = folder / f"{name or report.model}.json"
    doors.write(path, report)
    return path
