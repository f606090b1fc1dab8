# SPDX-License-Identifier: Apache-2.0
"""Command lists compute what PyTorch computes, on machines of many kinds."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from acalsim_backend.codegen.values import pack
from acalsim_backend.offload.operand import Matrix
from acalsim_backend.schedule.plan_rows import packed_row
from host_fixtures import f
from offload_fixtures import CASES, T, assert_right
from torch import nn


@pytest.mark.parametrize("name", CASES)
def test_lists_compute_what_pytorch_computes(device, name):
    torch.manual_seed(0)
    function, *inputs = CASES[name]
    outputs, references, schedule, _ = device.run(function, *inputs)
    assert_right(outputs, references)


def test_bias_residual_activation_and_pooling_are_in_the_store(small):
    torch.manual_seed(0)
    *_, schedule, _ = small.run(*CASES["residual block"])
    assert [[op.op_type for op in kernel.ops] for kernel in schedule.kernels] == [
        [T.CONV, T.RELU],
        [T.CONV, T.ADD, T.RELU],
    ]
    *_, schedule, _ = small.run(*CASES["conv, relu, pool with border"])
    assert [[op.op_type for op in kernel.ops] for kernel in schedule.kernels] == [
        [T.CONV, T.RELU, T.MAX_POOL]
    ]


def test_every_result_can_be_kept(small):
    torch.manual_seed(0)
    outputs, references, schedule, found = small.run(*CASES["conv, relu, pool with border"], keep_all=True)
    assert_right(outputs, references)
    conv, relu, pool = (found[name] for name in schedule.kernels[0].results)
    assert np.array_equal(np.maximum(conv, 0), relu)
    assert np.array_equal(F.max_pool2d(torch.from_numpy(relu), 3, 2, 1).numpy(), pool)


def test_a_result_that_others_need_before_it_is_finished_is_stored_twice(small):
    conv = nn.Conv2d(3, 4, 3, padding=1)
    outputs, references, schedule, _ = small.run(
        lambda x: (lambda y: (y, F.max_pool2d(y, 2)))(F.relu(conv(x))), f(1, 3, 8, 8)
    )
    assert_right(outputs, references)
    assert len(schedule.kernels) == 1


def test_constants_lie_in_the_order_of_their_blocks(small):
    torch.manual_seed(0)
    *_, schedule, _ = small.run(nn.Linear(200, 90), f(40, 200))
    (matrix,) = schedule.packed.values()
    loads = [
        c
        for c in schedule.offloaded[schedule.kernels[0].name].lists[0][1]
        if c.code == "COMMAND_LOAD" and c.dram.storage == matrix.storage
    ]
    assert all(load.fields["rows"] * load.fields["planes"] == 1 for load in loads)
    first = list(dict.fromkeys(load.dram.offset for load in loads))
    assert first == sorted(first)
    assert first[0] == 0


@pytest.mark.parametrize("by_lines", [True, False])
def test_a_packed_constant_has_every_element_once(by_lines):
    matrix = Matrix("w", 0, 0, 7 if by_lines else 1, 1 if by_lines else 5, lines=5, depth=7, packed=(2, 3))
    values = np.arange(35, dtype=np.float32)
    w = values.reshape(5, 7) if by_lines else values.reshape(7, 5).T
    found = pack(packed_row(matrix), values)
    assert sorted(found) == sorted(values)
    for lines in ((0, 2), (2, 4), (4, 5)):
        for k in ((0, 3), (3, 6), (6, 7)):
            start = matrix.load((0, 1), lines, k, 0).dram.offset // 4
            block = w[slice(*lines), slice(*k)]
            assert np.array_equal(found[start : start + block.size], (block if by_lines else block.T).ravel())
