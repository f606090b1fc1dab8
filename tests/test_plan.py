# SPDX-License-Identifier: Apache-2.0
"""The memory plan: no two live buffers share a byte, little is wasted, and the ELF agrees with it."""

import re
from collections import Counter
from dataclasses import replace

import pytest
from acalsim_backend.alignment import ALIGNMENT, aligned
from acalsim_backend.arena import Lifetime, assign_offsets, least_bytes
from acalsim_backend.errors import PlanError
from acalsim_backend.schedule import memory as planning
from acalsim_backend.schedule.passes import make_plan
from acalsim_backend.schedule.plan_file import FusedRow
from acalsim_backend.schedule.plan_rows import plan_file
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_memory import MACHINE, Memory, T
from random_graphs import Chain, chains

pytestmark = pytest.mark.quick

MODELS = ("bmm", "chained_matmul", "matmul", "mlp")


def where(plan, name):
    """(symbol, first byte, byte behind the last) of a storage; an empty one is in a place of its own."""
    place = plan.places[name]
    return (place.symbol if place.size_bytes else name), place.offset, place.offset + place.size_bytes


def shares(one, other):
    return one[0] == other[0] and one[1] < other[2] and other[1] < one[2]


@settings(max_examples=100)
@given(chains())
def test_two_live_buffers_share_bytes_only_where_one_takes_over_from_the_other(chain):
    plan = make_plan(chain.ir, MACHINE)
    access, uses = plan.access, {}
    for step, kernel in enumerate(plan.kernels):
        for name in (*kernel.read, *kernel.results):
            uses.setdefault(access[name].storage, []).append(step)
    for name in (*chain.ir.inputs, *chain.ir.params, *(access[out].storage for out in chain.ir.outputs)):
        uses[name] = [-1, *uses.get(name, []), len(plan.kernels)]
    live = [(name, min(steps), max(steps)) for name, steps in uses.items() if name in plan.places]
    for index, (name, first, last) in enumerate(live):
        for other, other_first, other_last in live[:index]:
            if shares(where(plan, name), where(plan, other)):
                handed_over = last == other_first or other_last == first
                assert (
                    last < other_first
                    or other_last < first
                    or handed_over
                    and where(plan, name) == where(plan, other)
                ), (name, other)


@settings(max_examples=60)
@given(chains())
def test_every_storage_is_aligned_and_inside_its_block(chain):
    plan = make_plan(chain.ir, MACHINE)
    for name in plan.storages:
        place = plan.places[name]
        assert place.offset % ALIGNMENT == 0
        assert place.size_bytes == plan.storages[name].size_bytes
        if place.section != ".weights":
            assert place.offset + place.size_bytes <= plan.blocks[place.section]
    assert all(plan.place(name).section == ".inputs" for name in chain.ir.inputs)
    assert all(plan.place(name).section == ".outputs" for name in chain.ir.outputs)


LIFETIMES = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 20), st.integers(0, 6)), max_size=25)


@settings(max_examples=100)
@given(LIFETIMES)
def test_offsets_keep_lifetimes_apart_and_do_not_depend_on_their_order(rows):
    lives = [Lifetime(f"b{i}", size, first, first + length) for i, (size, first, length) in enumerate(rows)]
    offsets = assign_offsets(lives)
    assert offsets == assign_offsets(lives[::-1])
    for one in lives:
        for other in lives:
            if one is not other and one.first <= other.last and other.first <= one.last:
                assert (
                    offsets[one.name] + one.size_bytes <= offsets[other.name]
                    or offsets[other.name] + other.size_bytes <= offsets[one.name]
                )


@settings(max_examples=60)
@given(chains())
def test_the_least_memory_is_what_lives_at_once(chain):
    plan = make_plan(chain.ir, MACHINE)
    arena = planning.lifetimes(
        plan, {name for name, place in plan.places.items() if place.section != ".buffers"}
    )
    alive = Counter()
    for life in arena:
        for step in range(life.first, life.last + 1):
            alive[step] += aligned(life.size_bytes)
    assert least_bytes(arena) == max(alive.values(), default=0)
    assert plan.blocks[".buffers"] <= sum(aligned(life.size_bytes) for life in arena)


def steps_of(chain, source, count):
    """Sums along alternating dimensions, which cannot be fused or computed in place."""
    for number in range(count):
        source = chain.op(T.CUMSUM, source, dim=number % 2)
    return source


def test_a_long_chain_needs_two_buffers():
    chain = Chain()
    last = steps_of(chain, chain.tensor((16, 16), is_input=True), 20)
    plan = make_plan(chain.returning(last), MACHINE)
    assert plan.blocks == {".weights": 0, ".inputs": 1024, ".outputs": 1024, ".buffers": 2048}


def test_a_pointwise_kernel_writes_over_its_operand():
    chain = Chain()
    first = steps_of(chain, chain.tensor((16, 16), is_input=True), 1)
    total = chain.op(T.SUM, first, dim=[0], keepdim=True)
    second = chain.op(T.MUL, first, total)
    plan = make_plan(chain.returning(steps_of(chain, second, 1)), MACHINE)
    assert plan.places[second] == plan.places[first] and plan.blocks[".buffers"] == 1024 + 64


def test_a_pointwise_kernel_writes_over_a_buffer_where_an_input_dies_with_it():
    chain = Chain()
    x = chain.tensor((3, 4), is_input=True)
    buffer = chain.op(T.RELU, x)
    early = chain.op(T.RELU, buffer)
    total = chain.op(T.ADD, chain.op(T.RELU, x), buffer)
    plan = make_plan(chain.returning(early, chain.op(T.FLIP, total, dims=[0])), MACHINE)
    assert plan.places[total] == plan.places[buffer]


@pytest.mark.parametrize(
    "what", ["read again", "walked otherwise", "an input", "of another size", "looked up"]
)
def test_a_kernel_does_not_write_over_what_it_or_another_still_needs(what):
    chain = Chain()
    x = chain.tensor((16, 16), is_input=True)
    first = x if what == "an input" else steps_of(chain, x, 1)
    total = chain.op(T.SUM, first, dim=[0], keepdim=True)
    operand = chain.op(T.PERMUTE, first, dims=[1, 0]) if what == "walked otherwise" else first
    if what == "looked up":
        second = chain.op(T.INDEX_SELECT, first, chain.tensor((16,), "int64", is_param=True), dim=0)
    elif what == "of another size":
        second = chain.op(T.CAST, chain.op(T.MUL, operand, total), dtype="int8")
    else:
        second = chain.op(T.MUL, operand, total)
    last = (
        chain.op(T.CUMSUM, second, dim=0)
        if what != "read again"
        else chain.op(T.MATMUL, chain.op(T.CUMSUM, second, dim=0), first)
    )
    memory = Memory(chain.returning(last, total))
    assert memory.plan.places[second] != memory.plan.places.get(first)
    memory.run()


def test_a_view_costs_nothing():
    chain = Chain()
    source = steps_of(chain, chain.tensor((8, 8), is_input=True), 1)
    view = chain.view(chain.view(source, (64,)), (4, 16))
    ir = chain.returning(steps_of(chain, view, 1))
    plan = make_plan(ir, MACHINE)
    assert plan.access[view].storage == source and plan.blocks[".buffers"] == 256
    assert [row.name for row in plan_file(ir, plan, MACHINE).ops] == ["op_0", "op_3"]


def test_a_buffer_lives_as_long_as_the_last_view_of_it():
    chain = Chain()
    first = steps_of(chain, chain.tensor((8, 8), is_input=True), 1)
    view = chain.op(T.PERMUTE, first, dims=[1, 0])
    second = steps_of(chain, first, 1)
    third = steps_of(chain, second, 1)
    plan = make_plan(chain.returning(steps_of(chain, third, 1), steps_of(chain, view, 1)), MACHINE)
    assert not any(shares(where(plan, first), where(plan, name)) for name in (second, third))


@pytest.mark.parametrize("role", ["is_input", "is_param"])
def test_an_output_that_is_a_view_of_an_input_or_parameter_is_copied(role):
    chain = Chain()
    source = chain.tensor((4, 4), **{role: True})
    middle = chain.view(source, (2, 8))
    output = chain.view(middle, (16,))
    plan = make_plan(chain.returning(output), MACHINE)
    assert plan.access[middle].storage == source
    assert plan.place(output).section == ".outputs" and [kernel.name for kernel in plan.kernels] == ["op_1"]


def test_outputs_that_are_views_of_one_another_share_one_place():
    chain = Chain()
    first = chain.add(chain.tensor((4, 4), is_input=True))
    second = chain.view(first, (16,))
    ir = chain.returning(second, first, second)
    plan = make_plan(ir, MACHINE)
    assert plan.place(first) == plan.place(second) and plan.blocks[".outputs"] == 64
    assert [row.shape for row in plan_file(ir, plan, MACHINE).outputs] == [(16,), (4, 4), (16,)]


def test_empty_tensors_take_no_room():
    chain = Chain()
    output = steps_of(chain, chain.tensor((0, 4), is_input=True), 2)
    plan = make_plan(chain.returning(output), MACHINE)
    assert set(plan.blocks.values()) == {0} and plan_file(chain.ir, plan, MACHINE).symbols == ()


def test_a_fused_op_is_told_below_its_kernel():
    chain = Chain()
    x = chain.tensor((4, 4), is_input=True)
    ir = chain.returning(chain.op(T.RELU, chain.op(T.MATMUL, x, x)))
    ir.ops = [
        replace(op, source=f"models/it.py:{number}", aten=(f"aten.{number}",))
        for number, op in enumerate(ir.ops)
    ]
    (row,) = plan_file(ir, make_plan(ir, MACHINE), MACHINE).ops
    assert (row.name, row.symbol, row.type, row.macs, row.aten) == (
        "op_0",
        "op_op_0",
        "MATMUL",
        64,
        ("aten.0",),
    )
    assert row.fused == (FusedRow("op_1", "RELU", "models/it.py:1", ("aten.1",)),)


def test_what_nothing_needs_is_not_computed():
    chain = Chain()
    x = chain.tensor((4, 4), is_input=True)
    chain.op(T.CAT, x, chain.op(T.NEG, x), dim=0)
    ir = chain.returning(chain.add(x))
    plan = make_plan(ir, MACHINE)
    assert [kernel.name for kernel in plan.kernels] == ["op_2"] and plan.blocks[".buffers"] == 0


def test_too_little_ram_is_told_with_what_is_needed_and_what_there_is():
    chain = Chain()
    ir = chain.returning(steps_of(chain, chain.tensor((256, 64), is_input=True), 2))
    small = replace(MACHINE, ram=replace(MACHINE.ram, size_bytes=0x20000))
    sentence = (
        "graph_0 needs 0x3c000 bytes of RAM "
        "(.weights 0x0, .inputs 0x10000, .outputs 0x10000, .buffers 0x10000, "
        "stack 0x4000, code about 0x8000); machine 'cpu' has 0x20000"
    )
    with pytest.raises(PlanError, match=f"^{re.escape(sentence)}$"):
        make_plan(ir, small)
    exact = replace(MACHINE, ram=replace(MACHINE.ram, size_bytes=0x3C000))
    assert make_plan(ir, exact)
