# SPDX-License-Identifier: Apache-2.0
"""The memory plan: no two live buffers share a byte, little is wasted, and the ELF agrees with it."""

import json
import re
import subprocess
from dataclasses import replace

import pytest
from acalsim_backend import plan as planning
from acalsim_backend.codegen import plan_json
from acalsim_backend.errors import PlanError
from acalsim_backend.ir import ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc, parse
from acalsim_backend.machine import load_machine
from hypothesis import given, settings
from hypothesis import strategies as st

T = ACALSimOpType
MACHINE = load_machine("cpu")
MODELS = ("bmm", "chained_matmul", "matmul", "mlp")


class Chain:
    """Builds a graph op by op."""

    def __init__(self):
        self.ir = ACALSimIR("graph_0")

    def tensor(self, shape, **roles):
        return self.ir.add_tensor(TensorDesc(f"t_{len(self.ir.tensors)}", tuple(shape), **roles)).name

    def op(self, type, inputs, shape, attrs=None):
        output = self.tensor(shape)
        self.ir.add_op(ACALSimOp(type, f"op_{len(self.ir.ops)}", tuple(inputs), (output,), attrs or {}))
        return output

    def add(self, *inputs):
        shape = self.ir.tensors[inputs[0]].shape
        return self.op(T.ADD, inputs, shape) if len(inputs) == 2 else self.op(T.ADD, inputs, shape, {"other": 1})

    def view(self, source, shape):
        return self.op(T.VIEW, [source], shape, {"shape": list(shape)})

    def returning(self, *names):
        self.ir.outputs = list(names)
        for name in names:
            self.ir.tensors[name] = replace(self.ir.tensors[name], is_output=True)
        return self.ir.verify()


@st.composite
def graphs(draw):
    """Random graphs of sums, views and transposes over tensors of several sizes, with random outputs."""
    chain = Chain()
    for size in draw(st.lists(st.integers(0, 40), min_size=1, max_size=2)):
        chain.tensor((size, 2), is_input=True)
    chain.tensor((draw(st.integers(0, 40)), 2), is_param=True)
    for _ in range(draw(st.integers(1, 14))):
        source = draw(st.sampled_from(sorted(chain.ir.tensors)))
        shape = chain.ir.tensors[source].shape
        kind = draw(st.integers(0, 3))
        if kind == 0:
            chain.view(source, shape[::-1])
        elif kind == 1:
            chain.op(T.PERMUTE, [source], shape[::-1], {"dims": [1, 0]})
        elif kind == 2:
            others = [name for name, desc in chain.ir.tensors.items() if desc.shape == shape]
            chain.add(source, draw(st.sampled_from(others)))
        else:
            chain.add(source)
    made = [op.outputs[0] for op in chain.ir.ops]
    return chain.returning(*draw(st.lists(st.sampled_from(made), min_size=1, max_size=4)))


def where(ir, plan, name):
    """(symbol, first byte, byte behind the last); an empty tensor is nowhere, so in a place of its own."""
    place, size = plan.place(name), ir.tensors[name].size_bytes
    assert place.size_bytes == size
    return (place.symbol if size else plan.roots[name]), place.offset, place.offset + size


def shares(one, other):
    return one[0] == other[0] and one[1] < other[2] and other[1] < one[2]


def trace_of_owners(ir, plan):
    """Run the graph on memory that remembers who wrote it; every read must find its own tensor."""
    memory, value = {}, {}
    for name in (*ir.inputs, *ir.params):
        value[name] = name
        memory[where(ir, plan, name)] = name
    for op in ir.ops:
        for name in op.inputs:
            assert memory.get(where(ir, plan, name)) == value[name], f"{op.name} finds {name} overwritten"
        output, place = op.outputs[0], where(ir, plan, op.outputs[0])
        if not planning.costs(ir, plan, op):
            value[output] = value[op.inputs[0]]
            continue
        for other in [other for other in memory if shares(other, place)]:
            assert all(other != where(ir, plan, name) for name in op.inputs), f"{op.name} overwrites what it reads"
            del memory[other]
        value[output] = memory[place] = output
    for name in ir.outputs:
        assert memory.get(where(ir, plan, name)) == value[name], f"output {name} is overwritten"


@settings(max_examples=100, deadline=None)
@given(graphs())
def test_every_op_finds_what_was_written_for_it(ir):
    trace_of_owners(ir, planning.make_plan(ir, MACHINE))


@settings(max_examples=100, deadline=None)
@given(graphs())
def test_no_two_live_buffers_share_a_byte(ir):
    plan = planning.make_plan(ir, MACHINE)
    uses = {}
    for step, op in enumerate(ir.ops):
        for name in (*op.inputs, *op.outputs):
            uses.setdefault(plan.roots[name], []).append(step)
    for name in (*ir.inputs, *ir.params, *(plan.roots[out] for out in ir.outputs)):
        uses[name] = [-1, *uses.get(name, []), len(ir.ops)]
    live = [(where(ir, plan, name), min(steps), max(steps)) for name, steps in uses.items()]
    for index, (place, first, last) in enumerate(live):
        for other, other_first, other_last in live[:index]:
            if first <= other_last and other_first <= last:
                assert not shares(place, other), (place, other)


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_every_tensor_is_aligned_and_inside_its_block(ir):
    plan = planning.make_plan(ir, MACHINE)
    for name in ir.tensors:
        place = plan.place(name)
        assert place.offset % planning.ALIGNMENT == 0
        if place.section != ".weights":
            assert place.offset + place.size_bytes <= plan.blocks[place.section]
    assert all(plan.place(name).section == ".inputs" for name in ir.inputs)
    assert all(plan.place(name).section == ".outputs" for name in ir.outputs)


LIFETIMES = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 20), st.integers(0, 6)), max_size=25)


@settings(max_examples=100, deadline=None)
@given(LIFETIMES)
def test_offsets_keep_lifetimes_apart_and_do_not_depend_on_their_order(rows):
    lives = [planning.Lifetime(f"b{i}", size, first, first + length) for i, (size, first, length) in enumerate(rows)]
    offsets = planning.assign_offsets(lives)
    assert offsets == planning.assign_offsets(lives[::-1])
    for one in lives:
        for other in lives:
            if one is not other and one.first <= other.last and other.first <= one.last:
                assert offsets[one.name] + one.size_bytes <= offsets[other.name] or offsets[other.name] + other.size_bytes <= offsets[one.name]


def largest_live_set(ir, plan):
    lives = planning.lifetimes(ir, plan.roots, [n for n, place in plan.places.items() if place.section != ".buffers"])
    return max((sum(planning.aligned(life.size_bytes) for life in lives if life.first <= step <= life.last)
                for step in range(len(ir.ops))), default=0)


@pytest.mark.parametrize("name", MODELS)
def test_the_arena_is_hardly_larger_than_what_lives_at_once(host_tree, name):
    ir = parse((host_tree / f"build/{name}/graph_0.ir").read_text())
    plan = planning.make_plan(ir, MACHINE)
    assert plan.blocks[".buffers"] <= 1.1 * largest_live_set(ir, plan)


def test_a_long_chain_needs_two_buffers():
    chain = Chain()
    last = chain.tensor((16, 16), is_input=True)
    for _ in range(20):
        last = chain.add(last)
    plan = planning.make_plan(chain.returning(last), MACHINE)
    assert plan.blocks == {".weights": 0, ".inputs": 1024, ".outputs": 1024, ".buffers": 2048}


def test_a_view_costs_nothing():
    chain = Chain()
    source = chain.add(chain.tensor((8, 8), is_input=True))
    view = chain.view(chain.view(source, (64,)), (4, 16))
    ir = chain.returning(chain.add(view))
    plan = planning.make_plan(ir, MACHINE)
    assert plan.place(view) == plan.place(source) and plan.blocks[".buffers"] == 256
    assert [planning.costs(ir, plan, op) for op in ir.ops] == [True, False, False, True]
    assert [row["name"] for row in plan_json(ir, plan, MACHINE)["ops"]] == ["op_0", "op_3"]


def test_a_buffer_lives_as_long_as_the_last_view_of_it():
    chain = Chain()
    first = chain.add(chain.tensor((8, 8), is_input=True))
    view = chain.view(first, (64,))
    second = chain.add(first)
    third = chain.add(second)
    ir = chain.returning(chain.add(third), chain.add(view))
    plan = planning.make_plan(ir, MACHINE)
    assert not any(shares(where(ir, plan, first), where(ir, plan, name)) for name in (second, third))


@pytest.mark.parametrize("role", ["is_input", "is_param"])
def test_an_output_that_is_a_view_of_an_input_or_parameter_is_copied(role):
    chain = Chain()
    source = chain.tensor((4, 4), **{role: True})
    middle = chain.view(source, (2, 8))
    output = chain.view(middle, (16,))
    ir = chain.returning(output)
    plan = planning.make_plan(ir, MACHINE)
    assert plan.place(middle) == plan.place(source)
    assert plan.place(output).section == ".outputs" and planning.costs(ir, plan, ir.ops[1])


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
    output = chain.add(chain.add(chain.tensor((0, 4), is_input=True)))
    plan = planning.make_plan(chain.returning(output), MACHINE)
    assert set(plan.blocks.values()) == {0} and plan_json(chain.ir, plan, MACHINE)["symbols"] == []


def test_too_little_ram_is_told_with_what_is_needed_and_what_there_is():
    chain = Chain()
    ir = chain.returning(chain.add(chain.add(chain.tensor((256, 64), is_input=True))))
    small = replace(MACHINE, ram=replace(MACHINE.ram, size_bytes=0x20000))
    sentence = ("graph_0 needs 0x3c000 bytes of RAM (.weights 0x0, .inputs 0x10000, .outputs 0x10000, .buffers 0x10000, "
                "stack 0x4000, code about 0x8000); machine 'cpu' has 0x20000")
    with pytest.raises(PlanError, match=f"^{re.escape(sentence)}$"):
        planning.make_plan(ir, small)
    exact = replace(MACHINE, ram=replace(MACHINE.ram, size_bytes=0x3C000))
    assert planning.make_plan(ir, exact)


@pytest.mark.parametrize("name", MODELS)
def test_the_elfs_symbols_are_the_plans(host_tree, name):
    plan = json.loads((host_tree / f"build/{name}/plan.json").read_text())
    elf = host_tree / f"build/{name}.elf"
    printed = subprocess.run(["riscv64-unknown-elf-readelf", "-sW", elf], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in printed.splitlines() if re.match(r"\s+\d+: ", line)]
    found = {row[7]: (int(row[1], 16), int(row[2], 0)) for row in rows if len(row) == 8}
    for symbol in plan["symbols"]:
        address, size = found[symbol["name"]]
        assert size == symbol["size_bytes"] and address % symbol["alignment"] == 0
    for op in plan["ops"]:
        assert found[op["symbol"]][1] > 0
    for row in (*plan["inputs"], *plan["outputs"]):
        assert row["symbol"] in found
