# SPDX-License-Identifier: Apache-2.0
"""What of a run's tensors stays in the scratchpad."""

import random

import pytest
from acalsim_backend.alignment import aligned
from acalsim_backend.arena import Lifetime, assign_offsets, least_bytes
from acalsim_backend.offload import run

pytestmark = pytest.mark.quick


def lives_of(count, seed, steps=40):
    draw = random.Random(seed)
    firsts = [draw.randrange(steps) for _ in range(count)]
    return [
        Lifetime(f"t{n}", draw.randint(1, 900), first, first + draw.randrange(8))
        for n, first in enumerate(firsts)
    ]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("limit", [0, 500, 3000, 6000])
def test_what_stays_fits_and_all_stays_where_all_fits(seed, limit):
    lives = lives_of(30, seed)
    chosen = run._fitting([], lives, limit)
    offsets = assign_offsets(chosen)
    assert all(offsets[life.name] + aligned(life.size_bytes) <= limit for life in chosen)
    assert least_bytes(chosen) <= limit
    whole = run._peak(lives)
    assert run._fitting([], lives, whole) == lives
    left = [life for life in lives if life not in chosen]
    assert all(
        run._peak([life]) > limit or run._peak([*chosen, life]) > limit or limit == 0 for life in left[-1:]
    )


def test_memory_of_many_steps_that_fit_is_planned_once(monkeypatch):
    peaks = []
    peak = run._peak
    monkeypatch.setattr(run, "_peak", lambda lives: peaks.append(len(lives)) or peak(lives))
    assert len(run._fitting([], lives_of(200, 1, steps=2000), 1 << 20)) == 200
    assert peaks == [200]
