# SPDX-License-Identifier: Apache-2.0
"""Puts what one run said beside its plan, its placement and PyTorch's reference: schema 1, JSON and a table.

`build_report` is the contract that CI scripts read; every number in it is an integer unless its key
says `error` or it is one of `passed` and `first_bad_op`. Nothing in it depends on the host.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from .errors import ReportError, run_room
from .files import read_json, sha256, write_json

SCHEMA = 1
LEDGER = ("cpu", "stall", "fetch", "load", "compute", "store", "dram")
"""Where a cycle goes: the CPU's own work, its wait for a register access; and while it waits for a device's work what the
device does: fetch commands, move a tile between scratchpad and DMA port, compute, store, wait for RAM."""
COUNTERS = ("instructions", "memory_reads", "memory_writes", "memory_bytes_read", "memory_bytes_written")
LARGEST = sys.float_info.max
"""Stands for an error that no number measures: NaN where PyTorch has a number, or the reverse."""


def build_report(
    model: str,
    machine: str,
    run: dict,
    plan: dict,
    placement: list[dict],
    check: dict,
    provenance: dict,
    quantised: list[dict] | None = None,
) -> dict:
    """The report of one run as a dict of schema 1. Raises ReportError when its sums do not agree."""
    guest = run["guest"]
    if guest is None:
        raise ReportError("the guest's counters are missing: QEMU's plugin sent no statistics")
    ops = [_op_row(op, guest, run["stalls"]) for op in plan["ops"]]
    overhead = _ledger(guest["overhead"], run["stalls"].get("0"))
    report = {
        "schema": SCHEMA,
        "model": model,
        "machine": machine,
        "engine": run["engine"],
        "total_cycles": run["total_cycles"],
        "cpu_cycles": guest["cpu_cycles"],
        "stall_cycles": guest["stall_cycles"],
        "ledger": {name: overhead[name] + sum(op["ledger"][name] for op in ops) for name in LEDGER},
        **{name: guest[name] for name in COUNTERS},
        **({"cache": guest["cache"]} if "cache" in guest else {}),
        "device_transactions": run["device_transactions"],
        "ops": ops,
        "overhead_cycles": guest["overhead"]["cycles"],
        "check": check,
        "placement": placement,
        "devices": run["devices"],
        "provenance": provenance,
        **({} if quantised is None else {"quantised": quantised}),
    }
    _hold_sums(report)
    return report


def _ledger(booked: dict, stalls: dict | None) -> dict:
    """The cycles of one account, by where they went."""
    stalls = dict(stalls or {})
    stall = stalls.pop("access", 0)
    return {
        "cpu": booked["cycles"] - booked["stall_cycles"],
        "stall": stall,
        **{name: stalls.get(name, 0) for name in LEDGER[2:]},
    }


def _op_row(op: dict, guest: dict, stalls: dict) -> dict:
    accounts = [_account(op, symbol, guest) for symbol in (op["symbol"], op.get("wait_symbol")) if symbol]
    ledgers = [_ledger(account, stalls.get(str(account["account"]))) for account in accounts]
    return {
        "index": op["index"],
        "name": op["name"],
        "type": op["type"],
        "placed_on": op["placed_on"],
        **({"reason": op["reason"]} if op["reason"] else {}),
        "cycles": sum(account["cycles"] for account in accounts),
        "ledger": {name: sum(ledger[name] for ledger in ledgers) for name in LEDGER},
        "instructions": sum(account["instructions"] for account in accounts),
        "macs": op["macs"],
        "source": op["source"],
        "torch_ops": [name for each in (op, *op["fused"]) for name in each["aten"]],
        "fused": [each["name"] for each in op["fused"]],
    }


def _account(op: dict, symbol: str, guest: dict) -> dict:
    booked = next((row for row in guest["ops"] if row["symbol"] == symbol), None)
    if booked is None:
        raise ReportError(f"op '{op['name']}' was not booked: no function '{symbol}' in the guest's counters")
    return booked


def _hold_sums(report: dict) -> None:
    """Every cycle is booked once: to the CPU or to waiting, to an op, to what it went to."""
    total, ops = report["total_cycles"], report["ops"]
    _hold("cpu_cycles + stall_cycles", report["cpu_cycles"] + report["stall_cycles"], total)
    _hold(
        "the ops' cycles + overhead_cycles",
        sum(op["cycles"] for op in ops) + report["overhead_cycles"],
        total,
    )
    _hold("the ledger's sum", sum(report["ledger"].values()), total)
    _hold("the ledger's cpu", report["ledger"]["cpu"], report["cpu_cycles"])
    for op in ops:
        _hold(f"the sum of the ledger of op '{op['name']}'", sum(op["ledger"].values()), op["cycles"])


def _hold(what: str, found: int, cycles: int) -> None:
    if found != cycles:
        raise ReportError(f"{what} is {found}, where {cycles} cycles were simulated")


def tensors(block: bytes, rows: list[dict]) -> list[np.ndarray]:
    """The tensors of a block of bytes, as `rows` describe it (dtype, shape, offset)."""
    return [
        np.frombuffer(block, row["dtype"], int(np.prod(row["shape"])), row["offset"]).reshape(row["shape"])
        for row in rows
    ]


def compare(
    outputs: list[np.ndarray], references: list[np.ndarray], names: list[str], tolerance: float
) -> dict:
    """The report's `check`: max_rel_error = max|y - ref| / max|ref| over all outputs.

    `names` are the ops that produced each output. Where all references are 0 the error is taken
    as it stands; NaN and infinities agree only with themselves.
    """
    errors = [_largest_error(y, reference) for y, reference in zip(outputs, references, strict=True)]
    magnitude = max((_largest_finite(reference) for reference in references), default=0.0) or 1.0
    relative = [min(error / magnitude, LARGEST) for error in errors]
    bad = next((name for name, error in zip(names, relative, strict=True) if error > tolerance), None)
    return {
        "passed": bad is None,
        "max_abs_error": max(errors, default=0.0),
        "max_rel_error": max(relative, default=0.0),
        "first_bad_op": bad,
    }


def _largest_error(y: np.ndarray, reference: np.ndarray) -> float:
    y, reference = y.astype(np.float64), reference.astype(np.float64)
    if np.any(np.isfinite(y) != np.isfinite(reference)):
        return LARGEST
    odd = ~np.isfinite(reference)
    if not np.array_equal(y[odd], reference[odd], equal_nan=True):
        return LARGEST
    return float(np.max(np.abs(y[~odd] - reference[~odd]), initial=0.0))


def _largest_finite(reference: np.ndarray) -> float:
    reference = np.abs(reference.astype(np.float64))
    return float(np.max(reference[np.isfinite(reference)], initial=0.0))


def provenance(capture: dict, elf: Path, machine: Path, qemu: dict, compiler: str) -> dict:
    """Hashes of what went in and versions of what made it; nothing that differs between hosts."""
    return {
        "model_sha256": capture["model_sha256"],
        "weights_sha256": capture["weights_sha256"],
        "elf_sha256": sha256(elf),
        "machine_sha256": sha256(machine),
        "torch": capture["torch"],
        "compiler": compiler,
        "qemu": qemu["version"],
    }


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="acalsim_backend.report", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="NAME.json; NAME.host.json goes beside it")
    for name in ("capture", "run", "plan", "placement", "elf", "machine", "qemu"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args(arguments)
    report = report_of_files(options)
    write_json(options.out.with_suffix(".host.json"), read_json(options.run / "host.json"))
    write_json(options.out, report)
    from .table import print_report

    print_report(report)
    if not report["check"]["passed"]:
        raise ReportError(difference(report, read_json(options.capture / "capture.json")["tolerance"]))
    return 0


def difference(report: dict, tolerance: float) -> str:
    """One line about a report whose check did not pass."""
    check = report["check"]
    return (
        f"model '{report['model']}': outputs differ from PyTorch's, first at op '{check['first_bad_op']}': "
        f"max_rel_error is {check['max_rel_error']:.3g}, allowed is {tolerance:g}"
    )


def report_of_files(options: argparse.Namespace) -> dict:
    capture, plan = read_json(options.capture / "capture.json"), read_json(options.plan)
    references = tensors((options.capture / "outputs.bin").read_bytes(), capture["outputs"])
    outputs = tensors((options.run / "outputs.bin").read_bytes(), plan["outputs"])
    producers = [row["op"] or row["name"] for row in plan["outputs"]]
    qemu = read_json(options.qemu)
    from .machine import load_machine
    from .toolchain import compiler_version

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
