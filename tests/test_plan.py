# SPDX-License-Identifier: Apache-2.0
"""The memory plan: no two live buffers share a byte, little is wasted, and the ELF agrees with it."""

import itertools
import json
import re
import subprocess
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
import zoo_fixtures
from acalsim_backend.alignment import ALIGNMENT, aligned
from acalsim_backend.errors import PlanError
from acalsim_backend.ir.graph import ITEM_BYTES, ACALSimOpType
from acalsim_backend.ir.ops import ROWS
from acalsim_backend.machine.file import load_machine
from acalsim_backend.schedule import memory as planning
from acalsim_backend.schedule.plan_file import plan_json
from host_fixtures import Library
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from random_graphs import INTERPRETED, Chain, chains, interpret

T = ACALSimOpType
MACHINE = load_machine("cpu")
MODELS = ("bmm", "chained_matmul", "matmul", "mlp")
IDENTITIES = {T.VIEW, T.PERMUTE, T.EXPAND, T.SLICE, T.SELECT, T.FLIP, T.COPY, T.CAT, T.PAD}
"""Ops whose elements are those of their operands."""


# --- a plan carried out on bytes that know whose they are ------------------------------------------


class Memory:
    """Carries out a plan kernel by kernel. Every element of every tensor is a number of its own, which
    movements and copies hand on; every byte of memory knows which element was last written there."""

    def __init__(self, ir, keep_all=False):
        self.plan = planning.make_plan(ir, MACHINE, keep_all)
        self.schedule, self.ir = self.plan.schedule, self.plan.schedule.ir
        self.bytes = {}
        self.elements = {}
        fresh = itertools.count()
        for name, desc in self.ir.tensors.items():
            if desc.is_input or desc.is_param:
                self.elements[name] = self.numbers(fresh, desc.shape)
                self.write(name, self.elements[name])
        for op in self.ir.ops:
            shape = self.ir.tensors[op.outputs[0]].shape
            self.elements[op.outputs[0]] = (
                self.moved(op, fresh) if op.op_type in IDENTITIES else self.numbers(fresh, shape)
            )

    @staticmethod
    def numbers(fresh, shape):
        return np.array([next(fresh) for _ in range(int(np.prod(shape)))], np.int64).reshape(shape)

    def moved(self, op, fresh):
        operands = [torch.from_numpy(self.elements[name]) for name in op.inputs]
        attrs = {**op.attrs, "value": -next(fresh) - 2} if op.op_type is T.PAD else op.attrs
        return INTERPRETED[op.op_type](attrs, *operands).contiguous().numpy()

    def addresses(self, name):
        """(C object, byte of each element in row-major order) of a tensor."""
        access, desc = self.schedule.access[name], self.ir.tensors[name]
        place = self.plan.places[access.storage]
        assert access.shape == desc.shape
        index = np.full(access.shape, access.offset)
        for dim, step in enumerate(access.strides):
            index = (
                index
                + np.arange(access.shape[dim]).reshape(
                    [-1 if each == dim else 1 for each in range(len(access.shape))]
                )
                * step
            )
        found = place.offset + index * ITEM_BYTES[desc.dtype]
        inside = (found >= place.offset) & (found + ITEM_BYTES[desc.dtype] <= place.offset + place.size_bytes)
        assert inside.all(), f"{name} leaves its storage"
        return place.symbol, found.ravel()

    def write(self, name, elements, only=None):
        symbol, found = self.addresses(name)
        size = ITEM_BYTES[self.ir.tensors[name].dtype]
        for number, (address, element) in enumerate(
            zip(found.tolist(), elements.ravel().tolist(), strict=True)
        ):
            if only is None or only[number]:
                self.bytes.update({(symbol, address + byte): (element, byte) for byte in range(size)})

    def read(self, name, reader):
        """Every byte must have been written last as what the reader takes it for."""
        symbol, found = self.addresses(name)
        size = ITEM_BYTES[self.ir.tensors[name].dtype]
        for address, element in zip(found.tolist(), self.elements[name].ravel().tolist(), strict=True):
            for byte in range(size):
                assert self.bytes.get((symbol, address + byte)) == (element, byte), (
                    f"{reader} finds {name} overwritten"
                )

    def run(self):
        for kernel in self.schedule.kernels:
            untouched = self.untouched(kernel)
            for name in self.operands(kernel):
                if name not in untouched:
                    self.read(name, kernel.name)
            self.check_in_place(kernel)
            for name in kernel.results:
                self.write(
                    name,
                    self.elements[name],
                    self.unbrought(kernel) if kernel.anchor.op_type in (T.CAT, T.PAD) else None,
                )
        for name in self.ir.outputs:
            self.read(name, "the end")

    def operands(self, kernel):
        """What a kernel reads from memory: not what it computes itself, nor that in another shape."""

        def computed(name):
            producer = self.schedule.producer.get(name)
            return (
                name in kernel.written
                or producer is not None
                and producer.op_type is T.VIEW
                and computed(producer.inputs[0])
            )

        return list(dict.fromkeys(name for op in kernel.ops for name in op.inputs if not computed(name)))

    def brought(self, kernel):
        """Of each operand of a cat or a padding, whether it lies where it is to be already, and so is not touched."""
        op = kernel.anchor
        if op.op_type not in (T.CAT, T.PAD):
            return [False] * len(op.inputs)
        symbol, found = self.addresses(op.outputs[0])
        owners = self.owners(op)
        places = [self.addresses(name) for name in op.inputs]
        return [
            own == (symbol, own[1]) and np.array_equal(found[owners == number], own[1])
            for number, own in enumerate(places)
        ]

    def owners(self, op):
        """For every element of a cat or a padding the number of the operand that it comes from; the border is -1."""
        marks = [torch.full(self.ir.tensors[name].shape, number) for number, name in enumerate(op.inputs)]
        attrs = {**op.attrs, "value": -1} if op.op_type is T.PAD else op.attrs
        return INTERPRETED[op.op_type](attrs, *marks).contiguous().numpy().ravel()

    def untouched(self, kernel):
        """The operands that a kernel need not read: those that are brought, every time that they are named."""
        brought = list(zip(kernel.anchor.inputs, self.brought(kernel), strict=True))
        return {
            name for name, _ in brought if all(is_brought for other, is_brought in brought if other == name)
        }

    def unbrought(self, kernel):
        """Which elements of a cat or a padding it has to write itself."""
        brought = [number for number, is_brought in enumerate(self.brought(kernel)) if is_brought]
        return ~np.isin(self.owners(kernel.anchor), brought)

    def check_in_place(self, kernel):
        """What a kernel overwrites of its operands is the element at hand, which nothing needs any more."""
        for result in kernel.results:
            symbol, written = self.addresses(result)
            if kernel.anchor.op_type in (T.CAT, T.PAD):
                written = written[self.unbrought(kernel)]
            size = ITEM_BYTES[self.ir.tensors[result].dtype]
            touched = {address + byte for address in written.tolist() for byte in range(size)}
            for name in self.operands(kernel):
                source, found = self.addresses(name)
                own = ITEM_BYTES[self.ir.tensors[name].dtype]
                if (
                    source != symbol
                    or name in self.untouched(kernel)
                    or touched.isdisjoint(address + byte for address in found.tolist() for byte in range(own))
                ):
                    continue
                assert ROWS[kernel.anchor.op_type].is_elementwise, (
                    f"{kernel.name} overwrites {name} before it has read it all"
                )
                assert own == size and np.array_equal(written, found), (
                    f"{kernel.name} overwrites elements of {name} that it still needs"
                )


SETTINGS = dict(deadline=None, suppress_health_check=list(HealthCheck))


@settings(max_examples=120, **SETTINGS)
@given(chains())
def test_every_byte_that_a_kernel_reads_was_last_written_for_it(chain):
    Memory(chain.ir).run()


@settings(max_examples=40, **SETTINGS)
@given(chains())
def test_every_byte_is_right_when_every_result_is_kept(chain):
    Memory(chain.ir, keep_all=True).run()


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


# --- random graphs, run ---------------------------------------------------------------------------


@pytest.mark.parametrize("keep_all", [False, True], ids=["as usual", "keeping everything"])
def test_the_program_of_a_random_graph_computes_what_pytorch_computes(keep_all, tmp_path_factory):
    @settings(max_examples=3, derandomize=True, database=None, phases=[Phase.generate], **SETTINGS)
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


def test_the_interpreter_is_pytorchs():
    chain = Chain()
    x = chain.tensor((3, 4), is_input=True)
    ir = chain.returning(chain.op(T.SUM, chain.op(T.PERMUTE, x, dims=[1, 0]), dim=[1], keepdim=True))
    value = np.arange(12, dtype="f4").reshape(3, 4)
    np.testing.assert_array_equal(interpret(ir, [value])[ir.outputs[0]], value.sum(0)[:, None])


# --- lifetimes and places -------------------------------------------------------------------------


def where(plan, name):
    """(symbol, first byte, byte behind the last) of a storage; an empty one is nowhere, so in a place of its own."""
    place = plan.places[name]
    return (place.symbol if place.size_bytes else name), place.offset, place.offset + place.size_bytes


def shares(one, other):
    return one[0] == other[0] and one[1] < other[2] and other[1] < one[2]


@settings(max_examples=100, **SETTINGS)
@given(chains())
def test_two_live_buffers_share_bytes_only_where_one_takes_over_from_the_other(chain):
    plan = planning.make_plan(chain.ir, MACHINE)
    access, uses = plan.schedule.access, {}
    for step, kernel in enumerate(plan.schedule.kernels):
        for name in (*kernel.read, *kernel.results):
            uses.setdefault(access[name].storage, []).append(step)
    for name in (*chain.ir.inputs, *chain.ir.params, *(access[out].storage for out in chain.ir.outputs)):
        uses[name] = [-1, *uses.get(name, []), len(plan.schedule.kernels)]
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


@settings(max_examples=60, **SETTINGS)
@given(chains())
def test_every_storage_is_aligned_and_inside_its_block(chain):
    plan = planning.make_plan(chain.ir, MACHINE)
    for name in plan.schedule.storages:
        place = plan.places[name]
        assert place.offset % ALIGNMENT == 0
        assert place.size_bytes == plan.schedule.storages[name].size_bytes
        if place.section != ".weights":
            assert place.offset + place.size_bytes <= plan.blocks[place.section]
    assert all(plan.place(name).section == ".inputs" for name in chain.ir.inputs)
    assert all(plan.place(name).section == ".outputs" for name in chain.ir.outputs)


LIFETIMES = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 20), st.integers(0, 6)), max_size=25)


@settings(max_examples=100, deadline=None)
@given(LIFETIMES)
def test_offsets_keep_lifetimes_apart_and_do_not_depend_on_their_order(rows):
    lives = [
        planning.Lifetime(f"b{i}", size, first, first + length)
        for i, (size, first, length) in enumerate(rows)
    ]
    offsets = planning.assign_offsets(lives)
    assert offsets == planning.assign_offsets(lives[::-1])
    for one in lives:
        for other in lives:
            if one is not other and one.first <= other.last and other.first <= one.last:
                assert (
                    offsets[one.name] + one.size_bytes <= offsets[other.name]
                    or offsets[other.name] + other.size_bytes <= offsets[one.name]
                )


@pytest.mark.parametrize("name", zoo_fixtures.MODELS)
def test_the_arena_of_a_model_is_hardly_larger_than_what_lives_at_once(name):
    plan = planning.make_plan(zoo_fixtures.captured_model(name).ir, MACHINE)
    placed = {each for each, place in plan.places.items() if place.section != ".buffers"}
    arena = planning.lifetimes(plan.schedule, placed)
    least = planning.least_bytes(planning.merge(arena, planning.in_place(plan.schedule, arena)))
    assert least <= plan.blocks[".buffers"] <= 1.1 * least


@settings(max_examples=60, **SETTINGS)
@given(chains())
def test_the_least_memory_is_what_lives_at_once(chain):
    plan = planning.make_plan(chain.ir, MACHINE)
    arena = planning.lifetimes(
        plan.schedule, {name for name, place in plan.places.items() if place.section != ".buffers"}
    )
    alive = Counter()
    for life in arena:
        for step in range(life.first, life.last + 1):
            alive[step] += aligned(life.size_bytes)
    assert planning.least_bytes(arena) == max(alive.values(), default=0)
    assert plan.blocks[".buffers"] <= sum(aligned(life.size_bytes) for life in arena)


def steps_of(chain, source, count):
    """Sums along alternating dimensions, which cannot be fused or computed in place."""
    for number in range(count):
        source = chain.op(T.CUMSUM, source, dim=number % 2)
    return source


def test_a_long_chain_needs_two_buffers():
    chain = Chain()
    last = steps_of(chain, chain.tensor((16, 16), is_input=True), 20)
    plan = planning.make_plan(chain.returning(last), MACHINE)
    assert plan.blocks == {".weights": 0, ".inputs": 1024, ".outputs": 1024, ".buffers": 2048}


def test_a_pointwise_kernel_writes_over_its_operand():
    chain = Chain()
    first = steps_of(chain, chain.tensor((16, 16), is_input=True), 1)
    total = chain.op(T.SUM, first, dim=[0], keepdim=True)
    second = chain.op(T.MUL, first, total)
    plan = planning.make_plan(chain.returning(steps_of(chain, second, 1)), MACHINE)
    assert plan.places[second] == plan.places[first] and plan.blocks[".buffers"] == 1024 + 64


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
    plan = planning.make_plan(ir, MACHINE)
    assert plan.schedule.access[view].storage == source and plan.blocks[".buffers"] == 256
    assert [row["name"] for row in plan_json(ir, plan, MACHINE)["ops"]] == ["op_0", "op_3"]


def test_a_buffer_lives_as_long_as_the_last_view_of_it():
    chain = Chain()
    first = steps_of(chain, chain.tensor((8, 8), is_input=True), 1)
    view = chain.op(T.PERMUTE, first, dims=[1, 0])
    second = steps_of(chain, first, 1)
    third = steps_of(chain, second, 1)
    plan = planning.make_plan(chain.returning(steps_of(chain, third, 1), steps_of(chain, view, 1)), MACHINE)
    assert not any(shares(where(plan, first), where(plan, name)) for name in (second, third))


@pytest.mark.parametrize("role", ["is_input", "is_param"])
def test_an_output_that_is_a_view_of_an_input_or_parameter_is_copied(role):
    chain = Chain()
    source = chain.tensor((4, 4), **{role: True})
    middle = chain.view(source, (2, 8))
    output = chain.view(middle, (16,))
    plan = planning.make_plan(chain.returning(output), MACHINE)
    assert plan.schedule.access[middle].storage == source
    assert plan.place(output).section == ".outputs" and [kernel.name for kernel in plan.schedule.kernels] == [
        "op_1"
    ]


def test_outputs_that_are_views_of_one_another_share_one_place():
    chain = Chain()
    first = chain.add(chain.tensor((4, 4), is_input=True))
    second = chain.view(first, (16,))
    ir = chain.returning(second, first, second)
    plan = planning.make_plan(ir, MACHINE)
    assert plan.place(first) == plan.place(second) and plan.blocks[".outputs"] == 64
    assert [row["shape"] for row in plan_json(ir, plan, MACHINE)["outputs"]] == [[16], [4, 4], [16]]


def test_empty_tensors_take_no_room():
    chain = Chain()
    output = steps_of(chain, chain.tensor((0, 4), is_input=True), 2)
    plan = planning.make_plan(chain.returning(output), MACHINE)
    assert set(plan.blocks.values()) == {0} and plan_json(chain.ir, plan, MACHINE)["symbols"] == []


def test_a_fused_op_is_told_below_its_kernel():
    chain = Chain()
    x = chain.tensor((4, 4), is_input=True)
    ir = chain.returning(chain.op(T.RELU, chain.op(T.MATMUL, x, x)))
    ir.ops = [
        replace(op, source=f"models/it.py:{number}", aten=(f"aten.{number}",))
        for number, op in enumerate(ir.ops)
    ]
    (row,) = plan_json(ir, planning.make_plan(ir, MACHINE), MACHINE)["ops"]
    assert (row["name"], row["symbol"], row["type"], row["macs"], row["aten"]) == (
        "op_0",
        "op_op_0",
        "MATMUL",
        64,
        ["aten.0"],
    )
    assert row["fused"] == [{"name": "op_1", "type": "RELU", "source": "models/it.py:1", "aten": ["aten.1"]}]


def test_what_nothing_needs_is_not_computed():
    chain = Chain()
    x = chain.tensor((4, 4), is_input=True)
    chain.op(T.CAT, x, chain.op(T.NEG, x), dim=0)
    ir = chain.returning(chain.add(x))
    plan = planning.make_plan(ir, MACHINE)
    assert [kernel.name for kernel in plan.schedule.kernels] == ["op_2"] and plan.blocks[".buffers"] == 0


def test_too_little_ram_is_told_with_what_is_needed_and_what_there_is():
    chain = Chain()
    ir = chain.returning(steps_of(chain, chain.tensor((256, 64), is_input=True), 2))
    small = replace(MACHINE, ram=replace(MACHINE.ram, size_bytes=0x20000))
    sentence = (
        "graph_0 needs 0x3c000 bytes of RAM (.weights 0x0, .inputs 0x10000, .outputs 0x10000, .buffers 0x10000, "
        "stack 0x4000, code about 0x8000); machine 'cpu' has 0x20000"
    )
    with pytest.raises(PlanError, match=f"^{re.escape(sentence)}$"):
        planning.make_plan(ir, small)
    exact = replace(MACHINE, ram=replace(MACHINE.ram, size_bytes=0x3C000))
    assert planning.make_plan(ir, exact)


@pytest.mark.parametrize("name", MODELS)
def test_the_elfs_symbols_are_the_plans(built_tree, name):
    plan = json.loads((built_tree / f"build/{name}/plan.json").read_text())
    elf = built_tree / f"build/{name}.elf"
    printed = subprocess.run(
        ["riscv64-unknown-elf-readelf", "-sW", elf], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split() for line in printed.splitlines() if re.match(r"\s+\d+: ", line)]
    found = {row[7]: (int(row[1], 16), int(row[2], 0)) for row in rows if len(row) == 8}
    for symbol in plan["symbols"]:
        address, size = found[symbol["name"]]
        assert size == symbol["size_bytes"] and address % symbol["alignment"] == 0
    for op in plan["ops"]:
        assert found[op["symbol"]][1] > 0
    for row in (*plan["inputs"], *plan["outputs"]):
        assert row["symbol"] in found
