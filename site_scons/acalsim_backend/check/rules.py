# SPDX-License-Identifier: Apache-2.0
"""All rules of placement: an ELF with its linker script and the plan's promises in, broken rules out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from . import promise_rules, section_rules, segment_rules, stack_rules
from .layout import Layout, Violation
from .plan import Promises

Rule = Callable[[Layout, Promises], Iterator[Violation]]

RULES: tuple[Rule, ...] = (
    promise_rules.flags_are_as_planned,
    section_rules.sections_have_a_region,
    section_rules.sections_lie_in_their_region,
    section_rules.loads_lie_in_their_region,
    section_rules.sections_never_overlap,
    section_rules.loads_never_overlap,
    segment_rules.loads_are_where_they_run,
    section_rules.sections_are_aligned,
    segment_rules.segments_are_aligned,
    section_rules.entry_is_the_origin,
    segment_rules.sections_lie_in_one_segment,
    segment_rules.segments_hold_their_sections,
    segment_rules.segments_lie_in_regions,
    segment_rules.segments_never_overlap,
    segment_rules.segment_flags_follow_the_script,
    segment_rules.writable_is_never_executable,
    promise_rules.stack_fits,
    promise_rules.stack_stays_off_data,
    stack_rules.stack_cannot_jump_its_guard,
    promise_rules.cleared_memory_is_bss,
    promise_rules.symbols_are_as_planned,
    promise_rules.sections_stay_off_devices,
)


def violations(layout: Layout, promises: Promises) -> list[Violation]:
    """Everything that breaks a rule, in the order of addresses."""
    return sorted({violation for rule in RULES for violation in rule(layout, promises)})
