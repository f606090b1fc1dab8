# SPDX-License-Identifier: Apache-2.0
"""What computes each ATen op of complex tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import arithmetic, fourier, movement
from .pair import Pair

PAIRED: Mapping[str, Callable[..., Any]] = {
    **dict.fromkeys(("aten.add.Tensor", "aten.add.Scalar"), arithmetic.added),
    **dict.fromkeys(("aten.sub.Tensor", "aten.sub.Scalar"), arithmetic.subtracted),
    **dict.fromkeys(("aten.mul.Tensor", "aten.mul.Scalar"), arithmetic.multiplied),
    **dict.fromkeys(("aten.div.Tensor", "aten.div.Scalar"), arithmetic.divided),
    **dict.fromkeys(("aten.eq.Tensor", "aten.eq.Scalar"), arithmetic.equal),
    **dict.fromkeys(("aten.ne.Tensor", "aten.ne.Scalar"), arithmetic.unequal),
    **dict.fromkeys(
        ("aten.pow.Tensor_Scalar", "aten.pow.Tensor_Tensor", "aten.pow.Scalar"), arithmetic.power
    ),
    **dict.fromkeys(
        ("aten._conj.default", "aten.conj_physical.default", "aten._conj_physical.default"),
        arithmetic.conjugate,
    ),
    **dict.fromkeys(
        (
            *(
                "aten.clone.default",
                "aten.alias.default",
                "aten.detach.default",
                "aten.lift_fresh_copy.default",
            ),
            *("aten.resolve_conj.default", "aten.resolve_neg.default", "aten.contiguous.default"),
        ),
        movement.copied,
    ),
    **dict.fromkeys(("aten.neg.default", "aten._neg_view.default"), lambda x: Pair(-x.parts)),
    **dict.fromkeys(
        ("aten.view.default", "aten.reshape.default", "aten._unsafe_view.default", "aten.view_copy.default"),
        movement.viewed,
    ),
    **dict.fromkeys(("aten.mm.default", "aten.bmm.default", "aten.mv.default"), arithmetic.product),
    **dict.fromkeys(
        ("aten.addmm.default", "aten.baddbmm.default", "aten.addmv.default"), arithmetic.product_and_sum
    ),
    **dict.fromkeys(("aten.index.Tensor", "aten._unsafe_index.Tensor"), movement.indexed),
    **dict.fromkeys(("aten.index_put.default", "aten._unsafe_index_put.default"), movement.put),
    **dict.fromkeys(("aten.sum.default", "aten.sum.dim_IntList"), movement.reduced("sum")),
    **dict.fromkeys(("aten.mean.default", "aten.mean.dim"), movement.reduced("mean")),
    **dict.fromkeys(("aten.split.Tensor", "aten.split_with_sizes.default"), movement.split),
    **dict.fromkeys(("aten.masked_fill.Scalar", "aten.masked_fill.Tensor"), movement.filled),
    **{
        name: movement.along(name)
        for name in (
            *("aten.select.int", "aten.slice.Tensor", "aten.squeeze.dim", "aten.squeeze.dims"),
            *("aten.flip.default", "aten.unbind.int", "aten.index_select.default", "aten.cumsum.default"),
        )
    },
    **{
        name: movement.overwritten(name)
        for name in ("aten.slice_scatter.default", "aten.select_scatter.default")
    },
    **{
        name: movement.part_by_part(name)
        for name in (
            "aten.tril.default",
            "aten.triu.default",
            "aten.diagonal.default",
            "aten.gather.default",
            "aten.roll.default",
            "aten.unfold.default",
        )
    },
    "aten.abs.default": arithmetic.magnitude,
    "aten.angle.default": arithmetic.angle,
    "aten.any.default": lambda x: arithmetic.is_nonzero(x).any(),
    "aten.cat.default": movement.joined,
    "aten.complex.default": Pair.of,
    "aten.constant_pad_nd.default": movement.padded,
    "aten.convolution.default": arithmetic.convolution,
    "aten.copy.default": movement.copied_into,
    "aten.cos.default": arithmetic.cosine,
    "aten.cosh.default": arithmetic.hyperbolic_cosine,
    "aten.dot.default": arithmetic.product,
    "aten.embedding.default": movement.embedded,
    "aten.exp.default": arithmetic.exponential,
    "aten.expand.default": movement.expanded,
    "aten._fft_c2c.default": fourier.complex_to_complex,
    "aten._fft_c2r.default": fourier.complex_to_real,
    "aten._fft_r2c.default": fourier.real_to_complex,
    "aten.full.default": movement.full,
    "aten.full_like.default": movement.full_like,
    "aten.imag.default": lambda x: x.imag,
    "aten.isinf.default": arithmetic.is_infinite,
    "aten.isnan.default": arithmetic.is_not_a_number,
    "aten.linalg_vector_norm.default": arithmetic.vector_norm,
    "aten.log.default": arithmetic.logarithm,
    "aten.permute.default": movement.permuted,
    "aten.polar.default": arithmetic.polar,
    "aten.prod.dim_int": movement.multiplied_along,
    "aten.real.default": lambda x: x.real,
    "aten.reciprocal.default": arithmetic.reciprocal,
    "aten.repeat.default": movement.repeated,
    "aten.scalar_tensor.default": movement.scalar,
    "aten.sgn.default": arithmetic.direction,
    "aten.sigmoid.default": arithmetic.sigmoid,
    "aten.sin.default": arithmetic.sine,
    "aten.sinh.default": arithmetic.hyperbolic_sine,
    "aten.sqrt.default": arithmetic.square_root,
    "aten.squeeze.default": movement.squeezed,
    "aten.stack.default": movement.stacked,
    "aten.t.default": lambda x: movement.transposed(x, 0, 1) if x.rank == 2 else x,
    "aten._to_copy.default": movement.converted,
    "aten.tanh.default": arithmetic.hyperbolic_tangent,
    "aten.transpose.int": movement.transposed,
    "aten.unsqueeze.default": movement.unsqueezed,
    "aten.view_as_complex.default": movement.of_parts,
    "aten.view_as_real.default": movement.parts_of,
    "aten.view.dtype": movement.seen_as,
    "aten.where.self": movement.chosen,
}
"""By ATen overload."""
