# SPDX-License-Identifier: Apache-2.0
"""What else there is to say of an op without a row."""

from __future__ import annotations

from .rounds import MOST_ROUNDS

_REASONS = {"while_loop": f": its rounds are known only when it runs, or more than {MOST_ROUNDS}"}


def reason(name: str) -> str:
    """Words behind "is not supported" for the op of that name; empty where there are none."""
    is_users = name.count(".") == 2 and name.partition(".")[0] not in ("aten", "prims")
    return _REASONS.get(
        name, ": a custom op's Python body would be made of torch ops alone" if is_users else ""
    )
