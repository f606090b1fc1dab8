# SPDX-License-Identifier: Apache-2.0
"""What ATen ops decompose into beyond core ATen's own table; each function has its op's schema."""

from __future__ import annotations

import functools

from ..attention import native_multi_head_attention, transformer_encoder_layer
from . import arithmetic, doubles, experts, lookups, norms, order, sampling, search, triangular, volumes

DECOMPOSED = (
    "upsample_nearest1d",
    "upsample_nearest2d",
    "upsample_bilinear2d",
    "upsample_trilinear3d",
    "upsample_bicubic2d",
    "grid_sampler_2d",
    "linalg_vector_norm",
    "std_mean",
    "addmv",
    "aminmax",
    "lstm",
    "gru",
    "rnn_tanh",
    "rnn_relu",
)
"""Ops beside those that core ATen decomposes itself, for which torch has decompositions."""
WHOLE = ("_safe_softmax",)
"""Ops that core ATen would decompose and that are one row here."""


@functools.cache
def decompositions() -> dict:
    """ATen overload -> what replaces it."""
    import torch
    from torch._decomp import core_aten_decompositions, decomposition_table

    aten, table = torch.ops.aten, core_aten_decompositions()
    packets = [getattr(aten, name) for name in DECOMPOSED]
    overloads = [getattr(packet, name) for packet in packets for name in packet.overloads()]
    table.update(
        {overload: decomposition_table[overload] for overload in overloads if overload in decomposition_table}
    )
    for name in WHOLE:
        table.pop(getattr(aten, name).default, None)
    table.update(
        {
            aten._adaptive_avg_pool3d.default: volumes.adaptive_avg_pool3d,
            aten._cdist_forward.default: arithmetic.cdist,
            aten._embedding_bag.default: lookups.embedding_bag,
            aten._embedding_bag_forward_only.default: lookups.embedding_bag,
            aten._grouped_mm.default: experts.grouped_mm,
            aten._native_batch_norm_legit.no_stats: norms.batch_norm_of_the_batch,
            aten._native_batch_norm_legit_no_training.default: norms.batch_norm,
            aten._native_multi_head_attention.default: native_multi_head_attention,
            aten._transformer_encoder_layer_fwd.default: transformer_encoder_layer,
            aten._trilinear.default: arithmetic.trilinear,
            aten.adaptive_max_pool3d.default: volumes.adaptive_max_pool3d,
            aten.avg_pool3d.default: volumes.avg_pool3d,
            aten.bincount.default: search.bincount,
            aten.bucketize.Scalar: search.bucketize_number,
            aten.bucketize.Tensor: search.bucketize,
            aten.clamp.Tensor: arithmetic.clamp,
            aten.convolution.default: doubles.convolution,
            aten.grid_sampler_3d.default: sampling.grid_sampler_3d,
            aten.histc.default: search.histc,
            aten.index_put.default: lookups.index_put,
            aten.kthvalue.default: order.kthvalue,
            aten.linalg_solve_triangular.default: triangular.linalg_solve_triangular,
            aten.masked_scatter.default: lookups.masked_scatter,
            aten.max_pool3d_with_indices.default: volumes.max_pool3d,
            aten.median.default: order.median,
            aten.median.dim: order.median_along,
            aten.mode.default: order.mode,
            aten.nanmedian.default: order.nanmedian,
            aten.nanmedian.dim: order.nanmedian_along,
            aten.new_empty_strided.default: arithmetic.new_empty_strided,
            aten.nonzero_static.default: search.nonzero_static,
            aten.scatter_reduce.two: lookups.scatter_reduce,
            aten.searchsorted.Scalar: search.searchsorted_number,
            aten.searchsorted.Tensor: search.searchsorted,
            aten.triangular_solve.default: triangular.triangular_solve,
            aten.var_mean.correction: norms.var_mean,
        }
    )
    whole = {
        aten._adaptive_avg_pool2d.default: decomposition_table[aten._adaptive_avg_pool2d.default],
        aten._log_softmax.default: doubles.log_softmax,
        aten._safe_softmax.default: doubles.safe_softmax,
        aten._softmax.default: doubles.softmax,
        aten.avg_pool2d.default: doubles.avg_pool,
        aten.max_pool2d_with_indices.default: doubles.max_pool,
        aten.native_group_norm.default: decomposition_table[aten.native_group_norm.default],
        aten.native_layer_norm.default: decomposition_table[aten.native_layer_norm.default],
    }
    table.update({op: doubles.of_doubles(function) for op, function in whole.items()})
    return table
