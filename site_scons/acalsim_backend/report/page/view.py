# SPDX-License-Identifier: Apache-2.0
"""What a page says of a report, in the order in which it says it: the values of the template's names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ... import doors
from ...check.placement_file import PlacementFile
from ...schedule.plan_file import PlanFile
from ..advice_file import AdviceFile, Figures
from ..generated import speed
from ..report_file import NONE_IN_INT8, Report, Verification
from ..rows import states_of, units_of
from ..samples import spread
from ..timeline import Timeline
from . import words
from .graph import graph
from .timeline import table, timeline

Facts = Mapping[str, Any]
"""A report or a part of it, as it stands in its JSON."""

SHOWN_BARS = 15
MOST_BARS = 100


@dataclass(frozen=True)
class Subject:
    """A report and what else is known of its run. `tolerance` is the largest max_rel_error that passes."""

    report: Report
    plan: PlanFile
    placement: PlacementFile
    tolerance: float
    timeline: Timeline
    verification: Verification | None = None
    advice: AdviceFile | None = None


def view(subject: Subject) -> dict[str, Any]:
    report = doors.as_json(subject.report)
    made = subject.report.generated
    used = [name for name in report["ledger"] if any(op["ledger"].get(name) for op in report["ops"])]
    return {
        "report": report,
        "sentence": "; ".join([sentence(report), *([speed(made)] if made else [])]),
        "spread": spread(subject.report),
        "samples": report.get("samples", []),
        "parts": parts(report["ledger"], report["total_cycles"]),
        "ops": ops(report),
        "shown_bars": SHOWN_BARS,
        "most_bars": MOST_BARS,
        "longest": max([op["cycles"] for op in report["ops"]] + [report["overhead_cycles"]]),
        "used_classes": used,
        "meanings": [{"name": name, "meaning": words.LEDGER.get(name, name)} for name in used],
        "errors": {row["op"]: row["max_rel_error"] for row in report.get("quantised") or ()},
        "roofline": best(report),
        "hardware": report.get("hardware"),
        "energy": report.get("energy"),
        "overhead_energy": report.get("overhead_energy"),
        "regions": report["placement"],
        "left_out": subject.placement.left_out,
        "symbols": len(subject.plan.symbols),
        "arena_bytes": subject.plan.sections.get(".buffers", 0),
        "buffers": doors.as_json(subject.plan.buffers),
        "devices": [
            device(name, counters, report["total_cycles"]) for name, counters in report["devices"].items()
        ],
        "graph": graph(report, subject.plan),
        "tolerance": subject.tolerance,
        "verified": verified(report, subject.verification),
        "advice": advised(report, subject.advice),
        "timeline": subject.timeline,
        "occupancy": table(subject.timeline),
        "data": {
            "report": report,
            "buffers": doors.as_json(subject.plan.buffers),
            "meanings": words.LEDGER,
            "timeline": timeline(subject.timeline),
        },
    }


def sentence(report: Facts) -> str:
    """What one would say of a report in one sentence."""
    total, bound = report["total_cycles"], best(report)
    cause = words.largest(report["ledger"])
    said = [f"{report['model']} on {report['machine']}: {total:,} cycles"]
    if bound:
        said[0] += f", {bound['times']:,.1f} times its bound, limited by {bound['limiter_name']}"
    share = words.percent(report["ledger"][cause], total)
    said.append(f"{share} of the time went to {words.WENT_TO.get(cause, cause)}")
    if report["ops"]:
        longest = max(report["ops"], key=lambda op: op["cycles"])
        said.append(f"{words.percent(longest['cycles'], total)} in {longest['name']}")
    if report.get("quantised") == []:
        said.append(NONE_IN_INT8)
    return "; ".join(said)


def best(subject: Facts) -> dict[str, Any] | None:
    """How far a report or an op is from the fewest cycles that the machine could take, if anything bounds it."""
    roofline = subject.get("roofline")
    if not roofline or not roofline["bound_cycles"]:
        return None
    cycles = subject.get("total_cycles", subject.get("cycles", 0))
    name = roofline["limiter"]
    times = cycles / roofline["bound_cycles"]
    return {**roofline, "times": times, "limiter_name": words.RESOURCES.get(name, name)}


def parts(ledger: Mapping[str, int], total: int) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "meaning": words.LEDGER.get(name, name),
            "cycles": cycles,
            "share": words.percent(cycles, total),
            "width": words.width(cycles, total),
        }
        for name, cycles in ledger.items()
    ]


def ops(report: Facts) -> list[dict[str, Any]]:
    """The ops, those with most cycles first."""
    total = report["total_cycles"]
    return [
        {
            **op,
            "share": words.percent(op["cycles"], total),
            "parts": [part for part in parts(op["ledger"], op["cycles"]) if part["cycles"]],
            "best": best(op),
            "rate": op["macs"] / op["cycles"] if op["macs"] and op["cycles"] else None,
        }
        for op in sorted(report["ops"], key=lambda op: -op["cycles"])
    ]


def device(name: str, counters: Mapping[str, int], total: int) -> dict[str, Any]:
    """A device's counters with their units; of one with units of its own also what each did of the busy time."""
    names = units_of(counters) if counters.get("busy_cycles") else []
    units = [
        {"name": unit, "parts": [part for part in states(unit, counters) if part["cycles"]]} for unit in names
    ]
    in_units = {key for unit in names for key in states_of(unit, counters).values()}
    rows = [
        {"key": key, "name": words.name_of(key), "value": value, "unit": words.unit_of(key)}
        for key, value in counters.items()
        if key not in in_units
    ]
    peak, macs = counters.get("peak_macs_per_cycle"), counters.get("macs", 0)
    busy = counters.get("busy_cycles", 0)
    return {
        "name": name,
        "rows": rows,
        "units": units,
        "busy": busy,
        "busy_share": words.percent(busy, total),
        "of_peak": words.percent(macs, total * peak) if peak else None,
        "of_peak_while_busy": words.percent(macs, busy * peak) if peak and busy else None,
    }


def states(unit: str, counters: Mapping[str, int]) -> Sequence[dict[str, Any]]:
    """What a unit did while its device was at work."""
    busy = counters["busy_cycles"]
    found = ((state, counters[key]) for state, key in states_of(unit, counters).items())
    return [
        {
            "name": state.replace("wait_", "waits for "),
            "state": state,
            "cycles": cycles,
            "share": words.percent(cycles, busy),
            "width": words.width(cycles, busy),
        }
        for state, cycles in found
    ]


def verified(report: Facts, verification: Verification | None) -> list[dict[str, Any]] | None:
    """Every op's error, largest first, if they are of this model with these parameters."""
    if verification is None or any(
        getattr(verification, key) != report["provenance"][key] for key in ("model_sha256", "weights_sha256")
    ):
        return None
    rows: list[dict[str, Any]] = doors.as_json(verification.ops)
    return sorted(rows, key=lambda row: -float(words.rank(row["max_rel_error"])))


def advised(report: Facts, advice: AdviceFile | None) -> Facts | None:
    """What each key is worth; nothing of advice for another machine file, or where the model took other cycles."""
    if advice is None:
        return None
    own = advice.figures
    is_of_it = advice.machine_sha256 == report["provenance"]["machine_sha256"]
    if not is_of_it or own.total_cycles != report["total_cycles"]:
        return None
    known = [(row, row.figures) for row in advice.rows if row.figures]
    return {
        "rows": [
            {
                "key": row.key,
                "value": row.value,
                "to": row.to,
                "cycles": its.total_cycles,
                "changes": changes(own, its),
                "passed": its.passed,
            }
            for row, its in known
            if its.total_cycles != own.total_cycles
        ],
        "unchanged": [row for row, its in known if its.total_cycles == own.total_cycles],
        "impossible": [row for row in advice.rows if row.error],
        "has_energy": own.energy_pj is not None,
    }


def changes(own: Figures, its: Figures) -> list[float]:
    """In cycles, per cent, bytes of SRAM, MACs a cycle and, where it is known, pJ."""
    cycles = its.total_cycles - own.total_cycles
    found = [cycles, 100 * cycles / (own.total_cycles or 1)]
    found += [its.sram_bytes - own.sram_bytes, its.macs_per_cycle - own.macs_per_cycle]
    if own.energy_pj is not None and its.energy_pj is not None:
        found.append(its.energy_pj - own.energy_pj)
    return found
