# SPDX-License-Identifier: Apache-2.0
"""Pooling on the vector unit: planes are loaded, windows move over them, planes are saved."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ...alignment import aligned
from ...ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType
from ...ir.shapes import windows
from ...ir.strides import Access
from ...ir.walks import plane_space
from ..command import Command
from .part import Walk
from .steps import Unfit
from .transfer import LARGEST, Homes, Where, cuts, dense, home, load, save

T = ACALSimOpType
FUNCTIONS = {
    T.MAX_POOL: "MAX",
    T.AVG_POOL: "AVERAGE",
    T.ADAPTIVE_AVG_POOL: "AVERAGE",
    T.ADAPTIVE_MAX_POOL: "MAX",
}


@dataclass(frozen=True)
class Pooling:
    """Planes [count, rows, columns] in, planes [count, out rows, out columns] out; walks are along these."""

    shape: tuple[int, int, int]
    out: tuple[int, int, int]
    source: Walk
    target: Walk
    function: str
    flags: tuple[str, ...]
    fields: Mapping[str, int | float]

    @property
    def tables(self) -> set[str]:
        return set()

    def written(self) -> Iterator[tuple[Walk, int]]:
        """Where results go, and how many elements there are."""
        yield self.target, math.prod(self.out)


def pooling(ir: ACALSimIR, access: Mapping[str, Access], op: ACALSimOp) -> tuple[Pooling, ...]:
    """One for each image whose planes do not go on with the stride of the image before."""
    inputs, output = ir.tensors[op.inputs[0]], ir.tensors[op.outputs[0]]
    source = access[op.inputs[0]].viewed(plane_space(inputs.shape))
    target = access[op.outputs[0]].viewed(plane_space(output.shape))
    if source is None or target is None:
        raise Unfit("its planes cannot be walked with strides")
    fields, flags = _window(op, source.shape[2:], target.shape[2:])
    images = [(source, target)]
    if source.shape[0] > 1 and not (_is_even(source) and _is_even(target)):
        images = [
            (source.sliced(0, image, 1, 1), target.sliced(0, image, 1, 1)) for image in range(source.shape[0])
        ]
    return tuple(
        Pooling(
            (one.shape[0] * one.shape[1], one.shape[2], one.shape[3]),
            (other.shape[0] * other.shape[1], other.shape[2], other.shape[3]),
            _planes(one),
            _planes(other),
            FUNCTIONS[op.op_type],
            flags,
            fields,
        )
        for one, other in images
    )


def _is_even(access: Access) -> bool:
    return access.strides[0] == access.strides[1] * access.shape[1]


def _planes(access: Access) -> Walk:
    strides = access.strides[1:] if access.shape[1] > 1 else (access.strides[0], *access.strides[2:])
    if min(strides) < 0 or (access.shape[3] > 1 and strides[2] != 1):
        raise Unfit("its columns are not next to each other")
    return Walk(access.storage, access.offset, strides, "float32")


def _window(
    op: ACALSimOp, size: Sequence[int], out: Sequence[int]
) -> tuple[dict[str, int | float], tuple[str, ...]]:
    if op.op_type in (T.ADAPTIVE_AVG_POOL, T.ADAPTIVE_MAX_POOL):
        if size[0] % out[0] or size[1] % out[1]:
            raise Unfit("its windows differ in size")
        window = (size[0] // out[0], size[1] // out[1])
        strides = {step for step, count in zip(window, out, strict=True) if count > 1} or {1}
        flags: tuple[str, ...] = ()
        pads = [(0, 0), (0, 0)]
    else:
        rows, columns = windows(op.attrs)
        if rows[3] != 1 or columns[3] != 1:
            raise Unfit("its windows are dilated")
        window = (rows[0], columns[0])
        strides = {each[1] for each, count in zip((rows, columns), out, strict=True) if count > 1} or {1}
        step = max(strides)
        pads = [
            (each[2], max(0, (count - 1) * step + each[0] - whole - each[2]))
            for each, count, whole in zip((rows, columns), out, size, strict=True)
        ]
        is_over = any(behind > before for before, behind in pads)
        if op.op_type is T.AVG_POOL and is_over:
            raise Unfit("its last windows reach past the border")
        counts = op.op_type is T.AVG_POOL and op.attrs.get("count_include_pad", True)
        flags = ("FLAG_COUNT_BORDER",) if counts else ()
    if len(strides) > 1:
        raise Unfit("its windows move differently in rows and columns")
    fields: dict[str, int | float] = {
        "k_middle": window[0],
        "k_inner": window[1],
        "pool_stride": max(strides),
        "pad_top": pads[0][0],
        "pad_bottom": pads[0][1],
        "pad_left": pads[1][0],
        "pad_right": pads[1][1],
    }
    divisor = op.attrs.get("divisor_override")
    if divisor:
        return {**fields, "scale": 1 / divisor}, ("FLAG_SCALE",)
    return fields, flags


def pool_commands(
    part: Pooling, homes: Homes, base: int, size: int, share: tuple[int, int]
) -> tuple[list[Command], int]:
    """The list of a pooling, and the bytes of the scratchpad from `base` on that it takes; see program.py."""
    is_read_at_home, is_written_at_home = part.source.storage in homes, part.target.storage in homes
    in_bytes = 0 if is_read_at_home else 4 * math.prod(part.shape[1:])
    out_bytes = 0 if is_written_at_home else 4 * math.prod(part.out[1:])
    count = part.shape[0]
    planes = count
    while True:
        slots = 1 if planes == count else 2
        used = slots * (aligned(planes * in_bytes) + aligned(planes * out_bytes))
        if used <= size and (
            planes <= -(-count // (4 * share[1])) or not in_bytes + out_bytes or planes == 1
        ):
            break
        if planes == 1:
            raise Unfit(f"a plane of {in_bytes + out_bytes} bytes does not fit {size} bytes of scratchpad")
        planes = -(-planes // 2)
    planes = min(planes, LARGEST)
    tiles = cuts(count, planes)
    number, parts = share
    mine = tiles[-(-len(tiles) * number // parts) : -(-len(tiles) * (number + 1) // parts)]
    slot_bytes = aligned(planes * in_bytes) + aligned(planes * out_bytes)
    found: list[Command] = []
    for turn, tile in enumerate(mine):
        found += _tile(part, homes, tile, base + turn % slots * slot_bytes, aligned(planes * in_bytes))
    return found, used


def _tile(part: Pooling, homes: Homes, planes: tuple[int, int], slot: int, behind: int) -> Iterator[Command]:
    count = planes[1] - planes[0]
    ranges = (planes, (0, part.shape[1]), (0, part.shape[2]))
    out = (planes, (0, part.out[1]), (0, part.out[2]))
    sizes, out_sizes = (count, *part.shape[1:]), (count, *part.out[1:])
    if part.source.storage in homes:
        a = home(part.source, ranges, homes)
    else:
        a = Where(slot, dense(sizes, (4, 2, 1), 4), "float32")
        yield from load(replace(part.source), ranges, slot, (4, 2, 1))
    c = Where(slot + behind, dense(out_sizes, (4, 2, 1), 4), "float32")
    if part.target.storage in homes:
        c = home(part.target, out, homes)
    fields = {
        "planes": count,
        "m": part.shape[1],
        "n": part.shape[2],
        "a": a.address,
        "a_outer_stride": a.strides[0],
        "a_inner_stride": a.strides[1] or 4 * part.shape[2],
        "c": c.address,
        "dram_plane_stride": c.strides[0],
        "c_row_stride": c.strides[1] or 4 * part.out[2],
        **part.fields,
    }
    yield Command(
        "COMMAND_POOL",
        fields,
        flags=part.flags,
        types=("TYPE_FLOAT32",) * 3,
        function=f"FUNCTION_{part.function}",
    )
    if part.target.storage not in homes:
        yield from save(part.target, out, out_sizes, c)
