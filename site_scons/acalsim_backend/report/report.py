# SPDX-License-Identifier: Apache-2.0
"""Puts what one run said beside its plan, its placement and PyTorch's reference: schema 1, JSON and a table.

`build_report` is the contract that CI scripts read; every number in it is an integer unless its key
says `error` or it is one of `passed` and `first_bad_op`. Nothing in it depends on the host.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import ReportError
from ..files import sha256

SCHEMA = 1
LEDGER = ("cpu", "stall", "fetch", "load", "compute", "store", "dram")
"""Where a cycle goes: the CPU's own work, its wait for a register access; and while it waits for a device's work what the
device does: fetch commands, move a tile between scratchpad and DMA port, compute, store, wait for RAM."""
COUNTERS = ("instructions", "memory_reads", "memory_writes", "memory_bytes_read", "memory_bytes_written")


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
