# SPDX-License-Identifier: Apache-2.0
"""A language model and its prompt through PyTorch: one graph whose loop makes token after token.

A graph of the prompt and one of a step become one IR. What a step makes of token, position and caches goes round.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType, Carried, Loop
from .arrays import array_of
from .cached import Tensors, prompt, step
from .lower import ACALSimCompiler
from .model import Captured, Tracing, finished, known, ranges, refuse_elsewhere
from .model_file import ModelFile
from .trace import prepare_torch

if TYPE_CHECKING:
    import torch

TAKEN = ("input_ids", "attention_mask", "position_ids", "past_key_values", "use_cache")
LAST = "logits_to_keep"
"""Of how many tokens of the prompt the logits are computed, in models that take it."""
LOGITS, TOKENS = 0, 3
"""Where prompt() and step() return these."""


def capture_generation(file: ModelFile, keep_all: bool = False) -> Captured:
    """The graph of a prompt and of the loop that follows it.

    Its results are the tokens, (batch, GENERATE), and the logits that the last one was chosen by. References are
    what the model's own generate() gives without torch.compile. With `keep_all` the values of all
    tensors are those of the last round.
    """
    import torch

    model, inputs = file.build()
    refuse_elsewhere(file, "the model has", [*inputs, *model.parameters(), *model.buffers()])
    ids = _prompt(file, model, inputs)
    rounds, first = file.generate - 1, ids.shape[1]
    options = {LAST: 1} if LAST in inspect.signature(model.forward).parameters else {}
    root = file.resolved.parent.parent
    compiler = ACALSimCompiler(False, root, os.path.relpath(file.resolved, root))
    builder = compiler.builder()
    before, each = (Tracing(compiler, builder, keep_all) for _ in range(2))
    with torch.no_grad():
        with torch.compiler.set_stance("force_eager"):
            references = file.guard("generate()", lambda: _generated(model, ids, file.generate))
        torch._dynamo.reset()
        prepare_torch()

        def compiled(function: Callable[..., Tensors], backend: Tracing) -> Callable[..., Tensors]:
            return torch.compile(function, backend=backend, fullgraph=True, dynamic=False)

        begin = compiled(lambda ids: _apart(prompt(model, ids, file.generate, options)), before)
        begun: Tensors = file.guard_dynamo(lambda: begin(ids))
        _refuse_cache(file, begun, ids)
        go_on = compiled(lambda *carried: _apart(step(model, first, carried)), each)
        given = tuple(value.clone() for value in begun[1:])
        made: Tensors = file.guard_dynamo(lambda: go_on(*given))
        names = _entries(each, given)
        for _ in range(rounds - 1 if keep_all else 0):
            made = go_on(*(value.clone() for value in made[1:]))
    ir = finished(file, each)
    carried = [
        Carried(before.tensor_of(value), name, each.tensor_of(last))
        for value, name, last in zip(begun[1:], names, made[1:], strict=True)
        if name
    ]
    logits, tokens = each.tensor_of(made[LOGITS]), each.tensor_of(made[TOKENS])
    ir.loop = Loop(rounds, tuple(carried))
    results = [_copied(ir, tokens), logits]
    ir.set_outputs([*results, *(name for row in carried for name in (row.first, row.last))])
    ir.drop_needless()
    values = known(ir, before.intermediates, each.intermediates)
    if keep_all:
        values |= dict(zip(each.given, map(array_of, each.inputs), strict=True))
    taken, outputs = list(map(array_of, before.inputs)), list(map(array_of, references))
    return Captured(ir, taken, outputs, values, ranges=ranges([values]))


def _prompt(file: ModelFile, model: torch.nn.Module, inputs: tuple[Any, ...]) -> torch.Tensor:
    import torch

    taken = inspect.signature(model.forward).parameters
    missing = [name for name in TAKEN if name not in taken]
    if missing or not hasattr(model, "generate"):
        what = f"its forward() takes no {missing[0]}" if missing else "it has no generate()"
        raise file.fail(f"GENERATE needs a language model with a cache, as Hugging Face's are; {what}")
    if len(inputs) != 1 or inputs[0].dim() != 2 or inputs[0].dtype != torch.int64 or not inputs[0].numel():
        kinds = ", ".join(f"{value.dtype} {tuple(value.shape)}" for value in inputs)
        raise file.fail(
            f"inputs() returned {kinds}; with GENERATE it returns a prompt, int64 (batch, tokens)"
        )
    positions = getattr(getattr(model, "config", None), "max_position_embeddings", None)
    needed = inputs[0].shape[1] + file.generate - 1
    if positions is not None and needed > positions:
        raise file.fail(
            f"a prompt of {inputs[0].shape[1]} tokens and {file.generate} more need {needed} positions; "
            f"the model has {positions}"
        )
    return inputs[0]


def _refuse_cache(file: ModelFile, begun: Tensors, ids: torch.Tensor) -> None:
    """Refuse what does not keep keys and values of every token."""
    caches = begun[TOKENS + 1 :]
    length = ids.shape[1] + file.generate - 1
    if not caches or any(each.dim() != 4 or each.shape[2] != length for each in caches):
        raise file.fail(
            "GENERATE needs a cache of keys and values, (batch, heads, tokens, width), in every layer"
        )


def _generated(model: Any, ids: torch.Tensor, tokens: int) -> Tensors:
    """(tokens, the logits that the last one was chosen by) of the model's own greedy search."""
    found = model.generate(
        ids,
        attention_mask=ids.new_ones(ids.shape),
        max_new_tokens=tokens,
        min_new_tokens=tokens,
        do_sample=False,
        num_beams=1,
        eos_token_id=None,
        pad_token_id=0,
        return_dict_in_generate=True,
        output_logits=True,
    )
    return found.sequences[:, ids.shape[1] :].clone(), found.logits[-1].clone()


def _apart(values: Tensors) -> Tensors:
    """Each in memory of its own."""
    return tuple(value.clone() for value in values)


def _entries(traced: Tracing, given: Tensors) -> list[str | None]:
    """The graph's inputs that the function's arguments are; None of one that it does not read."""
    places = {value: name for value, name in zip(traced.places, traced.given, strict=True)}
    return [places.get(value.data_ptr()) for value in given]


def _copied(ir: ACALSimIR, name: str) -> str:
    """A result of its own with the values of what goes round."""
    desc = ir.tensors[name]
    copy = ir.add_tensor(replace(desc, name=f"{name}_made", is_output=True))
    ir.add_op(ACALSimOp(ACALSimOpType.COPY, f"copy_{len(ir.ops)}", (name,), (copy.name,), {}))
    return copy.name
