# SPDX-License-Identifier: Apache-2.0
"""A sweep's page: results in, one HTML file out, drawn as reports' pages are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import doors
from ..report.page.page import render
from ..report.page.view import parts
from .point import Measured
from .space import Sweep
from .table import COSTS, Result, front, varying, with_result

SCRIPTS = ("uPlot.iife.min.js", "table.js", "chart.js", "pareto.js")
COST_NAMES = {
    "macs_per_cycle": ("array size", "MACs a cycle"),
    "sram_bytes": ("SRAM", "bytes"),
    "energy_pj": ("energy", "pJ"),
}


def page(sweep: Sweep, results: Sequence[Result]) -> str:
    """All of the sweep's HTML file."""
    models = list(dict.fromkeys(each.model for each in results))
    values = {
        "name": sweep.name,
        "machine": sweep.machine.stem,
        "keys": sweep.keys,
        "has_precisions": bool(sweep.precisions),
        "groups": [_group(model, [each for each in results if each.model == model]) for model in models],
        "costs": COST_NAMES,
        "points": len(results),
        "failed": [each for each in results if not isinstance(each.outcome, Measured)],
    }
    return render("sweep.html.j2", SCRIPTS, values)


def _group(model: str, results: Sequence[Result]) -> dict[str, Any]:
    """What the page says of one model."""
    good = with_result(results)
    costs = [cost for cost in COSTS if any(getattr(each.measured, cost) is not None for each in good)]
    fronts = {cost: front(results, cost) for cost in varying(results)}
    numbers = {id(each): number for number, each in enumerate(good)}
    right = [each for each in good if each.measured.passed]
    best = min(right, key=lambda each: each.measured.total_cycles, default=None)
    return {
        "model": model,
        "best": best,
        "rows": [_row(each) for each in good],
        "fronts": fronts,
        "costs": costs,
        "data": {
            "points": [{"title": each.title, **doors.as_json(each.outcome)} for each in good],
            "fronts": {cost: [numbers[id(each)] for each in fronts[cost]] for cost in fronts},
            "names": COST_NAMES,
        },
    }


def _row(result: Result) -> dict[str, Any]:
    outcome = result.measured
    return {
        "result": result,
        "outcome": outcome,
        "parts": [part for part in parts(outcome.ledger, outcome.total_cycles) if part["cycles"]],
        "times": outcome.total_cycles / outcome.bound_cycles if outcome.bound_cycles else None,
    }
