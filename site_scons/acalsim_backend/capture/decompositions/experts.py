# SPDX-License-Identifier: Apache-2.0
"""Products of groups of rows with a matrix each, as experts have them."""

from __future__ import annotations


def grouped_mm(x, weight, offs=None, bias=None, out_dtype=None):
    """x [S, K] or [G, S, K] with weight [G, K, N]; a group's rows of x [S, K] end at `offs` [G].

    Which rows are a group's is known only when the program runs, so that each matrix is multiplied with all
    rows, and of each row the product with its group's is kept. Rows behind the last group are zero.
    """
    import torch

    if weight.dim() != 3 or (x.dim() == 2) == (offs is None):
        return NotImplemented
    if x.dim() == 3:
        found = torch.bmm(x, weight)
    else:
        every = torch.bmm(x.expand(weight.shape[0], *x.shape), weight)
        row = torch.arange(x.shape[0])
        group = (offs <= row.unsqueeze(1)).sum(1)
        found = every[group.clamp(max=weight.shape[0] - 1), row]
        found = found.masked_fill((group == weight.shape[0]).unsqueeze(1), 0)
    found = found if bias is None else found + bias
    return found if out_dtype is None else found.to(out_dtype)
