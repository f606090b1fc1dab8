# SPDX-License-Identifier: Apache-2.0
"""What a run that makes tokens says beside its cycles: which tokens, and when each was there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from ..machine.machine import Machine
from ..mapped import Array, Block
from ..schedule.plan_file import LoopRow, PlanFile
from .compare import compare
from .report_file import Check, Generated

TOKENS = 0
"""Which of the outputs they are; the other one is the logits of the last."""


def check_generated(
    outputs: Sequence[Array], references: Sequence[Array], names: Sequence[str], tolerance: float
) -> Check:
    """Tokens are equal or not; what can be a little off are the logits."""
    check = compare(outputs[1:], references[1:], names[1:], tolerance)
    if np.array_equal(outputs[TOKENS], references[TOKENS]):
        return check
    return replace(check, passed=False, first_bad_op=names[TOKENS])


def generated(
    plan: PlanFile, block: Block, tokens: Array, expected: Array, machine: Machine
) -> Generated | None:
    """Of a run that left `block` in the section of outputs; None of one that made no tokens."""
    if plan.loop is None:
        return None
    times = _times(plan.loop, block)
    steps = tuple(after - before for before, after in pairwise(times))
    speed = None
    if machine.clock_mhz is not None:
        speed = len(steps) * len(tokens) * machine.clock_mhz * 1e6 / sum(steps)
    return Generated(
        tokens=_rows(tokens),
        expected=_rows(expected),
        prompt_cycles=times[0],
        token_cycles=steps,
        cache_bytes_read=plan.loop.carried_bytes_read * plan.loop.rounds,
        clock_mhz=machine.clock_mhz,
        tokens_per_second=speed,
    )


def first_difference(found: Generated) -> str | None:
    """One line about the first token that is not PyTorch's."""
    for number, (tokens, expected) in enumerate(zip(found.tokens, found.expected, strict=True)):
        for place, (token, wanted) in enumerate(zip(tokens, expected, strict=True)):
            if token != wanted:
                return f"token {place} of sequence {number} is {token}; PyTorch's is {wanted}"
    return None


def speed(made: Generated) -> str:
    """When the tokens were there, in a sentence."""
    steps = made.token_cycles
    text = (
        f"prompt and first token {made.prompt_cycles:,} cycles, each further token "
        f"{sum(steps) / len(steps):,.0f} ({min(steps):,} to {max(steps):,}), cache read {made.cache_bytes_read:,} bytes"
    )
    return (
        text if made.tokens_per_second is None else f"{text}, {made.tokens_per_second:,.1f} tokens a second"
    )


def _times(loop: LoopRow, block: Block) -> list[int]:
    return [int(each) for each in np.frombuffer(block, "<u8", 1 + loop.rounds, loop.times_offset)]


def _rows(tokens: Array) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in tokens.tolist())
