# SPDX-License-Identifier: Apache-2.0
"""One row an op: its ATen overloads and operands, its shape rule, its C kernel, its multiply-accumulates.

Capture, the IR's verification, the planner and the code generator all read these rows; a new op is a
row here, a kernel (a C expression, or a function in kernels/), and a test.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from .emit import Site, copy_loops, expression_loops
from .errors import IRError
from .ir import ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc

T = ACALSimOpType
Shape = tuple[int, ...]
ShapeRule = Callable[[list[Shape], Mapping[str, Any]], Shape]


@dataclass(frozen=True)
class Row:
    """One op. `operands` and `attrs` are argument names of the ATen schemas.

    `shape` computes the output's shape from the inputs' shapes and the attrs; `kernel` prints the
    statements of the op's C function; `macs` counts multiply-accumulates. An op that `is_view` costs
    nothing: its output is its input's memory. One that `takes_numbers` takes an attr of an operand's
    name in the place of a tensor.
    """

    type: ACALSimOpType
    aten: tuple[str, ...]
    operands: tuple[str, ...]
    shape: ShapeRule
    kernel: Callable[[Site], list[str]] | None
    attrs: tuple[str, ...] = ()
    macs: Callable[[list[Shape], Shape], int] = lambda inputs, output: 0
    header: str | None = None
    dtypes: tuple[str, ...] = ("float32",)
    takes_numbers: bool = False

    @property
    def is_view(self) -> bool:
        return self.kernel is None

    def verify(self, ir: ACALSimIR, op: ACALSimOp) -> None:
        """Raise IRError where the op's tensors are not what the row allows."""
        self._verify_form(op)
        inputs, (output,) = self._tensors(ir, op)
        for desc in (*inputs, output):
            if desc.dtype not in self.dtypes:
                raise IRError(
                    f"op '{op.name}' has tensor '{desc.name}' of {desc.dtype}; {self.type.name} takes {', '.join(self.dtypes)}"
                )
        shape, dtype = self._output_shape(op, inputs), promoted(inputs, op.attrs)
        if shape != output.shape:
            raise IRError(f"op '{op.name}' writes '{output.name}' of {output.shape}; its inputs make {shape}")
        if output.dtype not in dtype:
            raise IRError(f"op '{op.name}' writes '{output.name}' of {output.dtype}; its inputs make {' or '.join(dtype)}")

    def _verify_form(self, op: ACALSimOp) -> None:
        """As many operands and results as the row has, and no attr that it does not know."""
        numbers = [name for name in self.operands if name in op.attrs]
        if len(op.inputs) + len(numbers) != len(self.operands) or not op.inputs or len(op.outputs) != 1:
            raise IRError(f"op '{op.name}': {self.type.name} takes {', '.join(self.operands)} and has one result; not {op}")
        for name in op.attrs:
            if name not in (*self.attrs, *numbers):
                raise IRError(f"op '{op.name}': {self.type.name} has no attr '{name}'; it has {', '.join(self.attrs) or 'none'}")
        for name in numbers:
            if not self.takes_numbers or not isinstance(op.attrs[name], int | float):
                raise IRError(f"op '{op.name}': {self.type.name} takes a tensor as '{name}', not {op.attrs[name]!r}")

    def _output_shape(self, op: ACALSimOp, inputs: list[TensorDesc]) -> Shape:
        try:
            return self.shape([desc.shape for desc in inputs], op.attrs)
        except (ValueError, IndexError, KeyError) as error:
            shapes = ", ".join(str(desc.shape) for desc in inputs)
            reason = f"attr {error} is missing" if isinstance(error, KeyError) else str(error)
            raise IRError(f"op '{op.name}': {self.type.name} does not take {shapes}{f' {op.attrs}' if op.attrs else ''}: {reason}") from None

    def count_macs(self, ir: ACALSimIR, op: ACALSimOp) -> int:
        inputs, (output,) = self._tensors(ir, op)
        return self.macs([desc.shape for desc in inputs], output.shape)

    def work(self, ir: ACALSimIR, op: ACALSimOp) -> int:
        """Multiply-accumulates, or elements of the result where there are none."""
        return self.count_macs(ir, op) or ir.tensors[op.outputs[0]].elements

    @staticmethod
    def _tensors(ir: ACALSimIR, op: ACALSimOp) -> tuple[list[TensorDesc], list[TensorDesc]]:
        return [ir.tensors[name] for name in op.inputs], [ir.tensors[name] for name in op.outputs]


# --- shape rules --------------------------------------------------------------------------------


def broadcast(shapes: list[Shape], attrs: Mapping[str, Any]) -> Shape:
    """PyTorch's broadcasting: sizes agree from the right, or are 1."""
    result = []
    for sizes in zip(*(_padded(shape, max(map(len, shapes), default=0)) for shape in shapes), strict=True):
        wide = {size for size in sizes if size != 1}
        if len(wide) > 1:
            raise ValueError(f"sizes {sizes} do not broadcast")
        result.append(wide.pop() if wide else 1)
    return tuple(result)


def _padded(shape: Shape, rank: int) -> Shape:
    return (1,) * (rank - len(shape)) + shape


def promoted(inputs: list[TensorDesc], attrs: Mapping[str, Any]) -> tuple[str, ...]:
    """The dtypes that the result may have: a float among the operands makes float32."""
    dtypes = tuple(dict.fromkeys(desc.dtype for desc in inputs))
    return ("float32",) if "float32" in dtypes or any(isinstance(value, float) for value in attrs.values()) else dtypes


def same(shapes: list[Shape], attrs: Mapping[str, Any]) -> Shape:
    return shapes[0]


def along(shapes: list[Shape], attrs: Mapping[str, Any]) -> Shape:
    """The input's shape; the attr dim is one of its dimensions."""
    rank = max(len(shapes[0]), 1)
    if not -rank <= attrs["dim"] < rank:
        raise ValueError(f"there is no dimension {attrs['dim']}")
    return shapes[0]


def matmul(shapes: list[Shape], attrs: Mapping[str, Any]) -> Shape:
    """[..., m, k] @ [..., k, n] -> [..., m, n], the leading sizes equal."""
    (*batch, m, k), (*other, k2, n) = shapes[:2]
    if k != k2 or batch != other:
        raise ValueError("inner or batch sizes differ")
    return (*batch, m, n)


def flat_matmul(shapes: list[Shape], attrs: Mapping[str, Any]) -> Shape:
    return _of_rank(2, matmul(shapes, attrs))


def batch_matmul(shapes: list[Shape], attrs: Mapping[str, Any]) -> Shape:
    return _of_rank(3, matmul(shapes, attrs))


def _of_rank(rank: int, shape: Shape) -> Shape:
    if len(shape) != rank:
        raise ValueError(f"matrices here have {rank} dimensions")
    return shape


def gemm(shapes: list[Shape], attrs: Mapping[str, Any]) -> Shape:
    product = flat_matmul(shapes, attrs)
    if broadcast([shapes[2], product], attrs) != product:
        raise ValueError("the bias is larger than the product")
    return product


def viewed(shapes: list[Shape], attrs: Mapping[str, Any]) -> Shape:
    shape = tuple(attrs["shape"])
    if math.prod(shape) != math.prod(shapes[0]):
        raise ValueError("a view keeps the number of elements")
    return shape


def permuted(shapes: list[Shape], attrs: Mapping[str, Any]) -> Shape:
    shape, dims = shapes[0], attrs["dims"]
    if sorted(dim % len(shape) for dim in dims) != list(range(len(shape))):
        raise ValueError("dims name every dimension once")
    return tuple(shape[dim] for dim in dims)


def expanded(shapes: list[Shape], attrs: Mapping[str, Any]) -> Shape:
    shape = tuple(attrs["shape"])
    if broadcast([shapes[0], shape], attrs) != shape:
        raise ValueError("the shape does not expand")
    return shape


# --- kernels ------------------------------------------------------------------------------------


def matmul_kernel(site: Site) -> list[str]:
    *batch, m, k = site.inputs[0].shape
    n = site.output.shape[-1]
    a, b = (site.c_name(desc) for desc in site.inputs)
    call = "matmul_f32({a}, {b}, {c}, {m}, {n}, {k});"
    if not batch:
        return [call.format(a=a, b=b, c=site.c_name(site.output), m=m, n=n, k=k)]
    at = {"a": f"{a} + i * {m * k}", "b": f"{b} + i * {k * n}", "c": f"{site.c_name(site.output)} + i * {m * n}"}
    return [f"for (long i = 0; i < {math.prod(batch)}; i++)", "    " + call.format(**at, m=m, n=n, k=k)]


def gemm_kernel(site: Site) -> list[str]:
    a, b, bias = (site.c_name(desc) for desc in site.inputs)
    (m, k), (_, n) = (desc.shape for desc in site.inputs[:2])
    rows, columns = _padded(site.inputs[2].shape, 2)
    steps = (0 if rows == 1 else columns, 0 if columns == 1 else 1)
    factors = ", ".join(site.literal(float(site.attrs.get(name, 1))) for name in ("alpha", "beta"))
    return [f"gemm_f32({a}, {b}, {bias}, {steps[0]}, {steps[1]}, {site.c_name(site.output)}, {m}, {n}, {k}, {factors});"]


def softmax_kernel(site: Site) -> list[str]:
    shape, dim = site.output.shape, site.attrs["dim"] % max(len(site.output.shape), 1)
    outer, size, inner = math.prod(shape[:dim]), shape[dim] if shape else 1, math.prod(shape[dim + 1 :])
    return [f"softmax_f32({site.c_name(site.inputs[0])}, {site.c_name(site.output)}, {outer}, {size}, {inner});"]


def permute_kernel(site: Site) -> list[str]:
    strides = site.strides(site.inputs[0].shape)
    return copy_loops(site, [strides[dim] for dim in site.attrs["dims"]])


def expand_kernel(site: Site) -> list[str]:
    return copy_loops(site, site.broadcast_strides(site.inputs[0]))


# --- the rows -----------------------------------------------------------------------------------

ANY = ("float32", "int64", "int32", "int8", "bool")
NUMBERS = ("float32", "int64", "int32")


def pointwise(type: ACALSimOpType, aten: str, expression: str, dtypes: tuple[str, ...] = ("float32",), **more) -> Row:
    """A row whose kernel is one C expression of {0}, {1} ... an element, and of its attrs by name."""
    operands = ("self", "other")[: 1 + ("{1}" in expression)]
    overloads = (f"aten.{aten}.Tensor", f"aten.{aten}.Scalar") if len(operands) == 2 else (f"aten.{aten}.default",)
    overloads = more.pop("aten_overloads", overloads)
    return Row(type, overloads, operands, broadcast, lambda site: expression_loops(site, expression), dtypes=dtypes,
               takes_numbers=len(operands) == 2, **more)


ROWS: Mapping[ACALSimOpType, Row] = MappingProxyType(
    {
        row.type: row
        for row in (
            Row(T.MATMUL, ("aten.mm.default",), ("self", "mat2"), flat_matmul, matmul_kernel, header="matmul.h",
                macs=lambda i, o: math.prod(o) * i[0][-1]),
            Row(T.BMM, ("aten.bmm.default",), ("self", "mat2"), batch_matmul, matmul_kernel, header="matmul.h",
                macs=lambda i, o: math.prod(o) * i[0][-1]),
            Row(T.GEMM, ("aten.addmm.default",), ("mat1", "mat2", "self"), gemm, gemm_kernel, header="matmul.h",
                attrs=("alpha", "beta"), macs=lambda i, o: math.prod(o) * i[0][-1]),
            pointwise(T.ADD, "add", "{0} + {alpha}{1}", NUMBERS, attrs=("alpha",)),
            pointwise(T.SUB, "sub", "{0} - {alpha}{1}", NUMBERS, attrs=("alpha",)),
            pointwise(T.MUL, "mul", "{0} * {1}", NUMBERS),
            pointwise(T.DIV, "div", "{0} / {1}"),
            pointwise(T.MAXIMUM, "maximum", "({0} > {1} || {0} != {0}) ? {0} : {1}", NUMBERS,
                      aten_overloads=("aten.maximum.default",)),
            pointwise(T.MINIMUM, "minimum", "({0} < {1} || {0} != {0}) ? {0} : {1}", NUMBERS,
                      aten_overloads=("aten.minimum.default",)),
            pointwise(T.NEG, "neg", "-{0}", NUMBERS),
            pointwise(T.ABS, "abs", "fabsf({0})"),
            pointwise(T.RELU, "relu", "{0} < 0 ? 0 : {0}", NUMBERS),
            pointwise(T.EXP, "exp", "expf({0})"),
            pointwise(T.LOG, "log", "logf({0})"),
            pointwise(T.SQRT, "sqrt", "sqrtf({0})"),
            pointwise(T.RSQRT, "rsqrt", "1.0f / sqrtf({0})"),
            pointwise(T.TANH, "tanh", "tanhf({0})"),
            pointwise(T.SIGMOID, "sigmoid", "1.0f / (1.0f + expf(-{0}))"),
            Row(T.SOFTMAX, ("aten._softmax.default",), ("self",), along, softmax_kernel, attrs=("dim",), header="softmax.h"),
            Row(T.VIEW, ("aten.view.default", "aten._unsafe_view.default", "aten.unsqueeze.default",
                         "aten.squeeze.dims", "aten.squeeze.dim", "aten.squeeze.default", "aten.alias.default",
                         "aten.detach.default"), ("self",), viewed, None, attrs=("shape",), dtypes=ANY),
            Row(T.PERMUTE, ("aten.permute.default",), ("self",), permuted, permute_kernel, attrs=("dims",), dtypes=ANY),
            Row(T.EXPAND, ("aten.expand.default",), ("self",), expanded, expand_kernel, attrs=("shape",), dtypes=ANY),
            Row(T.COPY, ("aten.clone.default",), ("self",), same, expand_kernel, dtypes=ANY),
        )
    }
)
"""Every op there is, by type."""

ATEN: Mapping[str, Row] = MappingProxyType({name: row for row in ROWS.values() for name in row.aten})
"""The same rows by the names of ATen's overloads."""
