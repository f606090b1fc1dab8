# SPDX-License-Identifier: Apache-2.0
"""Ops of PyTorch that have no row of their own: they become others, which compute the same."""

import functools

import pytest
import torch
import torch.nn.functional as F
from op_cases.computed import assert_same, computed_together
from op_cases.fourier import FOURIER
from op_cases.linear import TRIANGULAR
from op_cases.lookups import assigned, scatter_reduced
from op_cases.normalising import SOFT_ODD
from op_cases.search import CHOOSING, SEARCHING
from op_cases.values import FINITE, LONG_SUMS, ODD, Values, aten
from op_cases.volumes import VOLUMES

values = Values(11)
b, f, n = values.b, values.f, values.n


def bag(mode, **options):
    return lambda w, i, *more: F.embedding_bag(i, w, *more, mode=mode, **options)


COMPOSED = {
    "clamp between tensors": (torch.clamp, (ODD[:, None], ODD, ODD.flip(0))),
    "clamp of int64": (lambda x, low: x.clamp(min=low), (n(3, 4), n(4))),
    "cosine_similarity": (F.cosine_similarity, (f(3, 4), f(3, 4))),
    "var_mean": (torch.var_mean, (f(3, 4),)),
    "std_mean": (lambda x: torch.std_mean(x, (0, 2), keepdim=True), (f(3, 4, 5),)),
    "instance_norm": (lambda x, w, c: F.instance_norm(x, weight=w, bias=c), (f(2, 3, 4, 5), f(3), f(3))),
    "batch_norm of the batch": (lambda x: F.batch_norm(x, None, None, training=True), (f(4, 3, 5),)),
    "local_response_norm": (lambda x: F.local_response_norm(x, 3), (f(2, 5, 4, 4),)),
    "cdist": (torch.cdist, (f(2, 4, 3), f(2, 5, 3))),
    "cdist, p 1": (lambda x, y: torch.cdist(x, y, 1.0), (f(4, 3), f(5, 3))),
    "bilinear": (F.bilinear, (f(2, 3), f(2, 4), f(5, 3, 4), f(5))),
    "masked_scatter": (lambda x, m, v: x.masked_scatter(m, v), (f(3, 4), b(3, 1), f(12))),
    **{
        f"scatter_reduce {reduce} {own}": (
            functools.partial(scatter_reduced, reduce, own),
            (f(5, 4), n(6, 4, low=0, high=5), f(6, 4)),
        )
        for reduce in ("sum", "mean")
        for own in (True, False)
    },
    "scatter_reduce mean of int64": (
        functools.partial(scatter_reduced, "mean", True),
        (n(5), n(9, low=0, high=5), n(9)),
    ),
    **{
        f"embedding_bag {mode}": (bag(mode), (f(5, 3), n(4, 2, low=0, high=5)))
        for mode in ("sum", "mean", "max")
    },
    **{
        f"embedding_bag {mode} by offsets": (
            bag(mode, padding_idx=2),
            (f(5, 3), torch.tensor([0, 2, 1, 2, 4, 4, 2]), torch.tensor([0, 3, 3, 6])),
        )
        for mode in ("sum", "mean", "max")
    },
    "embedding_bag up to a last offset": (
        bag("sum", include_last_offset=True),
        (f(5, 3), n(7, low=0, high=5), torch.tensor([0, 3, 7])),
    ),
    "embedding_bag weighted": (
        lambda w, i, p: F.embedding_bag(i, w, per_sample_weights=p, mode="sum"),
        (f(5, 3), n(4, 2, low=0, high=5), f(4, 2)),
    ),
    "bilinear upsampling": (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), (f(1, 2, 4, 5),)),
    "bicubic upsampling": (lambda x: F.interpolate(x, (7, 9), mode="bicubic"), (f(1, 2, 4, 5),)),
    "grid_sample": (lambda x, g: F.grid_sample(x, g, align_corners=False), (f(1, 2, 4, 5), f(1, 3, 3, 2))),
    "pixel_shuffle": (lambda x: F.pixel_shuffle(x, 2), (f(1, 8, 3, 3),)),
    "fold": (lambda x: F.fold(x, (4, 4), 3, padding=1), (f(1, 18, 16),)),
    "unfold": (lambda x: F.unfold(x, 3, padding=1), (f(1, 2, 4, 4),)),
    "reflected padding": (lambda x: F.pad(x, (1, 2, 2, 1), mode="reflect"), (f(1, 2, 4, 4),)),
    "mish": (F.mish, (FINITE,)),
    "softplus": (F.softplus, (ODD,)),
    "logsumexp": (lambda x: x.logsumexp(1), (SOFT_ODD,)),
    "nan_to_num": (torch.nan_to_num, (ODD,)),
    "lerp": (torch.lerp, (f(4), f(4), f(4))),
    "a number where a mask is true": (assigned(lambda y, m: y.__setitem__(m, 7.0)), (f(3, 4), b(3, 4))),
    "a row where a mask is true": (
        assigned(lambda y, m, v: y.__setitem__((slice(None), m), v)),
        (f(2, 3, 4, 5), b(3, 4), f(5)),
    ),
    "elements where a mask is true": (
        assigned(lambda y, m, v: y.__setitem__(m, v)),
        (f(2, 3, 2), torch.tensor([[True, False, True], [False, True, True]]), f(4, 2)),
    ),
    "elements added where a mask is true": (
        lambda x, m, v: aten.index_put(x, (None, m), v, accumulate=True),
        (n(2, 4), torch.tensor([True, False, True, True]), n(2, 3)),
    ),
    **FOURIER,
    **VOLUMES,
    **CHOOSING,
    **SEARCHING,
    **{f"solve_triangular {name}": case for name, case in TRIANGULAR.items()},
}


@pytest.fixture(scope="module")
def composed(tmp_path_factory):
    return dict(
        zip(
            COMPOSED,
            computed_together(list(COMPOSED.values()), tmp_path_factory.mktemp("composed"))[1],
            strict=True,
        )
    )


@pytest.mark.parametrize("name", COMPOSED)
def test_an_op_without_a_row_becomes_others_that_compute_the_same(composed, name):
    for output, reference in composed[name]:
        assert_same(output, reference, *(COMPOSED[name][2:] or (LONG_SUMS,)))
