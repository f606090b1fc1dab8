# SPDX-License-Identifier: Apache-2.0
"""A kernel as the device computes it: operands and results in RAM, and what its STOREs do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType
from ..ir.kernel import Kernel
from ..ir.shapes import pair
from ..ir.strides import Access
from ..ir.walks import adjacent, image_space, matrix_space
from .epilogue import Epilogue, EpilogueReader, Pool, Vector, furthest
from .operand import DTYPES, Image, Matrix, Tile

T = ACALSimOpType
CONVOLUTIONS = (T.CONV, T.CONV_INT8)
PRODUCTS = (T.MATMUL, T.GEMM, T.BMM, T.GEMM_INT8, *CONVOLUTIONS)
LARGEST_SIZE = 0xFFFF
"""Of the 16-bit fields of a command."""


@dataclass(frozen=True)
class Result:
    """A tensor that STOREs leave in RAM, and what they do to C on the way."""

    tile: Tile
    epilogue: Epilogue


@dataclass(frozen=True)
class Factors:
    """C[image, batch, m, n] = sum over k of A[batch, m, k] B[image, batch, k, n].

    n is `rows` x `columns` (a matrix has one row); `taps` is what k may not be cut within.
    """

    images: int
    batches: int
    m: int
    rows: int
    columns: int
    k: int
    taps: int
    a: Matrix
    b: Matrix | Image


@dataclass(frozen=True)
class Product(Factors):
    """A product of Factors, finished and stored."""

    results: tuple[Result, ...]
    scales: tuple[str, int] | None
    bias: tuple[str, int] | None
    """Storage and offset in elements."""
    along: str
    """What the vectors have a number for each of: rows or columns of C."""
    residual: Tile | None
    pool: Pool | None
    out: tuple[int, int]
    """Rows and columns of the last result: those of C unless they are pooled."""

    @property
    def type(self) -> str:
        """Of its operands."""
        return self.a.dtype

    @property
    def last(self) -> Epilogue:
        return self.results[-1].epilogue

    @property
    def macs(self) -> int:
        return self.images * self.batches * self.m * self.rows * self.columns * self.k


def flattened(product: Product) -> Product:
    """A convolution of single elements as a product of matrices, which is read where it lies.

    The same where windows are larger or planes are not dense.
    """
    b, tiles = product.b, [each.tile for each in product.results]
    tiles += [product.residual] if product.residual else []
    if (
        not isinstance(b, Image)
        or product.pool
        or product.images > 1
        or (b.kernel, b.stride) != ((1, 1), (1, 1))
    ):
        return product
    if any(b.padding) or b.row_stride != b.columns or any(each.row_stride != b.columns for each in tiles):
        return product
    pixels = b.rows * b.columns
    matrix = Matrix(
        b.storage,
        b.offset,
        b.channels * b.channel_stride,
        1,
        b.channel_stride,
        pixels,
        b.channels,
        b.dtype,
    )
    return replace(product, b=matrix, rows=1, columns=pixels, out=(1, pixels))


def unfit(ir: ACALSimIR, op: ACALSimOp) -> str | None:
    """Why an op cannot run on a compute device, whatever its operands' places; None if it can."""
    if op.op_type not in PRODUCTS:
        return f"the device has no {op.op_type.name}"
    types = {ir.tensors[name].dtype for name in op.inputs[:2]}
    if len(types) > 1 or not types <= {*DTYPES}:
        return f"its operands are {' and '.join(sorted(types))}"
    if op.attrs.get("transposed"):
        return "transposed convolution"
    if 0 in ir.tensors[op.outputs[0]].shape or 0 in ir.tensors[op.inputs[0]].shape:
        return "empty"
    return None


class Lowering:
    """Kernels to Products, with the accesses that tensors have at the moment."""

    def __init__(
        self,
        ir: ACALSimIR,
        producer: Mapping[str, ACALSimOp],
        access: Mapping[str, Access],
        constants: frozenset[str],
        activates: bool = False,
    ):
        """`activates` says whether STOREs compute functions like exp."""
        self.ir, self.producer, self.access, self.constants = ir, producer, access, constants
        self.activates = activates

    def moved(self, moved: Mapping[str, Access]) -> Lowering:
        """The same with some tensors elsewhere."""
        return Lowering(self.ir, self.producer, {**self.access, **moved}, self.constants, self.activates)

    def product(self, kernel: Kernel) -> Product | None:
        """None where an access or an op behind the anchor is beyond the device."""
        op = kernel.anchor
        space = (image_space if op.op_type in CONVOLUTIONS else matrix_space)(
            self.ir.tensors[op.outputs[0]].shape
        )
        reader = EpilogueReader(self.ir, self.producer, self.access, space, self.activates)
        epilogues = reader.read(op, kernel.after)
        if epilogues is None:
            return None
        factors = self._convolution(op) if op.op_type in CONVOLUTIONS else self._matrices(op)
        return self._finished(kernel, factors, epilogues, space) if factors else None

    def _finished(
        self, kernel: Kernel, factors: Factors, epilogues: list[Epilogue], space: tuple[int, ...]
    ) -> Product | None:
        """The factors with what STOREs do to their product; None where a tensor's access is beyond them."""
        last, groups = furthest(epilogues), factors.batches
        kept = [each for each in epilogues if each.tensor in (kernel.results or (last.tensor,))]
        results = []
        for each in kept:
            shape = self.ir.tensors[each.tensor].shape
            tile = self._tile(each.tensor, shape, image_space(shape) if each.pool else space, groups)
            if tile is None:
                return None
            results.append(Result(tile, each))
        residual = self._tile(last.residual, last.residual_shape, space, groups) if last.residual else None
        if last.residual and residual is None:
            return None
        is_matrix = kernel.anchor.op_type not in CONVOLUTIONS
        if is_matrix and groups > 1 and last.bias and last.bias.along == "rows":
            return None
        rows, columns = factors.rows, factors.columns
        if last.pool:
            rows, columns = image_space(self.ir.tensors[last.tensor].shape)[-2:]
        product = Product(
            **vars(factors),
            results=tuple(results),
            residual=residual,
            pool=last.pool,
            out=(rows, columns),
            scales=self._vector(last.scales),
            bias=self._vector(last.bias),
            along=next((each.along for each in (last.scales, last.bias) if each), ""),
        )
        return flattened(product)

    def _vector(self, vector: Vector | None) -> tuple[str, int] | None:
        """Its storage and the element in it where it begins."""
        if vector is None:
            return None
        access = self.access[vector.tensor]
        return access.storage, access.offset

    def _tile(self, name: str, shape: Sequence[int], space: tuple[int, ...], batches: int) -> Tile | None:
        """A tensor, expanded to `shape`, that is walked as `space`; a batch has its share of the channels."""
        walk = self.access[name].expanded(shape).viewed(space)
        if walk is None or not adjacent(walk):
            return None
        dtype = self.ir.tensors[name].dtype
        if len(space) == 4:
            image, channel, row, _ = walk.strides
            per_batch = channel * (space[1] // batches)
            return Tile(walk.storage, walk.offset, image, per_batch, channel, row, dtype)
        batch, row, _ = walk.strides
        return Tile(walk.storage, walk.offset, 0, batch, row, 0, dtype)

    def _matrices(self, op: ACALSimOp) -> Factors | None:
        a, b = (self.access[name].viewed(matrix_space(self.ir.tensors[name].shape)) for name in op.inputs[:2])
        if a is None or b is None or min(*a.strides, *b.strides) < 0:
            return None
        (batches, m, k), n = a.shape, b.shape[2]
        dtype = self.ir.tensors[op.inputs[0]].dtype
        batch, line, step = a.strides
        left = self._matrix(a, batch, line, step, m, k, dtype)
        batch, step, line = b.strides
        right = self._matrix(b, batch, line, step, n, k, dtype)
        return Factors(1, batches, m, 1, n, k, 1, left, right)

    def _matrix(
        self, access: Access, batch: int, line: int, step: int, lines: int, depth: int, dtype: str
    ) -> Matrix:
        is_constant = access.storage in self.constants and not access.offset
        return Matrix(
            access.storage,
            access.offset,
            batch,
            line,
            step,
            lines,
            depth,
            dtype,
            is_constant=is_constant,
        )

    def _convolution(self, op: ACALSimOp) -> Factors | None:
        x, w = (self.ir.tensors[name] for name in op.inputs[:2])
        rank, groups = len(w.shape) - 2, op.attrs.get("groups", 1)

        def window(key: str, least: int) -> tuple[int, int]:
            """An attr of the window, rows before columns; convolutions of one dimension have one row."""
            rows, columns = (*(least,) * (2 - rank), *pair(op.attrs.get(key), rank, least))
            return rows, columns

        rows, columns = (*(1,) * (2 - rank), *w.shape[2:])
        kernel = rows, columns
        source = self.access[x.name].viewed(image_space(x.shape))
        weight = self.access[w.name]
        if source is None or not adjacent(source) or min(source.strides) < 0 or not weight.is_dense:
            return None
        images, channels, height, width = source.shape
        _, outputs, rows, columns = image_space(self.ir.tensors[op.outputs[0]].shape)
        k = channels // groups * math.prod(kernel)
        of_image, of_channel, of_row, _ = source.strides
        image = Image(
            source.storage,
            source.offset,
            of_image,
            of_channel,
            of_row,
            rows=height,
            columns=width,
            channels=channels // groups,
            kernel=kernel,
            stride=window("stride", 1),
            dilation=window("dilation", 1),
            padding=window("padding", 0),
            dtype=x.dtype,
        )
        m = outputs // groups
        left = self._matrix(weight, m * k, k, 1, m, k, w.dtype)
        return Factors(images, groups, m, rows, columns, k, math.prod(kernel), left, image)
