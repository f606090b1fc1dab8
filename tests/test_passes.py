# SPDX-License-Identifier: Apache-2.0
"""The passes of planning: their order, what each leaves as text; and their checks, each on a wrong plan."""

from dataclasses import replace

import pytest
from acalsim_backend.codegen.printers import PRINTERS
from acalsim_backend.codegen.printers.registry import prints
from acalsim_backend.errors import PlanError
from acalsim_backend.ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from acalsim_backend.ir.ops import ROWS
from acalsim_backend.ir.strides import Access
from acalsim_backend.machine.file import load_machine
from acalsim_backend.offload.decide import Target
from acalsim_backend.schedule.dump import dump_to
from acalsim_backend.schedule.passes import PASSES, Pass, make_plan, run_passes
from acalsim_backend.schedule.plan import Place, Plan

pytestmark = pytest.mark.quick

T = ACALSimOpType
PAIR = (("exp", "sum"), ("sum", "exp"))


def graph():
    """relu(x @ w) concatenated with x, and one op that no output needs."""
    ir = ACALSimIR("graph_0")
    ir.add_tensor(TensorDesc("x", (2, 4), is_input=True))
    ir.add_tensor(TensorDesc("w", (4, 3), is_param=True))
    for name, shape in (("product", (2, 3)), ("positive", (2, 3)), ("idle", (2, 4)), ("y", (2, 7))):
        ir.add_tensor(TensorDesc(name, shape))
    ir.add_op(ACALSimOp(T.MATMUL, "matmul_0", ("x", "w"), ("product",)))
    ir.add_op(ACALSimOp(T.RELU, "relu_1", ("product",), ("positive",)))
    ir.add_op(ACALSimOp(T.NEG, "neg_2", ("x",), ("idle",)))
    ir.add_op(ACALSimOp(T.CAT, "cat_3", ("positive", "x"), ("y",), {"dim": 1}))
    ir.set_outputs(["y"])
    return ir


@pytest.fixture(scope="module")
def plan():
    return make_plan(graph(), load_machine("cpu"))


def refused(name, plan):
    """What the check behind a pass says of a plan."""
    check = next(each.verify for each in PASSES if each.name == name)
    with pytest.raises(PlanError) as error:
        check(plan)
    return str(error.value)


def test_every_row_is_computed_in_exactly_one_way():
    for row in ROWS.values():
        ways = [row.expression is not None, row.lookup is not None, row.type in PRINTERS]
        assert sum(ways) == 1, row.type.name


def test_a_second_printer_of_an_op_is_refused():
    with pytest.raises(ValueError, match="SOFTMAX is printed by softmax already"):
        prints(T.SOFTMAX)(lambda site: [])


def test_the_passes_run_in_order_and_are_watched():
    seen = []
    make_plan(graph(), load_machine("cpu"), watch=lambda name, plan: seen.append(name))
    assert (
        seen
        == [
            "living",
            "claim",
            "transposed",
            "fuse",
            "elide",
            "vector",
            "attention",
            "teams",
            "memory",
            "order",
        ]
        == [each.name for each in PASSES]
    )


def test_what_each_pass_leaves_is_text_for_a_person(tmp_path):
    make_plan(graph(), load_machine("cpu"), watch=dump_to(tmp_path))
    texts = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert sorted(texts) == [f"{number:02}_{each.name}.txt" for number, each in enumerate(PASSES, 1)]
    assert "neg_2" not in texts["01_living.txt"]
    assert "matmul_0 on cpu" in texts["04_fuse.txt"] and "positive = RELU(product)" in texts["04_fuse.txt"]
    assert "positive [2, 3] in y, strides [7, 1]" in texts["05_elide.txt"]
    assert "0: matmul_0" in texts["08_teams.txt"]
    assert ".outputs: 64 bytes" in texts["09_memory.txt"]


def test_a_pass_that_leaves_nonsense_dies_by_name(plan):
    broken = Pass("break", lambda plan: replace(plan, kernels=()), PASSES[3].verify)
    with pytest.raises(PlanError, match=r"graph_0: after pass 'break': op 'matmul_0' is in 0 kernels"):
        run_passes(plan, (broken,))


def test_a_graph_with_a_hole_is_noticed(plan):
    ir = plan.ir.copy()
    ir.replace(ir.ops[0])
    assert "reads 'product', which nothing has computed" in refused("living", replace(plan, ir=ir))


def test_an_output_that_no_op_computes_is_noticed(plan):
    ir = plan.ir.copy()
    ir.replace(ir.ops[-1])
    assert "output 'y' is computed by no op" in refused("living", replace(plan, ir=ir))


def test_an_op_in_two_kernels_is_noticed(plan):
    twice = replace(plan, kernels=(*plan.kernels, plan.kernels[0]))
    assert "op 'matmul_0' is in 2 kernels" in refused("fuse", twice)


def test_a_kernel_before_the_one_that_it_reads_is_noticed():
    fused = run_passes(_start(), PASSES[:4])
    backwards = replace(fused, kernels=fused.kernels[::-1])
    assert "reads 'positive' before 'positive' is in memory" in refused("fuse", backwards)


def test_an_access_beyond_its_storage_is_noticed(plan):
    outside = {**plan.access, "positive": Access("y", (2, 3), (7, 1), 5)}
    assert "takes elements 5 to 14 of 'y', which has 14" in refused("elide", replace(plan, access=outside))


def test_a_storage_that_is_written_in_part_is_noticed(plan):
    part = tuple(kernel for kernel in plan.kernels if kernel.name != "cat_3")
    assert "storage 'y' has 14 elements, of which kernels write 6" in refused(
        "elide", replace(plan, kernels=part)
    )


def test_a_step_before_its_data_is_noticed():
    staged = run_passes(_start(), PASSES[:4])
    staged = run_passes(replace(staged, storages=dict(staged.ir.tensors)), (PASSES[7],))
    backwards = replace(staged, teams=replace(staged.teams, steps=staged.teams.steps[::-1]))
    assert "kernel 'cat_3' reads 'positive' before it is written" in refused("teams", backwards)


def test_a_kernel_in_no_step_is_noticed(plan):
    none = replace(plan, teams=replace(plan.teams, steps=()))
    assert "the steps do not have every kernel once" in refused("teams", none)


def test_live_storages_that_share_memory_are_noticed():
    ir = ACALSimIR("graph_0")
    ir.add_tensor(TensorDesc("x", (4,), is_input=True))
    for name in ("exp", "sum", "y"):
        ir.add_tensor(TensorDesc(name, (4,) if name != "sum" else ()))
    ir.add_op(ACALSimOp(T.EXP, "exp_0", ("x",), ("exp",)))
    ir.add_op(ACALSimOp(T.SUM, "sum_1", ("exp",), ("sum",)))
    ir.add_op(ACALSimOp(T.DIV, "div_2", ("exp", "sum"), ("y",)))
    ir.set_outputs(["y"])
    plan = make_plan(ir, load_machine("cpu"))
    buffers = {name: place for name, place in plan.places.items() if place.section == ".buffers"}
    assert buffers.keys() == {"exp", "sum"}
    on_top = {**plan.places, "sum": replace(buffers["sum"], offset=buffers["exp"].offset)}
    said = refused("memory", replace(plan, places=on_top))
    assert said in (f"storages '{one}' and '{other}' live at once and share memory" for one, other in PAIR)


def test_a_place_outside_of_its_section_is_noticed(plan):
    outside = {**plan.places, "y": Place(".outputs", "graph_0_outputs", 64, 56)}
    assert "takes 56 bytes at 64 of .outputs, which has 64" in refused(
        "memory", replace(plan, places=outside)
    )


def _start():
    return Plan(graph(), Target(load_machine("cpu")))
