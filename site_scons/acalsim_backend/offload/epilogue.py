# SPDX-License-Identifier: Apache-2.0
"""What of the ops behind a product a STORE can do: scale, bias, residual, activation, pooling, in order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..ir.graph import HALVES, ACALSimIR, ACALSimOp, ACALSimOpType
from ..ir.shapes import windows
from ..ir.strides import Access
from ..ir.views import is_widening, source_of

T = ACALSimOpType


@dataclass(frozen=True)
class Vector:
    """A number for each row or each column of C, next to each other."""

    tensor: str
    along: str


@dataclass(frozen=True)
class Pool:
    """Max pooling: (rows, columns) of the window and of the border, one stride."""

    size: tuple[int, int]
    stride: int
    padding: tuple[int, int]


@dataclass(frozen=True)
class Epilogue:
    """pool(act(C * scale + bias + residual)) * result_scale, as far as `stage` says.

    `tensor` is the result's name. In products of int8 `scales` takes the place of `scale`. A residual of int8
    is multiplied by `residual_scale`.
    """

    tensor: str
    scale: float = 1.0
    scales: Vector | None = None
    bias: Vector | None = None
    residual: str | None = None
    residual_shape: tuple[int, ...] = ()
    """That it is expanded to."""
    residual_scale: float | None = None
    residual_dtype: str = "float32"
    low: float = -math.inf
    high: float = math.inf
    function: str = ""
    """FUNCTION_..., of each element, in place of the bounds."""
    pool: Pool | None = None
    result_scale: float = 1.0
    """Of the result, behind all else."""
    stage: int = 0

    def flags(self, has_int32_sums: bool) -> tuple[str, ...]:
        """The FLAG_... of the STORE that does all this."""
        chosen = {
            "FLAG_SCALE": self.scale != 1,
            "FLAG_INT32_SUMS": has_int32_sums,
            **({f"FLAG_SCALE_{self.scales.along.upper()}": True} if self.scales else {}),
            **({f"FLAG_BIAS_{self.bias.along.upper()}": True} if self.bias else {}),
            "FLAG_RESIDUAL": self.residual is not None,
            "FLAG_INT8_RESIDUAL": self.residual_dtype == "int8",
            **{f"FLAG_{each.upper()}_RESIDUAL": self.residual_dtype == each for each in HALVES},
            "FLAG_RELU": self._bounds == (0, math.inf),
            "FLAG_CLAMP": self._bounds not in ((0, math.inf), (-math.inf, math.inf)),
            "FLAG_ACTIVATION": bool(self.function),
            "FLAG_POOL": self.pool is not None,
            "FLAG_SCALE_RESULT": self.result_scale != 1,
        }
        return tuple(name for name, is_set in chosen.items() if is_set)

    def fields(self) -> dict[str, int | float]:
        """The fields of the STORE that those flags ask for, wherever its block lies."""
        fields: dict[str, int | float] = {"scale": self.scale} if self.scale != 1 else {}
        if self.residual_scale is not None:
            fields["residual_scale"] = self.residual_scale
        if self._bounds not in ((0, math.inf), (-math.inf, math.inf)):
            fields |= {"low": self.low, "high": self.high}
        if self.result_scale != 1:
            fields["high"] = self.result_scale
        if self.pool:
            rows, columns = self.pool.size
            fields |= {"k_inner": columns, "k_middle": rows, "pool_stride": self.pool.stride}
        return fields

    @property
    def _bounds(self) -> tuple[float, float]:
        return self.low, self.high


ACTIVATIONS = {
    T.GELU: "GELU",
    T.TANH: "TANH",
    T.SIGMOID: "SIGMOID",
    T.EXP: "EXP",
    T.ERF: "ERF",
    T.LOG: "LOG",
    T.SQRT: "SQUARE_ROOT",
    T.RSQRT: "RECIPROCAL_SQUARE_ROOT",
}
"""Functions that a STORE computes where the device has a vector unit."""


def _function(kind: T, attrs: Mapping[str, Any]) -> str:
    is_tanh = kind is T.GELU and attrs.get("approximate") == "tanh"
    return f"FUNCTION_{ACTIVATIONS[kind]}{'_TANH' if is_tanh else ''}"


SCALED, BIASED, ADDED, BOUNDED, POOLED, ROUNDED = range(1, 7)


class EpilogueReader:
    """Follows the ops behind the anchor of a kernel, whose result is walked as `space`."""

    def __init__(
        self,
        ir: ACALSimIR,
        producer: Mapping[str, ACALSimOp],
        access: Mapping[str, Access],
        space: tuple[int, ...],
        activates: bool = False,
    ):
        self.activates = activates
        self.ir, self.producer, self.access, self.space = ir, producer, access, space
        self.access_in_memory: set[str] = set()

    def read(self, anchor: ACALSimOp, after: Sequence[ACALSimOp]) -> list[Epilogue] | None:
        """An Epilogue for the anchor's result and that of each op behind it; None if a STORE cannot do one."""
        inside = {op.outputs[0] for op in after if is_widening(op, self.ir)}
        self.access_in_memory = {name for op in after for name in op.inputs} - inside
        first = self._anchored(anchor)
        found = [first] if first else []
        for op in after:
            if is_widening(op, self.ir):
                continue  # a residual, which the addition behind it finds
            sources = {self._source(name) for name in op.inputs}
            before = next((each for each in reversed(found) if each.tensor in sources), None)
            value = before and self._behind(before, op)
            if value is None:
                return None
            found.append(value)
        return found if _are_alike(found) else None

    def _anchored(self, op: ACALSimOp) -> Epilogue | None:
        value = Epilogue(op.outputs[0])
        shape = self.ir.tensors[op.outputs[0]].shape
        if op.op_type is T.GEMM:
            alpha, beta = (float(op.attrs.get(name, 1)) for name in ("alpha", "beta"))
            value = replace(value, scale=alpha)
            if beta not in (0, 1):
                return None
            return self._added(value, op.inputs[2], shape) if beta else value
        if op.op_type in (T.CONV_INT8, T.GEMM_INT8):
            along = "rows" if op.op_type is T.CONV_INT8 else "columns"
            scales, *bias = (Vector(name, along) for name in op.inputs[2:])
            return replace(
                value, scales=scales, bias=bias[0] if bias else None, stage=BIASED if bias else SCALED
            )
        if op.op_type is T.CONV and len(op.inputs) > 2:
            return replace(value, bias=Vector(op.inputs[2], "rows"), stage=BIASED)
        return value

    def _behind(self, value: Epilogue, op: ACALSimOp) -> Epilogue | None:
        others = [name for name in op.inputs if self._source(name) != value.tensor]
        if len(others) == len(op.inputs) or len(others) > 1:
            return None
        done = replace(value, tensor=op.outputs[0])
        kind, attrs = op.op_type, op.attrs
        before, after = (self.ir.tensors[name].elements for name in (value.tensor, done.tensor))
        if kind is not T.MAX_POOL and after != before:
            return None  # the result repeats C's elements, and a STORE writes each once
        if (
            kind is T.MUL
            and not others
            and isinstance(attrs.get("other"), int | float)
            and value.stage <= SCALED
            and value.scales is None
        ):
            return replace(done, scale=value.scale * float(attrs["other"]), stage=SCALED)
        if kind is T.ADD and others and attrs.get("alpha", 1) == 1:
            return self._added(done, others[0], self.ir.tensors[op.outputs[0]].shape)
        if kind is T.RELU and value.stage < POOLED:
            return self._bounded(done, 0.0, math.inf)
        if kind is T.HARDTANH and value.stage < POOLED:
            return self._bounded(done, float(attrs.get("min_val", -1)), float(attrs.get("max_val", 1)))
        if kind is T.CLAMP and value.stage < POOLED:
            low, high = attrs.get("min"), attrs.get("max")
            return self._bounded(
                done, -math.inf if low is None else float(low), math.inf if high is None else float(high)
            )
        if kind in ACTIVATIONS and self.activates and value.stage < BOUNDED:
            return replace(done, function=_function(kind, attrs), stage=BOUNDED)
        if kind is T.CAST and attrs["dtype"] in HALVES and value.stage < ROUNDED:
            return replace(done, stage=ROUNDED)
        if kind is T.QUANTIZE and value.stage < ROUNDED:
            return self._rounded(done, float(attrs["scale"]))
        if kind is T.MAX_POOL and value.stage < POOLED and value.residual is None:
            return self._pooled(done, attrs, self.ir.tensors[op.inputs[0]].shape)
        return None

    @staticmethod
    def _bounded(value: Epilogue, low: float, high: float) -> Epilogue | None:
        if low > high or value.function:
            return None  # a STORE bounds what it has, or computes a function of it
        low, high = (min(max(each, value.low), value.high) for each in (low, high))
        return replace(value, low=low, high=high, stage=BOUNDED)

    @staticmethod
    def _rounded(value: Epilogue, scale: float) -> Epilogue | None:
        """A STORE has one field for an upper bound and for its result's scale."""
        if scale != 1 and "FLAG_CLAMP" in value.flags(False):
            return None
        return replace(value, result_scale=scale, stage=ROUNDED)

    def _pooled(self, value: Epilogue, attrs: Mapping[str, Any], shape: Sequence[int]) -> Epilogue | None:
        """Of images of that shape, which are rows of C as they are, not through a view that sees other images."""
        rows, columns = windows(attrs)
        image = self.space[-2:] if len(self.space) == 4 else (1, self.space[-1])
        if len(shape) != 4 or tuple(shape[-2:]) != image:
            return None
        if rows[1] != columns[1] or rows[3] != 1 or columns[3] != 1:
            return None
        return replace(value, pool=Pool((rows[0], columns[0]), rows[1], (rows[2], columns[2])), stage=POOLED)

    def _source(self, name: str) -> str:
        """What `name` is a view of."""
        return source_of(name, self.producer, self.access)

    def _added(self, value: Epilogue, name: str, shape: Sequence[int]) -> Epilogue | None:
        """value + the tensor `name`.

        That is a bias where it has one number for each row or each column of C, else a residual.
        """
        scale, producer = None, self.producer.get(name)
        if producer is not None and is_widening(producer, self.ir) and name not in self.access_in_memory:
            name, scale = producer.inputs[0], producer.attrs.get("scale")
        elif self.ir.tensors[name].dtype != "float32":
            return None
        dtype = self.ir.tensors[name].dtype
        walk = self.access[name].expanded(shape).viewed(self.space)
        if walk is None:
            return None
        along = _vector(walk)
        fits = along and (value.scales is None or value.scales.along == along)
        if dtype == "float32" and value.stage < BIASED and along and fits:
            return replace(value, bias=Vector(name, along), stage=BIASED)
        if value.stage < ADDED and _is_tile(walk):
            return replace(
                value,
                residual=name,
                residual_shape=tuple(shape),
                residual_scale=scale,
                residual_dtype=dtype,
                stage=ADDED,
            )
        return None


def _are_alike(found: Sequence[Epilogue]) -> bool:
    """Whether one set of vectors, one residual and one pooling serve all results that have any."""
    last = furthest(found) if found else None
    return last is not None and all(
        each.scales == last.scales
        and each.bias in (None, last.bias)
        and each.residual in (None, last.residual)
        and each.pool in (None, last.pool)
        for each in found
    )


def furthest(found: Sequence[Epilogue]) -> Epilogue:
    """The result behind the most kinds of ops; the last one of these."""
    return max(
        reversed(found), key=lambda each: (each.pool is not None, each.residual is not None, each.stage)
    )


def _vector(walk: Access) -> str | None:
    """Whether a walk along C's space goes with C's columns alone, or with its rows alone."""
    strides = [0 if size == 1 else step for size, step in zip(walk.shape, walk.strides, strict=True)]
    row = len(strides) - (3 if len(strides) == 4 else 2)  # channels of a convolution, or rows of a matrix
    others = [step for dim, step in enumerate(strides) if dim != row]
    if strides[row] == 1 and not any(others):
        return "rows"
    if len(strides) == 3 and strides[2] == 1 and not strides[0] and not strides[1]:
        return "columns"
    return None


def _is_tile(walk: Access) -> bool:
    """Whether it has an element for each of C's, columns next to each other."""
    moving = all(step > 0 for size, step in zip(walk.shape, walk.strides, strict=True) if size > 1)
    return moving and (walk.shape[-1] == 1 or walk.strides[-1] == 1)
