# SPDX-License-Identifier: Apache-2.0
"""Every byte that a kernel reads was last written for it, on graphs made at random."""

import numpy as np
import pytest
from conftest import compiled_examples
from host_fixtures import Library
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_memory import Memory, T
from random_graphs import Chain, chains, interpret


@pytest.mark.quick
@settings(max_examples=120)
@given(chains())
def test_every_byte_that_a_kernel_reads_was_last_written_for_it(chain):
    Memory(chain.ir).run()


@pytest.mark.quick
@settings(max_examples=40)
@given(chains())
def test_every_byte_is_right_when_every_result_is_kept(chain):
    Memory(chain.ir, keep_all=True).run()


@pytest.mark.quick
def test_the_bytes_would_tell_a_plan_that_is_wrong():
    chain = Chain()
    x = chain.tensor((4, 4), is_input=True)
    first = chain.op(T.SOFTMAX, x, dim=1)
    memory = Memory(chain.returning(chain.op(T.MATMUL, first, chain.op(T.SOFTMAX, first, dim=0))))
    memory.run()
    arena = [name for name, place in memory.plan.places.items() if place.section == ".buffers"]
    assert len(arena) == 2
    memory.plan.places[arena[1]] = memory.plan.places[arena[0]]
    with pytest.raises(AssertionError, match="overwrite"):
        memory.run()


@pytest.mark.parametrize("keep_all", [False, True], ids=["as usual", "keeping everything"])
def test_the_program_of_a_random_graph_computes_what_pytorch_computes(keep_all, tmp_path_factory):
    @settings(compiled_examples, max_examples=3)
    @given(st.lists(chains(), min_size=12, max_size=12))
    def check(made):
        graphs = {str(number): chain.captured() for number, chain in enumerate(made)}
        library = Library(tmp_path_factory.mktemp("graphs"), graphs, keep_all=keep_all)
        for name, captured in graphs.items():
            for output, reference in zip(library.run(name), captured.references, strict=True):
                largest = np.abs(reference).max(initial=1)
                np.testing.assert_allclose(
                    output, reference, rtol=1e-4, atol=1e-4 * largest, err_msg=str(captured.ir)
                )

    check()


@pytest.mark.quick
def test_the_interpreter_is_pytorchs():
    chain = Chain()
    x = chain.tensor((3, 4), is_input=True)
    ir = chain.returning(chain.op(T.SUM, chain.op(T.PERMUTE, x, dims=[1, 0]), dim=[1], keepdim=True))
    value = np.arange(12, dtype="f4").reshape(3, 4)
    np.testing.assert_array_equal(interpret(ir, [value])[ir.outputs[0]], value.sum(0)[:, None])
