# SPDX-License-Identifier: Apache-2.0
"""Equations with a triangular matrix: its inverse, by products of blocks, times the right side."""

from __future__ import annotations

MOST_BY_ELEMENTS = 4
"""Rows of blocks that are multiplied element by element."""


def linalg_solve_triangular(a, b, *, upper, left=True, unitriangular=False):
    """The x of a x = b, or of x a = b; a [..., n, n], b [..., n, m] or [..., m, n]."""
    import torch

    inverse = (
        _inverse(a.transpose(-2, -1), unitriangular).transpose(-2, -1)
        if upper
        else _inverse(a, unitriangular)
    )
    return torch.matmul(inverse, b) if left else torch.matmul(b, inverse)


def triangular_solve(b, a, upper=True, transpose=False, unitriangular=False):
    """The x of a x = b or of its transpose, and the triangle itself."""
    triangle = a.triu() if upper else a.tril()
    turned, is_upper = (a.transpose(-2, -1), not upper) if transpose else (a, upper)
    return linalg_solve_triangular(turned, b, upper=is_upper, unitriangular=unitriangular), triangle


def _inverse(a, unitriangular):
    """Of a lower triangular matrix; what is above the diagonal is not read.

    Blocks of one element are inverted first. Two neighbours P and S with Q below P then make one block of twice
    the size, whose inverse has P' and S' on the diagonal and -S' Q P' below. The matrix is filled up to a power
    of two by ones on the diagonal.
    """
    import torch
    import torch.nn.functional as F

    *batch, size, _ = a.shape
    whole = 1 << (size - 1).bit_length()
    filled = torch.ones(whole - size, dtype=a.dtype).diag_embed()
    a = (
        F.pad(a, (0, whole - size, 0, whole - size)) + F.pad(filled, (size, 0, size, 0))
        if whole > size
        else a
    )
    diagonal = a.diagonal(0, -2, -1)
    blocks = (torch.ones_like(diagonal) if unitriangular else diagonal.reciprocal())[..., None, None]
    while (width := blocks.shape[-1]) < whole:
        pairs = whole // (2 * width)
        tiles = a.reshape(*batch, pairs, 2 * width, pairs, 2 * width).diagonal(0, -4, -2).movedim(-1, -3)
        below, blocks = tiles[..., width:, :width], blocks.unflatten(-3, (pairs, 2))
        first, second = blocks[..., 0, :, :], blocks[..., 1, :, :]
        corner = -_product(_product(second, below), first)
        upper = torch.cat([first, torch.zeros_like(first)], -1)
        blocks = torch.cat([upper, torch.cat([corner, second], -1)], -2)
    return blocks.squeeze(-3)[..., :size, :size]


def _product(one, other):
    """A product of many small matrices is one of their elements: an array would take most of its time to begin."""
    import torch

    if one.shape[-1] <= MOST_BY_ELEMENTS:
        return (one.unsqueeze(-1) * other.unsqueeze(-3)).sum(-2)
    return torch.matmul(one, other)
