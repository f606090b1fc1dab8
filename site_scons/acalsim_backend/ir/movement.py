# SPDX-License-Identifier: Apache-2.0
"""Movements and lookups: accesses to the operands in, accesses to the same memory along the result out.

A movement returns the access to its result, or None where no strides describe it. A lookup returns one access
for operand 0, the source, and one for each index tensor, all walked along the result. The address of an
element is that of the source's access plus, for each index, the index times the stride of one dimension of
the source. `..._steps` returns (size, number) of that dimension for each index.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .graph import ACALSimOp, ACALSimOpType, TensorDesc
from .shapes import Shape, broadcast, dimension, index_position, slice_range
from .strides import Access, inverse_permutation

T = ACALSimOpType
Attrs = Mapping[str, Any]


def same(access: Access, attrs: Attrs, shape: Shape) -> Access:
    return access


def view(access: Access, attrs: Attrs, shape: Shape) -> Access | None:
    return access.viewed(shape)


def permute(access: Access, attrs: Attrs, shape: Shape) -> Access:
    return access.permuted(attrs["dims"])


def expand(access: Access, attrs: Attrs, shape: Shape) -> Access:
    return access.expanded(shape)


def cut(access: Access, attrs: Attrs, shape: Shape) -> Access:
    dim = dimension(access.shape, attrs.get("dim", 0))
    start, step, count = slice_range(access.shape[dim], attrs)
    return access.sliced(dim, start, step, count)


def select(access: Access, attrs: Attrs, shape: Shape) -> Access:
    dim = dimension(access.shape, attrs["dim"])
    return access.sliced(dim, attrs["index"] % access.shape[dim], 1, 1).without(dim)


def flip(access: Access, attrs: Attrs, shape: Shape) -> Access:
    for dim in attrs["dims"]:
        dim = dimension(access.shape, dim)
        if access.shape and access.shape[dim]:
            access = access.sliced(dim, access.shape[dim] - 1, -1, access.shape[dim])
    return access


def diagonal(access: Access, attrs: Attrs, shape: Shape) -> Access:
    first, second = (
        dimension(access.shape, attrs.get(key, default)) for key, default in (("dim1", 0), ("dim2", 1))
    )
    offset = attrs.get("offset", 0)
    start = max(offset, 0) * access.strides[second] + max(-offset, 0) * access.strides[first]
    strides = [step for dim, step in enumerate(access.strides) if dim not in (first, second)]
    return Access(
        access.storage,
        shape,
        (*strides, access.strides[first] + access.strides[second]),
        access.offset + start,
    )


def unfold(access: Access, attrs: Attrs, shape: Shape) -> Access:
    dim = dimension(access.shape, attrs["dimension"])
    strides = list(access.strides)
    strides[dim] *= attrs["step"]
    return replace(access, shape=shape, strides=(*strides, access.strides[dim]))


def as_strided(access: Access, attrs: Attrs, shape: Shape) -> Access | None:
    if not access.is_dense:
        return None
    return Access(
        access.storage, shape, tuple(attrs["stride"]), access.offset + (attrs.get("storage_offset") or 0)
    )


# --- lookups ------------------------------------------------------------------------------------


def _without(access: Access, dims: list[int], shape: Shape, places: list[int]) -> Access:
    """The access along `shape` to what `access` has without the dimensions `dims`.

    `places` says which dimension of `shape` each of the other dimensions becomes.
    """
    strides = [0] * len(shape)
    kept = [dim for dim in range(len(access.shape)) if dim not in dims]
    for dim, place in zip(kept, places, strict=True):
        strides[place] = access.strides[dim]
    return replace(access, shape=shape, strides=tuple(strides))


def _placed(access: Access, shape: Shape, first: int) -> Access:
    """The access along `shape` to an index tensor whose dimensions are those of `shape` from `first` on."""
    strides = [0] * len(shape)
    for dim, (size, step) in enumerate(zip(access.shape, access.strides, strict=True)):
        strides[first + dim] = 0 if size == 1 else step
    return replace(access, shape=shape, strides=tuple(strides))


def gather(accesses: list[Access], inputs: list[Shape], shape: Shape, attrs: Attrs) -> list[Access]:
    source, index = accesses
    if not source.shape:
        return [replace(source, shape=shape, strides=(0,) * len(shape)), index.expanded(shape)]
    dim = dimension(source.shape, attrs["dim"])
    strides = tuple(0 if each == dim else step for each, step in enumerate(source.strides))
    return [replace(source, shape=shape, strides=strides[: len(shape)]), index]


def gather_steps(inputs: list[TensorDesc], attrs: Attrs) -> list[tuple[int, int | None]]:
    if not inputs[0].shape:
        return [(1, None)]
    dim = dimension(inputs[0].shape, attrs["dim"])
    return [(inputs[0].shape[dim], dim)]


def embedding(accesses: list[Access], inputs: list[Shape], shape: Shape, attrs: Attrs) -> list[Access]:
    weight, indices = accesses
    rank = len(indices.shape)
    return [_without(weight, [0], shape, list(range(rank, len(shape)))), _placed(indices, shape, 0)]


def embedding_steps(inputs: list[TensorDesc], attrs: Attrs) -> list[tuple[int, int | None]]:
    return [(inputs[0].shape[0], 0)]


def index_select(accesses: list[Access], inputs: list[Shape], shape: Shape, attrs: Attrs) -> list[Access]:
    source, index = accesses
    if not source.shape:
        return [source, replace(index, shape=(), strides=())]
    dim = dimension(source.shape, attrs["dim"])
    flat = index if len(index.shape) == 1 else index.expanded((1,))
    return [
        _without(source, [dim], shape, [each for each in range(len(shape)) if each != dim]),
        _placed(flat, shape, dim),
    ]


index_select_steps = gather_steps


def indexed(accesses: list[Access], inputs: list[Shape], shape: Shape, attrs: Attrs) -> list[Access]:
    source, *indices = accesses
    dims = attrs["dims"]
    found = broadcast([access.shape for access in indices], {})
    first = index_position(source.shape, dims)
    places = [*range(first), *range(first + len(found), len(shape))]
    return [
        _without(source, dims, shape, places),
        *(_placed(access.expanded(found), shape, first) for access in indices),
    ]


def indexed_steps(inputs: list[TensorDesc], attrs: Attrs) -> list[tuple[int, int | None]]:
    return [(inputs[0].shape[dim], dim) for dim in attrs["dims"]]


def before_movement(op: ACALSimOp, result: Access, shape: tuple[int, ...]) -> Access | None:
    """The access of a movement op's input that makes `result` its output's; None where there is none."""
    if op.op_type is T.COPY:
        return result
    if op.op_type is T.VIEW:
        return result.viewed(shape)
    if op.op_type is T.PERMUTE:
        return result.permuted(inverse_permutation(op.attrs["dims"]))
    return None
