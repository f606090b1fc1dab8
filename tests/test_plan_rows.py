# SPDX-License-Identifier: Apache-2.0
"""What plan.json says of the memory's use over time and of the ops' order, on graphs made at random."""

from dataclasses import replace

from acalsim_backend.offload.teams import Teams
from acalsim_backend.schedule.passes import make_plan
from acalsim_backend.schedule.plan_rows import plan_file
from hypothesis import given, settings
from plan_memory import MACHINE, T
from random_graphs import Chain, chains


@settings(max_examples=80)
@given(chains())
def test_a_buffer_is_said_to_live_from_the_op_that_writes_it_to_the_last_that_reads_it(chain):
    plan = make_plan(chain.ir, MACHINE)
    uses = plan.uses()
    rows = plan_file(chain.ir, plan, MACHINE).buffers
    touched = {name for reads, writes in uses for name in reads | writes}
    assert {row.name for row in rows} == {name for name in touched if plan.places[name].section == ".buffers"}
    for row in rows:
        steps = [index for index, (reads, writes) in enumerate(uses) if row.name in reads | writes]
        assert (row.first, row.last) == (steps[0], steps[-1])
        assert (row.offset, row.size_bytes) == (
            plan.places[row.name].offset,
            plan.places[row.name].size_bytes,
        )


@settings(max_examples=80)
@given(chains())
def test_an_op_needs_those_whose_results_it_reads(chain):
    plan = make_plan(chain.ir, MACHINE)
    writer = {name: kernel.name for kernel in plan.kernels for name in kernel.written}
    found = {name: set() for name in plan.ir.tensors}
    for op in plan.ir.ops:
        for name in op.outputs:
            through = set().union(*(found[operand] for operand in op.inputs))
            found[name] = {writer[name]} if name in writer else through
    for kernel, row in zip(plan.kernels, plan_file(chain.ir, plan, MACHINE).ops, strict=True):
        assert set(row.needs) == set().union(*(found[name] for name in kernel.read)) - {kernel.name}
        assert len(row.needs) == len(set(row.needs))


def test_a_buffer_of_ops_that_run_at_the_same_time_lives_as_long_as_all_of_them():
    chain = Chain()
    x = chain.tensor((4, 4), is_input=True)
    one, other = chain.op(T.SOFTMAX, x, dim=0), chain.op(T.SOFTMAX, x, dim=1)
    ir = chain.returning(chain.op(T.MATMUL, one, other))
    plan = make_plan(ir, MACHINE)
    assert [(row.first, row.last) for row in plan_file(ir, plan, MACHINE).buffers] == [(0, 2), (1, 2)]
    together = replace(plan, teams=Teams((plan.kernels[:2], plan.kernels[2:]), {}))
    assert [(row.first, row.last) for row in plan_file(ir, together, MACHINE).buffers] == [(0, 2), (0, 2)]
