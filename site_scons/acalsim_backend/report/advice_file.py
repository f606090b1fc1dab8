# SPDX-License-Identifier: Apache-2.0
"""NAME.advice.json: what a model takes when one key of its machine changes, each by simulation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figures:
    """Of one machine."""

    total_cycles: int
    sram_bytes: int
    macs_per_cycle: int
    passed: bool
    energy_pj: float | None = None


@dataclass(frozen=True)
class Advised:
    """A key's own value and another one; `figures` of the machine that has it, or why there is none (`error`)."""

    key: str
    value: int
    to: int
    figures: Figures | None
    error: str = ""


@dataclass(frozen=True)
class AdviceFile:
    """All of NAME.advice.json, the rows with the fewest cycles first."""

    advised: str
    machine: str
    machine_sha256: str
    figures: Figures
    rows: tuple[Advised, ...]
