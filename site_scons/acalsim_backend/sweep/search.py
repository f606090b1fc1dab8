# SPDX-License-Identifier: Apache-2.0
"""Points that Optuna proposes, each batch after what it was told of those before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..machine.keys import Value
from .packages import package
from .point import Measured, Outcome
from .space import Choices, Point, Sweep

BATCH = 8
"""Points that are proposed at once, however many workers there are, so that these do not change the result."""

Evaluate = Callable[[Sequence[Point]], Sequence[Outcome]]


def search(sweep: Sweep, evaluate: Evaluate) -> list[tuple[Point, Outcome]]:
    """As many points as the sweep has `count`, in the order in which they were proposed; the fewer
    cycles, or whatever the sweep's objectives are, the better. Raises SweepError where optuna is missing."""
    optuna = package("optuna", "SEARCH=optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=sweep.seed), directions=["minimize"] * len(sweep.objectives)
    )
    found: list[tuple[Point, Outcome]] = []
    while len(found) < sweep.count:
        trials = [study.ask() for _ in range(min(BATCH, sweep.count - len(found)))]
        points = [_proposed(sweep, trial) for trial in trials]
        outcomes = evaluate(points)
        for trial, outcome in zip(trials, outcomes, strict=True):
            _tell(study, trial, outcome, sweep.objectives, optuna.trial.TrialState.FAIL)
        found += zip(points, outcomes, strict=True)
    return found


def _proposed(sweep: Sweep, trial: Any) -> Point:
    point: dict[str, Value] = {}
    for key, axis in sweep.axes.items():
        if isinstance(axis, Choices):
            point[key] = trial.suggest_categorical(key, list(axis.values))
        else:
            step = {} if axis.log else {"step": axis.step}
            point[key] = trial.suggest_int(key, axis.start, axis.last, log=axis.log, **step)
    return point


def _tell(study: Any, trial: Any, outcome: Outcome, objectives: Sequence[str], fails: Any) -> None:
    """A point that has no result, wrong outputs or no such figure is one that failed."""
    known = isinstance(outcome, Measured) and outcome.passed
    values = [getattr(outcome, name) for name in objectives] if known else [None]
    if None in values:
        study.tell(trial, state=fails)
    else:
        study.tell(trial, values)
