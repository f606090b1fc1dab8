# SPDX-License-Identifier: Apache-2.0
"""Shape rules: the shapes of an op's operands and its attrs in, the shape of its result out.

A rule raises ValueError or IndexError where PyTorch would refuse the shapes, and KeyError for a missing attr.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Shape = tuple[int, ...]
Attrs = Mapping[str, Any]
ShapeRule = Callable[[list[Shape], Attrs], Shape]


def padded(shape: Shape, rank: int) -> Shape:
    """The shape with sizes of 1 in front, up to `rank` dimensions."""
    return (1,) * (rank - len(shape)) + shape


def broadcast(shapes: list[Shape], attrs: Attrs) -> Shape:
    """PyTorch's broadcasting: counted from the last dimension, sizes are equal or 1."""
    result = []
    for sizes in zip(*(padded(shape, max(map(len, shapes), default=0)) for shape in shapes), strict=True):
        wide = {size for size in sizes if size != 1}
        if len(wide) > 1:
            raise ValueError(f"sizes {sizes} do not broadcast")
        result.append(wide.pop() if wide else 1)
    return tuple(result)


def same(shapes: list[Shape], attrs: Attrs) -> Shape:
    return shapes[0]


def dimension(shape: Shape, dim: int) -> int:
    """The number of dimension `dim`, which may be negative; as in PyTorch, a 0-d tensor has a dimension 0."""
    rank = max(len(shape), 1)
    if not -rank <= dim < rank:
        raise ValueError(f"there is no dimension {dim}")
    return dim % rank


def along(shapes: list[Shape], attrs: Attrs) -> Shape:
    """The input's own shape, if the attr dim is one of its dimensions."""
    dimension(shapes[0], attrs["dim"])
    return shapes[0]


# --- matrices, windows --------------------------------------------------------------------------


def matmul(shapes: list[Shape], attrs: Attrs) -> Shape:
    """[..., m, k] @ [..., k, n] -> [..., m, n]. The leading sizes are equal."""
    (*batch, m, k), (*other, k2, n) = shapes[:2]
    if k != k2 or batch != other:
        raise ValueError("inner or batch sizes differ")
    return (*batch, m, n)


def flat_matmul(shapes: list[Shape], attrs: Attrs) -> Shape:
    return _of_rank(2, matmul(shapes, attrs))


def batch_matmul(shapes: list[Shape], attrs: Attrs) -> Shape:
    return _of_rank(3, matmul(shapes, attrs))


def _of_rank(rank: int, shape: Shape) -> Shape:
    if len(shape) != rank:
        raise ValueError(f"matrices here have {rank} dimensions")
    return shape


def first_two(rule: ShapeRule) -> ShapeRule:
    """The rule applied to the first two operands, without the scales and the bias behind them."""
    return lambda shapes, attrs: rule(shapes[:2], attrs)


def gemm(shapes: list[Shape], attrs: Attrs) -> Shape:
    """[m, k] @ [k, n] + a bias that broadcasts to [m, n]."""
    product = flat_matmul(shapes, attrs)
    if broadcast([shapes[2], product], attrs) != product:
        raise ValueError("the bias is larger than the product")
    return product


def pair(value: Any, rank: int = 2, default: int = 0) -> tuple[int, ...]:
    """An attr of a window with one number for each of `rank` dimensions. A single number stands for all."""
    values = (
        [default] if value is None or value == [] else value if isinstance(value, list | tuple) else [value]
    )
    return tuple(values) * rank if len(values) == 1 else tuple(values)


def convolution(shapes: list[Shape], attrs: Attrs) -> Shape:
    """[n, c, *sizes] with a weight [o, c / groups, *kernel] -> [n, o, *result sizes].

    A transposed convolution has a weight [c, o / groups, *kernel]. Formulas: torch.nn.Conv2d,
    ConvTranspose2d.
    """
    (n, channels, *sizes), (out, group_channels, *kernel) = shapes[:2]
    rank, groups = len(kernel), attrs.get("groups", 1)
    if rank not in (1, 2) or len(sizes) != rank:
        raise ValueError("convolutions here have 1 or 2 dimensions")
    stride, padding, dilation = (
        pair(attrs.get(key), rank, least) for key, least in (("stride", 1), ("padding", 0), ("dilation", 1))
    )
    if attrs.get("transposed"):
        if channels != out or out % groups:
            raise ValueError("channels of input and weight differ")
        more = pair(attrs.get("output_padding"), rank)
        result = [
            (s - 1) * t - 2 * p + d * (k - 1) + m + 1
            for s, k, t, p, d, m in zip(sizes, kernel, stride, padding, dilation, more, strict=True)
        ]
        return (n, group_channels * groups, *result)
    if channels != group_channels * groups or out % groups:
        raise ValueError("channels of input and weight differ")
    result = [
        (s + 2 * p - d * (k - 1) - 1) // t + 1
        for s, k, t, p, d in zip(sizes, kernel, stride, padding, dilation, strict=True)
    ]
    return (n, out, *result)


def convolution_border(sizes: Shape, kernel: Shape, output: Shape, attrs: Attrs) -> list[tuple[int, int]]:
    """How far the taps of a convolution reach beyond its input: (before, after) for each dimension.

    `sizes`, `kernel` and `output` are the spatial sizes of the input, the weight and the result.
    """
    rank = len(kernel)
    stride, padding, dilation = (
        pair(attrs.get(key), rank, least) for key, least in (("stride", 1), ("padding", 0), ("dilation", 1))
    )
    if not attrs.get("transposed"):
        return [(each, each) for each in padding]
    first = [p - d * (k - 1) for k, p, d in zip(kernel, padding, dilation, strict=True)]
    last = [(size - 1 + p) // t for size, p, t in zip(output, padding, stride, strict=True)]
    return [
        (max(0, -low // t), max(0, high - size + 1))
        for low, high, size, t in zip(first, last, sizes, stride, strict=True)
    ]


def pooled(shapes: list[Shape], attrs: Attrs) -> Shape:
    """The number of windows over each of the last two dimensions; see window_count."""
    *planes, rows, columns = shapes[0]
    return (
        *planes,
        *(window_count(size, *each) for size, each in zip((rows, columns), windows(attrs), strict=True)),
    )


def windows(attrs: Attrs) -> list[tuple[int, int, int, int, bool]]:
    """(kernel, stride, padding, dilation, ceil_mode), for rows and for columns."""
    kernel = pair(attrs["kernel_size"])
    stride, padding, dilation = (
        pair(attrs.get(key) or None, 2, least)
        for key, least in (("stride", 0), ("padding", 0), ("dilation", 1))
    )
    ceil = bool(attrs.get("ceil_mode", False))
    return [(k, t or k, p, d, ceil) for k, t, p, d in zip(kernel, stride, padding, dilation, strict=True)]


def window_count(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """Pooling windows along one dimension (formula: torch.nn.MaxPool2d).

    With ceil_mode a last window may reach beyond the padded input.
    """
    span = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (span + (stride - 1 if ceil_mode else 0)) // stride + 1
    # PyTorch drops a last window that would begin behind the input, in its right padding.
    return count - 1 if ceil_mode and (count - 1) * stride >= size + padding else count


def adaptive(shapes: list[Shape], attrs: Attrs) -> Shape:
    """As many windows over the last two dimensions as the attr output_size says."""
    return (*shapes[0][:-2], *pair(attrs["output_size"]))


# --- reductions ---------------------------------------------------------------------------------


def reduced_dims(shape: Shape, attrs: Attrs) -> list[int]:
    """The dimensions that a reduction removes: those of the attr dim, or all of them without it."""
    dims = attrs.get("dim")
    if dims is None or dims == []:
        return list(range(len(shape)))
    return sorted({dimension(shape, dim) for dim in (dims if isinstance(dims, list | tuple) else [dims])})


def reduced(shapes: list[Shape], attrs: Attrs) -> Shape:
    dims = reduced_dims(shapes[0], attrs)
    keep = attrs.get("keepdim", False)
    return tuple(1 if dim in dims else size for dim, size in enumerate(shapes[0]) if keep or dim not in dims)


def ordered(shapes: list[Shape], attrs: Attrs) -> Shape:
    """The result of topk and sort: the attr k says how many elements along dim; without it all of them."""
    shape = list(shapes[0])
    if shape and "k" in attrs:
        shape[dimension(shapes[0], attrs.get("dim", -1))] = attrs["k"]
    return tuple(shape)


# --- movement -----------------------------------------------------------------------------------


def wide_matrices(shapes: list[Shape], attrs: Attrs) -> Shape:
    if len(shapes[0]) < 2 or shapes[0][-1] < shapes[0][-2]:
        raise ValueError("matrices here have at least as many columns as rows")
    return shapes[0]


def viewed(shapes: list[Shape], attrs: Attrs) -> Shape:
    shape = tuple(attrs["shape"])
    if math.prod(shape) != math.prod(shapes[0]):
        raise ValueError("a view keeps the number of elements")
    return shape


def viewed_anywhere(shapes: list[Shape], attrs: Attrs) -> Shape:
    """as_strided: the attrs size, stride and storage_offset choose among a dense tensor's elements.

    An element may be chosen several times.
    """
    size, stride = tuple(attrs["size"]), tuple(attrs["stride"])
    last = (attrs.get("storage_offset") or 0) + sum(
        (each - 1) * step for each, step in zip(size, stride, strict=True)
    )
    if 0 not in size and last >= math.prod(shapes[0]):
        raise ValueError(f"element {last} is not within {math.prod(shapes[0])}")
    return size


def permuted(shapes: list[Shape], attrs: Attrs) -> Shape:
    shape, dims = shapes[0], attrs["dims"]
    if sorted(dim % max(len(shape), 1) for dim in dims) != list(range(len(shape))):
        raise ValueError("dims name every dimension once")
    return tuple(shape[dim] for dim in dims)


def expanded(shapes: list[Shape], attrs: Attrs) -> Shape:
    shape = tuple(attrs["shape"])
    if broadcast([shapes[0], shape], attrs) != shape:
        raise ValueError("the shape does not expand")
    return shape


def flipped(shapes: list[Shape], attrs: Attrs) -> Shape:
    for dim in attrs["dims"]:
        dimension(shapes[0], dim)
    return shapes[0]


def slice_range(size: int, attrs: Attrs) -> tuple[int, int, int]:
    """(start, step, count) of Python's slice [start:end:step] of `size` indices."""
    found = range(size)[slice(attrs.get("start"), attrs.get("end"), attrs.get("step", 1))]
    return found.start, found.step, len(found)


def sliced(shapes: list[Shape], attrs: Attrs) -> Shape:
    dim = dimension(shapes[0], attrs.get("dim", 0))
    return tuple(slice_range(size, attrs)[2] if each == dim else size for each, size in enumerate(shapes[0]))


def selected(shapes: list[Shape], attrs: Attrs) -> Shape:
    dim = dimension(shapes[0], attrs["dim"])
    if not -shapes[0][dim] <= attrs["index"] < shapes[0][dim]:
        raise IndexError(f"index {attrs['index']} is not within {shapes[0][dim]}")
    return shapes[0][:dim] + shapes[0][dim + 1 :]


def diagonal(shapes: list[Shape], attrs: Attrs) -> Shape:
    first, second = (
        dimension(shapes[0], attrs.get(key, default)) for key, default in (("dim1", 0), ("dim2", 1))
    )
    offset = attrs.get("offset", 0)
    size = max(0, min(shapes[0][first] + min(offset, 0), shapes[0][second] - max(offset, 0)))
    return (*(each for dim, each in enumerate(shapes[0]) if dim not in (first, second)), size)


def unfolded(shapes: list[Shape], attrs: Attrs) -> Shape:
    """Slices of `size` elements along `dimension`, `step` apart; a new last dimension walks along a slice."""
    dim, size, step = dimension(shapes[0], attrs["dimension"]), attrs["size"], attrs["step"]
    count = (shapes[0][dim] - size) // step + 1
    return (*shapes[0][:dim], count, *shapes[0][dim + 1 :], size)


def concatenated(shapes: list[Shape], attrs: Attrs) -> Shape:
    # PyTorch leaves out empty 1-d tensors, whatever the other operands' shapes are.
    real = [shape for shape in shapes if shape != (0,)] or shapes[:1]
    dim = dimension(real[0], attrs.get("dim", 0))
    for shape in real:
        if len(shape) != len(real[0]) or shape[:dim] + shape[dim + 1 :] != real[0][:dim] + real[0][dim + 1 :]:
            raise ValueError("sizes differ outside of the joined dimension")
    return real[0][:dim] + (sum(shape[dim] for shape in real),) + real[0][dim + 1 :]


def pads(shape: Shape, attrs: Attrs) -> list[tuple[int, int]]:
    """(before, after) for every dimension. The attr pad lists such pairs from the last dimension on."""
    pad = list(attrs["pad"])
    pairs = list(zip(pad[::2], pad[1::2], strict=True))[::-1]
    return [(0, 0)] * (len(shape) - len(pairs)) + pairs


def enlarged(shapes: list[Shape], attrs: Attrs) -> Shape:
    result = tuple(
        before + size + after for size, (before, after) in zip(shapes[0], pads(shapes[0], attrs), strict=True)
    )
    if any(size < 0 for size in result):
        raise ValueError("more is cut off than there is")
    return result


# --- lookups ------------------------------------------------------------------------------------


def gathered(shapes: list[Shape], attrs: Attrs) -> Shape:
    along(shapes, attrs)
    return shapes[1]


def rows_of(shapes: list[Shape], attrs: Attrs) -> Shape:
    """embedding: a table [rows, width] and indices of any shape -> [*indices' shape, width]."""
    return (*shapes[1], *shapes[0][1:])


def index_selected(shapes: list[Shape], attrs: Attrs) -> Shape:
    dim = dimension(shapes[0], attrs["dim"])
    if not shapes[0]:
        return ()
    return (*shapes[0][:dim], math.prod(shapes[1]), *shapes[0][dim + 1 :])


def indexed(shapes: list[Shape], attrs: Attrs) -> Shape:
    """x[i, :, j ...]: the index tensors, broadcast together, replace the dimensions in the attr dims."""
    source, dims = shapes[0], attrs["dims"]
    found = broadcast(shapes[1 : 1 + len(dims)], {})
    front = [size for dim, size in enumerate(source) if dim not in dims and dim < dims[0]]
    if dims != list(range(dims[0], dims[0] + len(dims))):
        front = []
    return (
        *front,
        *found,
        *(size for dim, size in enumerate(source) if dim not in dims and dim >= len(front)),
    )


def index_position(source: Shape, dims: Sequence[int]) -> int:
    """The first dimension of `indexed`'s result that comes from the index tensors.

    As in NumPy: it is 0 where the indexed dimensions `dims` are not neighbours.
    """
    return dims[0] if list(dims) == list(range(dims[0], dims[0] + len(dims))) else 0
