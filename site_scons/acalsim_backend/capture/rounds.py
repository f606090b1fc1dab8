# SPDX-License-Identifier: Apache-2.0
"""How often a while_loop runs: its call in, a number out, as far as the code itself tells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import fx

MOST_ROUNDS = 1000
"""A loop of more rounds is not unrolled."""


class _Unknown:
    """Stands for a value that depends on inputs or weights."""


UNKNOWN = _Unknown()


def rounds_of(gm: fx.GraphModule, args: Sequence[Any]) -> int | None:
    """The rounds of the while_loop with these arguments: condition, body, what is carried, what is only read.
    None where inputs or weights decide, or where there are more than MOST_ROUNDS."""
    from torch._subclasses.fake_tensor import unset_fake_temporarily

    condition, body = (gm.get_submodule(each.target) for each in args[:2])
    with unset_fake_temporarily():
        carried, read = ([_value(gm, each) for each in values] for values in args[2:4])
        for rounds in range(MOST_ROUNDS + 1):
            goes_on = _known(condition, [*carried, *read])
            if goes_on is UNKNOWN:
                return None
            if not bool(goes_on):
                return rounds
            carried = list(_known(body, [*carried, *read]))
    return None


def _value(gm: fx.GraphModule, value: Any) -> Any:
    """What a node of `gm` stands for, if only numbers in the code make it."""
    from torch import fx

    if not isinstance(value, fx.Node):
        return value
    if value.op not in ("call_function", "call_method") or any(map(_writes, value.users)):
        return UNKNOWN
    known = {node: _value(gm, node) for node in value.all_input_nodes}
    if _writes(value) or any(each is UNKNOWN for each in known.values()):
        return UNKNOWN
    alone = fx.Graph()
    alone.output(alone.node_copy(value, lambda node: alone.placeholder(node.name)))
    return fx.Interpreter(fx.GraphModule({}, alone)).run(*known.values())


def _writes(node: fx.Node) -> bool:
    """Whether a call may write to its operands."""
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    return name == "setitem" or (name.endswith("_") and not name.endswith("__"))


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
