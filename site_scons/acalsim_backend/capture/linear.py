# SPDX-License-Identifier: Apache-2.0
"""Determinants, inverses and systems of equations, by Gaussian elimination of a matrix beside what it is to be applied to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..ir.graph import ACALSimOpType
from .builder import Builder, call_of

if TYPE_CHECKING:
    from torch import fx

T = ACALSimOpType


def inverse(builder: Builder, node: fx.Node) -> None:
    """aten.linalg_inv_ex#0"""
    import torch

    matrix = builder.given(call_of(node))["A"]
    shape = tuple(matrix.meta["val"].shape)
    right = builder.param(node, torch.eye(shape[-1]).expand(shape))
    builder.names[node] = _solved(builder, node, builder.name(matrix), right)


def solve(builder: Builder, node: fx.Node) -> None:
    """aten._linalg_solve_ex#0: the x of A x = B, or of x A = B; B is vectors where it has a dimension less."""
    given = builder.given(call_of(node))
    name, right = builder.name(given["A"]), builder.name(given["B"])
    *batch, size, _ = builder.ir.tensors[name].shape
    result = tuple(node.meta["val"].shape)
    shape = tuple(builder.ir.tensors[right].shape)
    is_vector = len(shape) == 1 or (len(shape) == len(batch) + 1 and shape[:-1] == tuple(batch))
    if is_vector:
        right = _viewed(builder, node, right, (*shape, 1))
        result = (*result, 1)
    is_left = given.get("left", True)
    if not is_left:
        name, right = _turned(builder, node, name), _turned(builder, node, right)
        result = (*result[:-2], result[-1], result[-2])
    name = _expanded(builder, node, name, (*result[:-2], size, size))
    right = _expanded(builder, node, right, result)
    found = _solved(builder, node, name, right)
    found = found if is_left else _turned(builder, node, found)
    builder.names[node] = _viewed(builder, node, found, result[:-1]) if is_vector else found


def determinant(builder: Builder, node: fx.Node) -> None:
    """aten._linalg_det#0"""
    name = _diagonal(builder, node)
    builder.add_op(node, T.PROD, (name,), {"dim": -1})


def sign_of_determinant(builder: Builder, node: fx.Node) -> None:
    """aten._linalg_slogdet#0"""
    name = _diagonal(builder, node)
    name = builder.step(node, T.SIGN, name, builder.ir.tensors[name].shape, {})
    builder.add_op(node, T.PROD, (name,), {"dim": -1})


def logarithm_of_determinant(builder: Builder, node: fx.Node) -> None:
    """aten._linalg_slogdet#1"""
    name = _diagonal(builder, node)
    for kind in (T.ABS, T.LOG):
        name = builder.step(node, kind, name, builder.ir.tensors[name].shape, {})
    builder.add_op(node, T.SUM, (name,), {"dim": [-1]})


def _solved(builder: Builder, node: fx.Node, name: str, right: str) -> str:
    """The tensor of inverse(name) @ right; both have the same batch."""
    *batch, size, _ = builder.ir.tensors[name].shape
    wide = size + builder.ir.tensors[right].shape[-1]
    both = builder.step(node, T.CAT, name, (*batch, size, wide), {"dim": -1}, more=(right,))
    both = builder.step(node, T.ROW_REDUCE, both, (*batch, size, wide), {"whole": True})
    shape = (*batch, size, wide - size)
    return builder.step(node, T.SLICE, both, shape, {"dim": len(batch) + 1, "start": size, "end": wide})


def _diagonal(builder: Builder, node: fx.Node) -> str:
    """The pivots, whose product is the determinant."""
    name = builder.name(builder.given(call_of(node))["A"])
    *batch, size, _ = builder.ir.tensors[name].shape
    name = builder.step(node, T.ROW_REDUCE, name, (*batch, size, size), {})
    return builder.step(node, T.DIAGONAL, name, (*batch, size), {"dim1": -2, "dim2": -1})


def _viewed(builder: Builder, node: fx.Node, name: str, shape: Sequence[int]) -> str:
    return builder.step(node, T.VIEW, name, shape, {"shape": list(shape)})


def _expanded(builder: Builder, node: fx.Node, name: str, shape: Sequence[int]) -> str:
    if tuple(builder.ir.tensors[name].shape) == tuple(shape):
        return name
    return builder.step(node, T.EXPAND, name, shape, {"shape": list(shape)})


def _turned(builder: Builder, node: fx.Node, name: str) -> str:
    """The tensor with its last two dimensions exchanged."""
    *batch, rows, columns = builder.ir.tensors[name].shape
    dims = [*range(len(batch)), len(batch) + 1, len(batch)]
    return builder.step(node, T.PERMUTE, name, (*batch, columns, rows), {"dims": dims})
