# SPDX-License-Identifier: Apache-2.0
"""The sizes of products as the kernels of the CPU see them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ..ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType
from ..ir.shapes import pair
from ..ir.walks import image_space, matrix_space

T = ACALSimOpType
CARRIED = (T.VIEW, T.EXPAND)
"""Movements behind which a transposed matrix is still one."""


@dataclass(frozen=True)
class Matmul:
    """`batches` products of m x k and k x n; `is_transposed` where rows of b are not contiguous."""

    batches: int
    m: int
    n: int
    k: int
    is_transposed: bool = False


@dataclass(frozen=True)
class Grid:
    """Elements of a convolution that sum the same taps, for one image and group; see kernels/conv.h."""

    channels_in: int
    channels_out: int
    rows: int
    columns: int
    tap_rows: int
    tap_columns: int
    stride: int = 1

    @property
    def taps(self) -> int:
        return self.tap_rows * self.tap_columns


def matmul_of(ir: ACALSimIR, op: ACALSimOp) -> Matmul:
    batches, m, k = matrix_space(ir.tensors[op.inputs[0]].shape)
    n = ir.tensors[op.outputs[0]].shape[-1]
    return Matmul(batches, m, n, k, n > 1 and _is_transposed(ir, op.inputs[1]))


def _is_transposed(ir: ACALSimIR, tensor: str) -> bool:
    """Whether the last dimension of a tensor is another one of the tensor that it is a view of."""
    producer = ir.producers().get(tensor)
    while producer and producer.op_type in CARRIED:
        producer = ir.producers().get(producer.inputs[0])
    if producer is None or producer.op_type is not T.PERMUTE:
        return False
    dims: list[int] = producer.attrs["dims"]
    return dims[-1] % len(dims) != len(dims) - 1


def grids_of(ir: ACALSimIR, op: ACALSimOp) -> tuple[int, list[Grid]]:
    """How many times the grids of a convolution are computed, and these."""
    shape, weight = (ir.tensors[name].shape for name in op.inputs[:2])
    out, groups = image_space(ir.tensors[op.outputs[0]].shape), op.attrs.get("groups", 1)
    tap_rows, tap_columns = (1,) * (4 - len(weight)) + tuple(weight[2:])
    channels = image_space(shape)[1] // groups, out[1] // groups
    rank = len(weight) - 2
    stride = (1,) * (2 - rank) + pair(op.attrs.get("stride"), rank, 1)
    if not op.attrs.get("transposed"):
        return out[0] * groups, [Grid(*channels, out[2], out[3], tap_rows, tap_columns, stride[1])]
    padding = (0,) * (2 - rank) + pair(op.attrs.get("padding"), rank)
    dilation = (1,) * (2 - rank) + pair(op.attrs.get("dilation"), rank, 1)
    rows, columns = (
        list(_phases(*each))
        for each in zip(out[2:], (tap_rows, tap_columns), stride, dilation, padding, strict=True)
    )
    grids = [Grid(*channels, row[0], column[0], row[1], column[1]) for row in rows for column in columns]
    return out[0] * groups, grids


def _phases(size: int, kernel: int, stride: int, dilation: int, padding: int) -> Iterator[tuple[int, int]]:
    """(elements, taps) of those elements of a transposed convolution's dimension that sum the same taps."""
    for first in range(stride):
        taps = sum((first + padding - tap * dilation) % stride == 0 for tap in range(kernel))
        yield math.ceil(max(size - first, 0) / stride), taps
