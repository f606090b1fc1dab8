# SPDX-License-Identifier: Apache-2.0
"""Attention as one kernel of a compute device: what is recognised, its tiles, its outputs."""

import math
import re

import pytest
import torch
import torch.nn.functional as F
from acalsim_backend.codegen.generator import timer_for
from acalsim_backend.machine.file import load_machine
from acalsim_backend.pipeline import run_graph
from acalsim_backend.schedule.foretold import foretold
from acalsim_backend.schedule.passes import make_plan
from conftest import ROOT
from host_fixtures import captured_function, captured_narrow

attend = F.scaled_dot_product_attention


def f(*shape):
    return torch.randn(*shape)


def small(name, folder):
    """The file of a machine with memories in which no row of scores fits."""
    text = (ROOT / f"sim/machines/{name}.toml").read_text()
    for key, size in (("scratchpad_bytes", 0x8000), ("accumulator_bytes", 0x1000)):
        text = re.sub(rf"^{key} = \w+", f"{key} = {size:#x}", text, flags=re.M)
    path = folder / f"small_{name}.toml"
    path.write_text(text)
    return str(path)


def planned(function, inputs, machine="default", **options):
    captured, machine = captured_function(function, inputs), load_machine(machine)
    return make_plan(captured.ir, machine, timer=timer_for(machine), **options)


def commands_of(plan):
    return [each for found in plan.offloaded.values() for _, mine in found.lists for each in mine]


def macs(plan):
    found = [each.fields for each in commands_of(plan) if each.code == "COMMAND_MATMUL"]
    return sum(each["m"] * each["n"] * each["k"] for each in found)


def of_type(plan, name):
    return [kernel for kernel in plan.kernels if name in [op.op_type.name for op in kernel.ops]]


HEADS = (f(2, 4, 20, 16), f(2, 4, 24, 16), f(2, 4, 24, 16))


def by_hand(q, k, v, mask):
    """As models write it that have no use for PyTorch's function; groups of heads share keys and values."""
    k, v = (each[:, :, None].expand(-1, -1, 2, -1, -1).flatten(1, 2) for each in (k, v))
    return (q @ k.transpose(2, 3) / 4 + mask).softmax(-1) @ v


ONE_KERNEL = {
    "heads": (attend, HEADS),
    "causal": (lambda q, k, v: attend(q, k, v, is_causal=True), HEADS),
    "groups of heads": (
        lambda q, k, v: attend(q, k, v, enable_gqa=True),
        (HEADS[0], f(2, 2, 24, 16), f(2, 2, 24, 16)),
    ),
    "one head of keys": (
        lambda q, k, v: attend(q, k.expand(-1, 4, -1, -1), v.expand(-1, 4, -1, -1)),
        (HEADS[0], f(2, 1, 24, 16), f(2, 1, 24, 16)),
    ),
    "a mask for each head": (attend, (*HEADS, f(2, 4, 20, 24))),
    "a mask for all": (attend, (*HEADS, f(20, 24))),
    "groups, written by hand": (by_hand, (HEADS[0], f(2, 2, 24, 16), f(2, 2, 24, 16), f(2, 1, 1, 24))),
    "matrices": (lambda q, k, v: (q @ k.T).softmax(-1) @ v, (f(20, 16), f(24, 16), f(24, 16))),
    "a query": (attend, (f(1, 4, 1, 16), f(1, 4, 50, 16), f(1, 4, 50, 16))),
}


@pytest.mark.parametrize("name", ONE_KERNEL)
def test_is_one_kernel(name):
    plan = planned(*ONE_KERNEL[name])
    (kernel,) = of_type(plan, "SOFTMAX")
    assert [op.op_type.name in ("BMM", "MATMUL") for op in kernel.ops].count(True) == 2
    assert of_type(plan, "MUL") in ([], [kernel])
    stored = {
        each.dram.storage for each in commands_of(plan) if each.code in ("COMMAND_STORE", "COMMAND_SAVE")
    }
    assert all(math.prod(plan.storages[name].shape) <= 2 * 4 * 20 * 16 for name in stored)


def halved(inputs):
    return tuple(each.bfloat16() if each.is_floating_point() else each for each in inputs)


def planned_narrow(function, inputs, machine="default"):
    captured, machine = captured_narrow(function, inputs), load_machine(machine)
    return make_plan(captured.ir, machine, timer=timer_for(machine))


@pytest.mark.parametrize("of_the_model", [False, True])
@pytest.mark.parametrize("name", ONE_KERNEL)
def test_is_one_kernel_in_bfloat16(name, of_the_model):
    function, inputs = ONE_KERNEL[name]
    plan = planned_narrow(function, halved(inputs) if of_the_model else inputs)
    (attention,) = plan.attentions.values()
    walks = attention.query, attention.key, attention.value
    assert [walk.dtype for walk in walks] == ["bfloat16"] * 3
    assert {each.type for each in commands_of(plan) if each.code == "COMMAND_MATMUL"} == {"TYPE_BFLOAT16"}
    assert len(plan.kernels) <= 1 + len(inputs)


def weights_too(q, k, v):
    weights = (q @ k.transpose(-1, -2)).softmax(-1)
    return weights @ v, weights


APART = {
    "weights that are an output": (weights_too, HEADS),
    "a softmax over queries": (lambda q, k, v: (q @ k.transpose(-1, -2)).softmax(-2) @ v, HEADS),
    "scores that are clamped": (
        lambda q, k, v: (q @ k.transpose(-1, -2)).clamp(-1, 1).softmax(-1) @ v,
        HEADS,
    ),
    "a mask before the scale": (
        lambda q, k, v, m: ((q @ k.transpose(-1, -2) + m) * 0.5).softmax(-1) @ v,
        (*HEADS, f(20, 24)),
    ),
    "weights on the right": (
        lambda q, k, v: v.transpose(-1, -2) @ (q @ k.transpose(-1, -2)).softmax(-1).transpose(-1, -2),
        HEADS,
    ),
}


@pytest.mark.parametrize("name", APART)
def test_what_is_no_attention_stays_apart(name):
    assert not planned(*APART[name]).attentions


def test_results_that_are_kept_and_ops_that_the_user_chose_stay_apart():
    assert not planned(attend, HEADS, keep_all=True).attentions
    assert not planned(attend, HEADS, choices={"bmm_5": {"m": 4}}).attentions


def test_a_tile_of_scores_is_all_that_memories_hold(tmp_path):
    queries = f(1, 1, 64, 16)
    plan = planned(attend, (queries, f(1, 1, 300, 16), f(1, 1, 300, 16)), small("default", tmp_path))
    scores = [
        each.fields for each in commands_of(plan) if each.code == "COMMAND_MATMUL" and each.fields["k"] == 16
    ]
    assert max(4 * each["m"] * each["n"] for each in scores) <= 0x1000
    assert sum(each["m"] * each["n"] for each in scores) == 64 * 300


@pytest.mark.parametrize("is_small", [False, True])
def test_keys_that_the_mask_hides_from_all_queries_of_a_tile_are_skipped(is_small, tmp_path):
    inputs, machine = (f(1, 2, 128, 16),) * 3, small("default", tmp_path) if is_small else "default"
    whole = planned(attend, inputs, machine)
    causal = planned(lambda q, k, v: attend(q, k, v, is_causal=True), inputs, machine)
    assert macs(causal) < 0.85 * macs(whole)


def test_queries_that_share_keys_read_them_once():
    plan = planned(
        lambda q, k, v: attend(q, k, v, enable_gqa=True), (f(1, 8, 1, 16), f(1, 2, 40, 16), f(1, 2, 40, 16))
    )
    loads = [each for each in commands_of(plan) if each.code == "COMMAND_LOAD"]
    size = sum(each.fields["planes"] * each.fields["rows"] * each.fields["row_bytes"] for each in loads)
    assert size == 4 * (8 * 16 + 2 * 2 * 40 * 16)


def test_equal_layers_are_looked_at_once():
    plan = planned(lambda q, k, v: attend(attend(attend(q, k, v), k, v), k, v), HEADS)
    assert len(plan.attentions) == 3
    assert len({each.anonymous() for each in plan.attentions.values()}) == 1


def test_two_devices_share_its_tiles():
    plan = planned(attend, HEADS, machine="quad")
    (kernel,) = of_type(plan, "SOFTMAX")
    lists = plan.offloaded[kernel.name].lists
    assert len(lists) > 1
    macs_of = [sum(each.code == "COMMAND_MATMUL" for each in commands) for _, commands in lists]
    assert min(macs_of) > 0


@pytest.mark.parametrize("lanes, name", [(64, "other"), (4, "compute")])
def test_of_devices_that_differ_the_fastest_computes(lanes, name, tmp_path):
    text = (ROOT / "sim/machines/default.toml").read_text()
    table = text[text.index("[devices.compute]") :]
    for old, new in (
        ("compute]", "other]"),
        ("0x10300000", "0x10400000"),
        ("lanes = 16", f"lanes = {lanes}"),
    ):
        table = table.replace(old, new)
    table = re.sub("special_lanes = 4", f"special_lanes = {lanes // 4}", table)
    (tmp_path / "two.toml").write_text(f"{text}\n{table}")
    plan = planned(lambda q, k, v: attend(q, k, v).exp(), HEADS, str(tmp_path / "two.toml"))
    assert {each.placed_on for each in plan.offloaded.values()} == {name}


def test_a_device_whose_array_lacks_its_type_is_left_out(tmp_path):
    text = (ROOT / "sim/machines/default.toml").read_text()
    table = text[text.index("[devices.compute]") :].replace("compute]", "other]").replace("0x1030", "0x1040")
    (tmp_path / "two.toml").write_text(f'{text}\n{table}\ntypes = "int8, bfloat16"\n')
    plan = planned(attend, HEADS, str(tmp_path / "two.toml"))
    assert {each.placed_on for each in plan.offloaded.values()} == {"compute"}


def reshaped_after_a_turn(v):
    """The same shape, but its rows are not those of what was turned."""
    return v.transpose(-1, -2).reshape(v.shape)


def everything(q, k, v, kg, vg, mask, hides, one):
    return (
        attend(q, k, v),
        attend(q, k, v, is_causal=True),
        attend(q, kg, vg, enable_gqa=True),
        attend(q, k, v, attn_mask=mask, scale=0.3).transpose(1, 2).flatten(2),
        attend(q, k, v, attn_mask=hides),
        attend(one, k, v),
        by_hand(q, kg, vg, mask),
        (q @ k.transpose(-1, -2)).softmax(-1) @ v,
        (q * 0.5 @ (k * 0.25).transpose(-1, -2)).softmax(-1) @ (v * 3),
        (q @ k.transpose(-1, -2)).softmax(-1) @ reshaped_after_a_turn(v),
    )


def all_inputs():
    hides = torch.rand(2, 1, 44, 50) > 0.2
    hides[0, 0, 3], hides[1, 0, 7, :40] = False, False
    heads = f(2, 4, 44, 16), f(2, 4, 50, 16), f(2, 4, 50, 16)
    return *heads, f(2, 2, 50, 16), f(2, 2, 50, 16), f(44, 50), hides, f(2, 4, 1, 16)


@pytest.mark.parametrize("machine, is_small", [("default", False), ("quad", True), ("large", False)])
def test_its_outputs_equal_pytorchs(machine, is_small, tmp_path):
    captured = captured_function(everything, all_inputs())
    machine = small(machine, tmp_path) if is_small else machine
    _, report = run_graph(tmp_path, captured.ir, captured.inputs, captured.references, machine)
    fused = [op for op in report.ops if "softmax" in " ".join(op.fused)]
    assert len(fused) == 10
    assert report.check.max_rel_error < 2e-6
    for op in fused:
        assert op.macs in (2 * 2 * 4 * 44 * 50 * 16, 2 * 2 * 4 * 50 * 16)
        assert any("softmax" in name for name in op.torch_ops)


@pytest.mark.parametrize("machine, is_small", [("default", False), ("quad", True), ("large", False)])
def test_its_outputs_in_bfloat16_are_as_close_as_pytorchs(machine, is_small, tmp_path):
    torch.manual_seed(0)
    inputs = all_inputs()
    exact = [each.numpy() for each in everything(*inputs)]
    captured = captured_narrow(everything, halved(inputs))
    machine = small(machine, tmp_path) if is_small else machine
    _, report = run_graph(tmp_path, captured.ir, captured.inputs, exact, machine)
    assert len([op for op in report.ops if "softmax" in " ".join(op.fused)]) == 9
    largest = max(abs(each).max() for each in exact)
    theirs = max(
        abs(each - other).max() / largest for each, other in zip(captured.references, exact, strict=True)
    )
    assert 1e-4 < report.check.max_rel_error < 2 * theirs < 0.04


class Projected(torch.nn.Module):
    """A transformer's attention with the products around it."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = torch.nn.Linear(width, 3 * width), torch.nn.Linear(width, width)

    def forward(self, x):
        x = self.out(x)
        q, k, v = (each.unflatten(-1, (self.heads, -1)).transpose(1, 2) for each in self.qkv(x).chunk(3, -1))
        return self.out(attend(q, k, v, is_causal=True).transpose(1, 2).flatten(2))


@pytest.mark.parametrize("machine", ["default", "edge", "large", "quad"])
def test_bfloat16_is_not_slower(machine):
    module, inputs = Projected(64, 4).eval(), (f(1, 40, 64),)
    narrow, plain = planned_narrow(module, inputs, machine), planned(module, inputs, machine)
    assert len(narrow.attentions) == len(plain.attentions) == 1
    assert foretold(narrow) <= foretold(plain)


def causal_of(function, *inputs):
    return [
        op.attrs.get("causal")
        for op in captured_function(function, inputs).ir.ops
        if op.op_type.name == "SOFTMAX"
    ]


class Selected(torch.nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.hidden = hidden
        self.register_buffer("seen", torch.ones(8, 8).tril().bool())

    def forward(self, x):
        return torch.where(self.seen, x @ x.T, self.hidden).softmax(-1) @ x


def test_capture_finds_causal_masks():
    assert causal_of(lambda x: attend(x, x, x, is_causal=True), f(1, 1, 8, 4)) == [0]
    assert causal_of(lambda x: (x + torch.full((8, 8), -torch.inf).triu(3)).softmax(-1), f(8, 8)) == [2]
    assert causal_of(lambda x: (x + torch.full((8, 8), -torch.inf).tril(-3)).softmax(-1), f(8, 8)) == [None]
    assert causal_of(lambda x: (x + torch.full((8, 8), -9.0).triu(3)).softmax(-1), f(8, 8)) == [None]


def test_a_constant_mask_that_selects_is_a_summand():
    assert causal_of(Selected(-torch.inf), f(8, 4)) == [0]
    assert planned(Selected(torch.finfo(torch.float32).min), (f(8, 4),)).attentions
    assert planned_narrow(
        Selected(torch.finfo(torch.bfloat16).min).bfloat16(), (f(8, 4).bfloat16(),)
    ).attentions
    assert not planned(Selected(-1.0), (f(8, 4),)).attentions


def test_a_copy_behind_it_is_where_it_writes():
    plan = planned(lambda q, k, v: attend(q, k, v).transpose(1, 2).flatten(2), HEADS)
    (kernel,) = plan.kernels
    assert kernel.results == tuple(plan.ir.outputs)
