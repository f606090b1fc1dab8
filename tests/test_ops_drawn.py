# SPDX-License-Identifier: Apache-2.0
"""Every row of ops.ROWS against PyTorch, on shapes and arguments that hypothesis draws."""

import functools

import pytest
import torch
import torch.nn.functional as F
from acalsim_backend.ir.ops import ROWS
from conftest import compiled_examples
from hypothesis import given, settings
from hypothesis import strategies as st
from op_cases.__init__ import OF_INT8
from op_cases.computed import assert_same, computed_together
from op_cases.drawn import (
    draw_along,
    draw_as_strided,
    draw_binary,
    draw_cast,
    draw_cat,
    draw_conv,
    draw_diagonal,
    draw_embedding,
    draw_expand,
    draw_flip,
    draw_gather,
    draw_gemm,
    draw_group_norm,
    draw_index,
    draw_index_put,
    draw_index_select,
    draw_layer_norm,
    draw_pad,
    draw_permute,
    draw_pool,
    draw_product,
    draw_reduction,
    draw_scatter,
    draw_select,
    draw_select_scatter,
    draw_slice,
    draw_slice_scatter,
    draw_sort,
    draw_system,
    draw_topk,
    draw_unary,
    draw_unfold,
    draw_view,
    draw_where,
    drawing,
)
from op_cases.pointwise import POINTWISE
from op_cases.reductions import REDUCING
from op_cases.values import LONG_SUMS, T
from op_cases.windows import WINDOWS

FAMILIES = {
    "of one operand": {
        **{
            type: draw_unary(type)
            for type in POINTWISE
            if len(ROWS[type].operands) == 1 and type.name.lower() in dir(torch) and type not in (T.CLAMP,)
        },
        T.CLAMP: drawing(lambda x: x.clamp(-0.5, 0.7)),
        T.HARDTANH: drawing(F.hardtanh),
        T.GELU: drawing(F.gelu),
        T.LEAKY_RELU: drawing(F.leaky_relu),
        T.ELU: drawing(F.elu),
        T.CAST: draw_cast,
    },
    "of two operands": {
        **{type: draw_binary(type) for type in POINTWISE if len(ROWS[type].operands) == 2},
        T.WHERE: draw_where,
    },
    "reducing": {
        **{type: draw_reduction(type) for type in REDUCING},
        T.CUMSUM: draw_along(torch.cumsum),
        T.CUMPROD: draw_along(torch.cumprod),
        T.CUMMAX: draw_along(lambda x, dim: x.cummax(dim).values),
        T.CUMMAX_INDICES: draw_along(lambda x, dim: x.cummax(dim).indices),
        T.CUMMIN: draw_along(lambda x, dim: x.cummin(dim).values),
        T.CUMMIN_INDICES: draw_along(lambda x, dim: x.cummin(dim).indices),
        T.LOGCUMSUMEXP: draw_along(torch.logcumsumexp),
        T.SOFTMAX: draw_along(torch.softmax),
        T.LOG_SOFTMAX: draw_along(torch.log_softmax),
        T.LAYER_NORM: draw_layer_norm,
        T.GROUP_NORM: draw_group_norm,
    },
    "windows": {
        T.CONV: draw_conv,
        **{type: draw_pool(type) for type in WINDOWS},
        T.MATMUL: draw_product,
        T.BMM: draw_product,
        T.GEMM: draw_gemm,
        T.ROW_REDUCE: draw_system,
    },
    "movements": {
        T.VIEW: draw_view,
        T.PERMUTE: draw_permute,
        T.EXPAND: draw_expand,
        T.SLICE: draw_slice,
        T.SELECT: draw_select,
        T.FLIP: draw_flip,
        T.DIAGONAL: draw_diagonal,
        T.UNFOLD: draw_unfold,
        T.AS_STRIDED: draw_as_strided,
        T.COPY: drawing(torch.clone),
        T.CAT: draw_cat,
        T.PAD: draw_pad,
    },
    "lookups": {
        T.GATHER: draw_gather,
        T.EMBEDDING: draw_embedding,
        T.INDEX_SELECT: draw_index_select,
        T.INDEX: draw_index,
        T.SLICE_SCATTER: draw_slice_scatter,
        T.SELECT_SCATTER: draw_select_scatter,
        T.INDEX_PUT: draw_index_put,
        T.SCATTER: draw_scatter(torch.scatter),
        T.SCATTER_ADD: draw_scatter(torch.scatter_add),
        T.SCATTER_REDUCE: draw_scatter(functools.partial(torch.scatter_reduce, reduce="amax")),
        T.TOPK: draw_topk(0),
        T.TOPK_INDICES: draw_topk(1),
        T.SORT: draw_sort(0),
        T.SORT_INDICES: draw_sort(1),
    },
}

EACH = 4
"""Cases of one op in one graph."""


def test_every_row_has_drawn_cases():
    assert {type for family in FAMILIES.values() for type in family} == set(ROWS) - OF_INT8


@pytest.mark.parametrize("family", FAMILIES)
def test_ops_compute_what_pytorch_computes_on_whatever_shapes(family, tmp_path_factory):
    @settings(compiled_examples, max_examples=2)
    @given(st.data())
    def check(data):
        names = [type for type in FAMILIES[family] for _ in range(EACH)]
        cases = [FAMILIES[family][type](data.draw) for type in names]
        _, results = computed_together(cases, tmp_path_factory.mktemp("drawn"))
        for type, (_, inputs), pairs in zip(names, cases, results, strict=True):
            for output, reference in pairs:
                try:
                    assert_same(output, reference, LONG_SUMS)
                except AssertionError as error:
                    raise AssertionError(
                        f"{type.name} of {[tuple(each.shape) for each in inputs]}: {error}"
                    ) from None

    check()
