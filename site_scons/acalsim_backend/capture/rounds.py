# SPDX-License-Identifier: Apache-2.0
"""How often a while_loop runs: its call in, a number out, as far as the code itself tells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .known import UNKNOWN, Known

if TYPE_CHECKING:
    from torch import fx

MOST_ROUNDS = 1000
"""A loop of more rounds is not unrolled."""


def rounds_of(gm: fx.GraphModule, args: Sequence[Any]) -> int | None:
    """The rounds of the while_loop with these arguments: condition, body, what is carried, what is only read.
    None where inputs or weights decide, or where there are more than MOST_ROUNDS."""
    from torch._subclasses.fake_tensor import unset_fake_temporarily

    condition, body = (gm.get_submodule(each.target) for each in args[:2])
    with unset_fake_temporarily():
        known = Known()
        carried, read = ([known.of(each) for each in values] for values in args[2:4])
        for rounds in range(MOST_ROUNDS + 1):
            goes_on = _known(condition, [*carried, *read])
            if goes_on is UNKNOWN:
                return None
            if not bool(goes_on):
                return rounds
            carried = list(_known(body, [*carried, *read]))
    return None


def _known(gm: fx.GraphModule, values: Sequence[Any]) -> Any:
    """A subgraph's results of these values; UNKNOWN is what is computed from something unknown."""
    from torch import fx

    class Partly(fx.Interpreter):
        def run_node(self, node: fx.Node) -> Any:
            operands = [self.env[each] for each in node.all_input_nodes]
            if node.op.startswith("call") and any(each is UNKNOWN for each in operands):
                return UNKNOWN
            return super().run_node(node)

    return Partly(gm).run(*values)
