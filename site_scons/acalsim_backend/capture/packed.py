# SPDX-License-Identifier: Apache-2.0
"""Recurrent layers over packed sequences, for Dynamo to trace: over padded ones, with lengths as a mask.

Dynamo does not look into pack_padded_sequence, and what it makes has a shape that depends on the lengths. Here a
packed sequence stays padded: behind a sequence's end a layer keeps its state and leaves zeros.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

from .fast_paths import traces

if TYPE_CHECKING:
    import torch


class Padded(NamedTuple):
    """What stands for a PackedSequence: `steps` [time, batch, features], and which of them there are."""

    steps: torch.Tensor
    lengths: torch.Tensor


@functools.cache
def follow_packed_sequences() -> None:
    """Install the functions below in torch.nn, once in a process."""
    import torch
    from torch._dynamo.trace_rules import get_torch_obj_rule_map
    from torch.nn.utils import rnn

    for function, ours in ((rnn.pack_padded_sequence, _pack), (rnn.pad_packed_sequence, _pad)):
        get_torch_obj_rule_map().pop(function, None)  # the rule that Dynamo stops there
        torch.compiler.substitute_in_graph(function)(ours)
    for kind in (torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN):
        kind.forward = _over_padded(kind.forward)


def _pack(input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True) -> Any:
    import torch

    steps = input.transpose(0, 1) if batch_first else input
    if not isinstance(lengths, torch.Tensor):
        steps = steps[: max(lengths)]
        lengths = torch.tensor(lengths)
    return Padded(steps, lengths)


def _pad(
    sequence: Any, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> Any:
    import torch.nn.functional as F

    steps, lengths = sequence
    if padding_value:
        steps = steps.masked_fill(_inside(steps, lengths).logical_not().unsqueeze(2), padding_value)
    if total_length is not None:
        steps = F.pad(steps, (0, 0, 0, 0, 0, total_length - steps.shape[0]), value=padding_value)
    return steps.transpose(0, 1) if batch_first else steps, lengths


def _inside(steps: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """[time, batch]: whether a sequence has that step."""
    import torch

    return torch.arange(steps.shape[0]).unsqueeze(1) < lengths


def _over_padded(original: Any) -> Any:
    @functools.wraps(original)
    def forward(self: Any, input: Any, hx: Any = None) -> Any:
        if not isinstance(input, Padded) or not traces():
            return original(self, input, hx)
        return _layers(self, input, hx)

    return forward


def _layers(module: Any, packed: Padded, hx: Any) -> Any:
    """All layers of a recurrent module, each in both directions if it has two, and their last states."""
    import torch

    steps, lengths = packed
    inside = _inside(steps, lengths).unsqueeze(2)
    has_cell = module.mode == "LSTM"
    states: list[tuple[Any, ...]] = []
    ways = ("", "_reverse") if module.bidirectional else ("",)
    for layer in range(module.num_layers):
        results = []
        for way in ways:
            sizes = (module.proj_size or module.hidden_size, module.hidden_size)[: 1 + has_cell]
            place, given = len(states), hx if has_cell or hx is None else (hx,)
            state = tuple(
                steps.new_zeros(steps.shape[1], size) if given is None else given[part][place]
                for part, size in enumerate(sizes)
            )
            result, state = _direction(module, f"l{layer}{way}", steps, inside, state)
            results.append(result)
            states.append(state)
        steps = torch.cat(results, 2)
    last = tuple(torch.stack(parts) for parts in zip(*states, strict=True))
    return Padded(steps, lengths), last if has_cell else last[0]


def _direction(module: Any, name: str, steps: Any, inside: Any, state: Any) -> Any:
    """One layer in one direction: its results [time, batch, features], and its state behind each sequence."""
    import torch
    import torch.nn.functional as F

    bias, more = (getattr(module, f"bias_{part}_{name}", None) for part in ("ih", "hh"))
    read = F.linear(steps, getattr(module, f"weight_ih_{name}"), bias)
    weight, cell = getattr(module, f"weight_hh_{name}"), _CELLS[module.mode]
    projection = getattr(module, f"weight_hr_{name}", None)
    times = range(steps.shape[0])
    results = []
    for time in reversed(times) if name.endswith("_reverse") else times:
        found = cell(read[time], F.linear(state[0], weight, more), state)
        if projection is not None:
            found = (F.linear(found[0], projection), *found[1:])
        results.append(torch.where(inside[time], found[0], 0.0))
        state = tuple(torch.where(inside[time], new, old) for new, old in zip(found, state, strict=True))
    return torch.stack(results[::-1] if name.endswith("_reverse") else results), state


def _lstm(read: Any, kept: Any, state: Any) -> Any:
    first, forget, candidate, output = (read + kept).chunk(4, 1)
    cell = forget.sigmoid() * state[1] + first.sigmoid() * candidate.tanh()
    return output.sigmoid() * cell.tanh(), cell


def _gru(read: Any, kept: Any, state: Any) -> Any:
    reset, update, candidate = read.chunk(3, 1)
    kept_reset, kept_update, kept_candidate = kept.chunk(3, 1)
    new = (candidate + (reset + kept_reset).sigmoid() * kept_candidate).tanh()
    share = (update + kept_update).sigmoid()
    return ((1 - share) * new + share * state[0],)


_CELLS = {
    "LSTM": _lstm,
    "GRU": _gru,
    "RNN_TANH": lambda read, kept, state: ((read + kept).tanh(),),
    "RNN_RELU": lambda read, kept, state: ((read + kept).relu(),),
}
"""By a recurrent module's mode: what is read of the input, of the state, and that state, to the state that follows."""
