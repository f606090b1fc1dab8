# SPDX-License-Identifier: Apache-2.0
"""Pooling: a call of the C kernel with its window."""

from __future__ import annotations

from ...ir.graph import ACALSimOpType
from ...ir.shapes import windows
from ...ir.walks import plane_space
from ..site import Site
from .registry import prints

T = ACALSimOpType


@prints(
    T.MAX_POOL,
    T.MAX_POOL_INDICES,
    T.AVG_POOL,
    T.ADAPTIVE_AVG_POOL,
    T.ADAPTIVE_MAX_POOL,
    T.ADAPTIVE_MAX_POOL_INDICES,
)
def pooled(site: Site) -> list[str]:
    """max_pool2d and its relatives; a row of each function's arguments."""
    kind = site.op.op_type.name
    source = site.access(site.op.inputs[0]).seen_as(plane_space(site.inputs[0].shape))
    result = site.access(site.op.outputs[0]).seen_as(plane_space(site.output.shape))
    places = [
        text
        for access, writes in ((source, False), (result, True))
        for text in (site.pointer(access, writes), *map(str, access.strides[:3]))
    ]
    given = dict(
        zip(
            ("images", "channels", "rows", "columns", "out_rows", "out_columns"),
            (*source.shape, *result.shape[2:]),
            strict=True,
        )
    )
    name = {
        "MAX_POOL": "max_pool2d_f32",
        "MAX_POOL_INDICES": "max_pool2d_indices_i64",
        "AVG_POOL": "avg_pool2d_f32",
        "ADAPTIVE_AVG_POOL": "adaptive_avg_pool2d_f32",
        "ADAPTIVE_MAX_POOL": "adaptive_max_pool2d_f32",
        "ADAPTIVE_MAX_POOL_INDICES": "adaptive_max_pool2d_indices_i64",
    }[kind]
    if not kind.startswith("ADAPTIVE"):
        for which, (size, stride, padding, dilation, _) in zip(
            ("rows", "columns"), windows(site.attrs), strict=True
        ):
            given |= {
                f"kernel_{which}": size,
                f"stride_{which}": stride,
                f"padding_{which}": padding,
                f"dilation_{which}": dilation,
            }
    more = (
        [str(int(site.attrs.get("count_include_pad", True))), str(site.attrs.get("divisor_override") or 0)]
        if kind == "AVG_POOL"
        else []
    )
    fields = ", ".join(f".{key} = {value}" for key, value in given.items())
    return [f"const struct pool pool = {{{fields}}};", f"{name}({', '.join([*places, 'pool', *more])});"]
