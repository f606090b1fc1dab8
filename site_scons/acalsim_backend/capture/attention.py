# SPDX-License-Identifier: Apache-2.0
"""The ops of PyTorch's attention fast paths as plain ones; each function has its op's schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def native_multi_head_attention(
    query,
    key,
    value,
    embed_dim,
    heads,
    in_weight,
    in_bias,
    out_weight,
    out_bias,
    mask=None,
    need_weights=True,
    average_attn_weights=True,
    mask_type=None,
):
    """A mask hides what it is not 0 for: [positions, positions] as mask_type 0, [sequences, positions] as 1, of
    the scores' whole shape as 2. Where it hides everything the result is NaN, which F.multi_head_attention_forward
    only gives together with weights."""
    import torch
    import torch.nn.functional as F

    key_padding, pairs = None, None
    if mask is not None:
        added = torch.where(mask != 0, -torch.inf, 0.0)
        if mask_type == 1:
            key_padding = added
        else:
            pairs = added.reshape(-1, *mask.shape[-2:]) if mask_type == 2 else added
    same = query is key and key is value
    turned = [each.transpose(1, 0) for each in ((query,) if same else (query, key, value))]
    forward: Any = F.multi_head_attention_forward
    output, weights = forward(
        *(turned * 3 if same else turned),
        embed_dim,
        heads,
        in_weight,
        in_bias,
        None,
        None,
        False,
        0.0,
        out_weight,
        out_bias,
        training=False,
        key_padding_mask=key_padding,
        need_weights=need_weights or mask is not None,
        attn_mask=pairs,
        average_attn_weights=average_attn_weights,
    )
    return output.transpose(1, 0), weights if need_weights else query.new_empty(0)


def transformer_encoder_layer(
    src,
    embed_dim,
    heads,
    in_weight,
    in_bias,
    out_weight,
    out_bias,
    use_gelu,
    norm_first,
    eps,
    norm1_weight,
    norm1_bias,
    norm2_weight,
    norm2_bias,
    linear1_weight,
    linear1_bias,
    linear2_weight,
    linear2_bias,
    mask=None,
    mask_type=None,
):
    """One nn.TransformerEncoderLayer; its ops name the parts of the module that they belong to."""
    import torch.nn.functional as F

    def norm1(x):
        with _part("norm1"):
            return F.layer_norm(x, (embed_dim,), norm1_weight, norm1_bias, eps)

    def norm2(x):
        with _part("norm2"):
            return F.layer_norm(x, (embed_dim,), norm2_weight, norm2_bias, eps)

    def attention(x):
        with _part("self_attn"):
            return native_multi_head_attention(
                x,
                x,
                x,
                embed_dim,
                heads,
                in_weight,
                in_bias,
                out_weight,
                out_bias,
                mask,
                False,
                True,
                mask_type,
            )[0]

    def feed_forward(x):
        with _part("linear1"):
            y = F.linear(x, linear1_weight, linear1_bias)
        y = F.gelu(y) if use_gelu else F.relu(y)
        with _part("linear2"):
            return F.linear(y, linear2_weight, linear2_bias)

    if norm_first:
        x = src + attention(norm1(src))
        return x + feed_forward(norm2(x))
    x = norm1(src + attention(src))
    return norm2(x + feed_forward(x))


@contextmanager
def _part(name: str) -> Iterator[None]:
    """What is traced inside belongs to submodule `name` of the module that is being traced."""
    from torch.fx import traceback

    stack = traceback.current_meta.get("nn_module_stack")
    if not stack:
        yield
        return
    path, kind = list(stack.values())[-1]
    traceback.current_meta["nn_module_stack"] = {**stack, f"part:{name}": (f"{path}.{name}", kind)}
    try:
        yield
    finally:
        traceback.current_meta["nn_module_stack"] = stack
