# SPDX-License-Identifier: Apache-2.0
"""A causal language model, token by token: the prompt's forward pass, and a step's with the cache as tensors.

The model's forward takes input_ids, attention_mask, position_ids, past_key_values and use_cache, and returns an
object with logits, as Hugging Face's do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

Tensors = tuple["torch.Tensor", ...]
WHOLE, SLIDING = "full_attention", "sliding_attention"
"""What Hugging Face's configurations call the kinds of layers that keep keys and values."""


class PromptCache:
    """Keeps what each layer attends to, (batch, heads, tokens, width), as past_key_values."""

    is_compileable = False

    def __init__(self, kept: list[torch.Tensor] | None = None):
        self.kept: list[torch.Tensor] = [] if kept is None else kept
        """Keys and values of layer after layer."""

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        self.kept += [keys, values]
        return keys, values

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return 0

    def get_query_offset(self, layer_idx: int = 0) -> int:
        return 0

    def get_mask_sizes(self, query_length: int, layer_idx: int = 0) -> tuple[int, int]:
        return query_length, 0


class StepCache(PromptCache):
    """Caches of fixed length, in which one token's keys and values are written at `position` (1)."""

    def __init__(self, kept: list[torch.Tensor], position: torch.Tensor):
        super().__init__(kept)
        self.position = position

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        place = 2 * layer_idx
        self.kept[place] = self.kept[place].index_copy(2, self.position, keys)
        self.kept[place + 1] = self.kept[place + 1].index_copy(2, self.position, values)
        return self.kept[place], self.kept[place + 1]


def prompt(model: torch.nn.Module, ids: torch.Tensor, tokens: int, options: dict[str, Any]) -> Tensors:
    """(logits of the next token, that token, its position, all tokens so far, *caches) after `ids` (batch, prompt).

    `options` are more of forward's. Behind the first one the tokens, (batch, `tokens`), are 0, and so are the caches behind the prompt.
    """
    import torch

    cache = PromptCache()
    output = model(input_ids=ids, past_key_values=cache, use_cache=True, **options)
    logits = output.logits[:, -1]
    token = logits.argmax(-1, keepdim=True)
    rest = token.new_zeros((ids.shape[0], tokens - 1))
    pads = (0, 0, 0, tokens - 1)
    caches = [torch.nn.functional.pad(each, pads) for each in cache.kept]
    return logits, token, torch.tensor([ids.shape[1]]), torch.cat([token, rest], 1), *caches


def _masks(model: torch.nn.Module, cache: torch.Tensor, position: torch.Tensor) -> Any:
    """Which of the cache's tokens the one at `position` sees, bool (1, 1, 1, tokens); where the model adds its masks
    to its scores, what is to be added. Of a model with layers of two kinds, those with a sliding window and those
    without, a mask for each kind, as its forward takes them."""
    import torch

    config: Any = getattr(model, "config", None)
    adds = getattr(config, "_attn_implementation", None) == "eager"

    def mask(seen: torch.Tensor) -> torch.Tensor:
        shown = seen[None, None, None, :]
        return torch.where(shown, 0.0, torch.finfo(cache.dtype).min).to(cache.dtype) if adds else shown

    length = cache.shape[2]
    places = torch.arange(length)
    seen = places <= position
    window = getattr(config, "sliding_window", None)
    kinds = set(getattr(config, "layer_types", None) or [SLIDING])
    if window is None or window >= length or kinds == {WHOLE}:
        return mask(seen)
    near = mask(seen & (places > position - window))
    return near if kinds == {SLIDING} else {WHOLE: mask(seen), SLIDING: near}


def step(model: torch.nn.Module, first: int, carried: Tensors) -> Tensors:
    """The same as `prompt` returns, after the token in `carried`, which is that without logits.

    `first` is the position of the first token.
    """

    token, position, ids, *kept = carried
    cache = StepCache(list(kept), position)
    output = model(
        input_ids=token,
        attention_mask=_masks(model, kept[0], position),
        position_ids=position[None],
        past_key_values=cache,
        use_cache=True,
    )
    logits = output.logits[:, -1]
    token = logits.argmax(-1, keepdim=True)
    position = position + 1
    return logits, token, position, ids.index_copy(1, position - first, token), *cache.kept
