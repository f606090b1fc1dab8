# SPDX-License-Identifier: Apache-2.0
"""Tiles as the device's commands fetch them."""

import pytest
import torch
from acalsim_backend.codegen.generator import timer_for
from acalsim_backend.ir.strides import Access
from acalsim_backend.offload.decide import Target
from acalsim_backend.offload.operand import Block, Image, Tile
from acalsim_backend.offload.tile import Tiling
from acalsim_backend.schedule.passes import make_schedule
from host_fixtures import captured_function, f
from offload_fixtures import LARGE, T, machine_with
from torch import nn

pytestmark = pytest.mark.quick


def test_a_tile_at_the_edge_of_an_image_brings_its_border():
    image = Image(
        "x",
        0,
        300,
        100,
        10,
        rows=10,
        columns=10,
        channels=3,
        kernel=(3, 3),
        stride=(1, 1),
        dilation=(1, 1),
        padding=(1, 1),
    )
    load = image.load(Block(0, (0, 1), (0, 4), (0, 4), (0, 10), (0, 27)), 64)
    fields = {
        name: load.fields[name]
        for name in ("planes", "rows", "row_bytes", "pad_top", "pad_bottom", "pad_left", "pad_right")
    }
    assert fields == {
        "planes": 3,
        "rows": 5,
        "row_bytes": 40,
        "pad_top": 1,
        "pad_bottom": 0,
        "pad_left": 4,
        "pad_right": 4,
    }
    assert load.dram.offset == 0
    load = image.load(Block(0, (0, 1), (0, 4), (7, 10), (0, 10), (9, 27)), 0)
    assert (load.fields["rows"], load.fields["pad_top"], load.fields["pad_bottom"]) == (4, 0, 1)
    assert load.dram.offset == 4 * (100 + 6 * 10)


def test_a_tile_is_as_few_rows_as_can_be():
    tile = Tile("y", 0, 0, 0, m_stride=100, row_stride=10)
    _, fields = tile.place(Block(0, (0, 1), (0, 3), (0, 10), (0, 10), (0, 1)))
    assert (fields["planes"], fields["rows"], fields["row_bytes"]) == (1, 1, 1200)
    _, fields = tile.place(Block(0, (0, 1), (0, 3), (2, 4), (0, 5), (0, 1)))
    assert (fields["planes"], fields["rows"], fields["row_bytes"]) == (3, 2, 20)


def test_an_access_that_no_command_walks_stays_on_the_cpu(engine_library, tmp_path, always):
    """Rows of a convolution's input whose elements are not next to each other are copied first."""
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 8, 3)
    machine = machine_with(tmp_path, **LARGE)
    schedule = make_schedule(
        captured_function(lambda x: conv(x.permute(0, 3, 1, 2)), (f(1, 12, 12, 4),)).ir,
        Target(machine, timer_for(machine, engine_library)),
    )
    assert [kernel.anchor.op_type for kernel in schedule.kernels] == [T.COPY, T.CONV]
    assert isinstance(schedule.access[schedule.kernels[1].anchor.inputs[0]], Access)
    assert Tiling(1, 1, 1, 1, 1, "m", 1, 1, 1).order == "m"
