# SPDX-License-Identifier: Apache-2.0
"""The roofline, held to numbers worked out by hand: graphs' demands, machines' rates, both in a report."""

from dataclasses import replace

import pytest
from acalsim_backend import doors
from acalsim_backend.ir.graph import ACALSimOpType as T
from acalsim_backend.machine.file import load_machine
from acalsim_backend.report.report_file import Roofline
from acalsim_backend.report.roofline import rates, roofline
from acalsim_backend.schedule.demand import PASSES, SPECIAL
from acalsim_backend.schedule.passes import make_plan
from acalsim_backend.schedule.plan_file import Demand
from acalsim_backend.schedule.plan_rows import plan_file
from pipeline_fixtures import MODELS, report_of
from random_graphs import Chain

CPU = load_machine("cpu")


def planned(chain, *outputs):
    ir = chain.returning(*outputs)
    return plan_file(ir, make_plan(ir, CPU), CPU)


def with_vector_unit(machine, **parameters):
    devices = tuple(
        replace(device, parameters={**device.parameters, **parameters})
        if device.model == "compute"
        else device
        for device in machine.devices
    )
    return replace(machine, devices=devices)


CONV = """
import torch

def model():
    return torch.nn.Sequential(torch.nn.Conv2d(8, 32, 3, padding=1), torch.nn.ReLU())

def inputs():
    return (torch.randn(1, 8, 28, 28),)
"""


def test_a_report_of_a_matmul_has_the_bound_that_a_person_works_out(host_tree):
    report = report_of(host_tree, "matmul")
    # 8x16 times 16x8 on 16x16 of array; operands, bias and result over 32 bytes a cycle;
    # 64 sums with the bias, 16 a cycle.
    array, dram = 8 * 16 * 8 // 256, (8 * 16 + 16 * 8 + 8 + 8 * 8) * 4 // 32
    expected = {
        "bound_cycles": 41,
        "limiter": "dram",
        "by": {"array": 4, "vector": 4, "special": 0, "dram": 41},
    }
    assert (array, dram) == (4, 41)
    assert report["roofline"] == expected and report["ops"][0]["roofline"] == expected
    assert report["total_cycles"] > 41


def test_a_report_of_a_convolution_has_the_bound_that_a_person_works_out(tree):
    (tree / "models/conv.py").write_text(CONV)
    printed = tree.scons("sim-conv").stdout
    report = report_of(tree, "conv")
    # 28x28 outputs of 32 channels, each of 8 channels of 3x3: 1,806,336 products, 256 a cycle.
    # 25,088 elements through the ReLU, 16 a cycle.
    # Image 25,088 bytes, weights 9,216, bias 128, result 100,352: 134,784 bytes, 32 a cycle.
    assert report["roofline"] == {
        "bound_cycles": 7056,
        "limiter": "array",
        "by": {"array": 7056, "vector": 1568, "special": 0, "dram": 4212},
    }
    assert sum(op["roofline"]["by"]["array"] for op in report["ops"]) == 7056
    times = f"{report['total_cycles'] / 7056:.1f}"
    assert f"{report['total_cycles']:,} cycles, {times} times its bound, limited by array" in printed


def test_on_a_machine_without_an_array_there_is_no_term_for_it():
    chain = Chain()
    x, w = chain.tensor((8, 16), is_input=True), chain.tensor((16, 8), is_param=True)
    told = planned(chain, chain.op(T.MATMUL, x, w))
    assert told.demand == Demand(macs=1024, dram_bytes=(128 + 128 + 64) * 4)
    # RAM's own default: 8 bytes a cycle.
    assert roofline(told.demand, rates(CPU)) == Roofline(160, "dram", {"dram": 160})


def test_without_a_device_ram_holds_nobody_up_and_the_cpus_instructions_set_the_rate():
    """A vector instruction moves 32 bytes a cycle however slow the channels are, which no device uses."""
    assert rates(load_machine("vector")) == {"dram": 256 // 8}
    assert rates(CPU) == {"dram": 8}
    edge = load_machine("edge")
    assert (rates(edge)["dram"], rates(edge, on_cpu=True)["dram"]) == (4, 8)


def test_no_run_is_faster_than_its_bound(tree):
    tree.scons("MACHINE=vector", "-j2", "all-reports")
    for name in MODELS:
        report = report_of(tree, name, "build/vector")
        for part in (report, *report["ops"]):
            assert part.get("total_cycles", part.get("cycles")) >= part["roofline"]["bound_cycles"] > 0


def rated(machine):
    """The rates without those of narrower types, which have their own test."""
    return {name: rate for name, rate in rates(machine).items() if not name.startswith("array_")}


def test_devices_that_are_alike_and_channels_work_side_by_side():
    assert rated(load_machine("default")) == {"array": 16 * 16, "vector": 16, "special": 4, "dram": 32}
    assert rated(load_machine("quad")) == {"array": 4 * 256, "vector": 64, "special": 16, "dram": 2 * 32}
    assert rated(load_machine("large")) == {
        "array": 128 * 128,
        "vector": 1024,
        "special": 128,
        "dram": 16 * 32,
    }


def test_of_devices_of_two_kinds_the_stronger_kind_counts():
    quad = load_machine("quad")
    first, *others = quad.devices_of("compute")
    wide = replace(first, parameters={**first.parameters, "rows": 64, "columns": 64})
    assert rates(replace(quad, devices=(wide, *others)))["array"] == 64 * 64


def test_a_vector_unit_has_its_terms_where_the_machine_has_one():
    machine = with_vector_unit(load_machine("default"), lanes=16, special_lanes=2)
    assert rated(machine) == {"array": 256, "vector": 16, "special": 2, "dram": 32}
    assert rated(with_vector_unit(machine, lanes=0, special_lanes=0)) == {"array": 256, "dram": 32}
    by = {"array": 1, "vector": 7, "special": 51, "dram": 4}
    assert roofline(Demand(1, 100, 101, 128), rates(machine)) == Roofline(51, "special", by)


def test_a_softmax_goes_over_its_elements_three_times_and_a_view_never():
    chain = Chain()
    x = chain.tensor((4, 6), is_input=True)
    y = chain.op(T.SOFTMAX, chain.op(T.PERMUTE, x, dims=[1, 0]), dim=1)
    told = planned(chain, chain.op(T.RELU, y), chain.op(T.TANH, y))
    assert told.demand == Demand(0, 3 * 24 + 24 + 24, 24 + 24, 3 * 24 * 4)
    whole = [
        sum(getattr(op.demand, name) for op in told.ops) for name in ("vector_elements", "special_elements")
    ]
    assert whole == [120, 48]


def test_a_table_that_is_only_looked_up_counts_by_the_rows_looked_up():
    chain = Chain()
    table, index = chain.tensor((100, 8), is_param=True), chain.tensor((3,), "int64", is_input=True)
    told = planned(chain, chain.op(T.INDEX_SELECT, table, index, dim=0))
    assert told.demand.dram_bytes == 3 * 8 * 4 + 3 * 8 + 3 * 8 * 4


@pytest.mark.parametrize("looked_up, rows", [(300, 100), (3, 100)])
def test_a_table_counts_once_however_often_and_by_whomever_it_is_read(looked_up, rows):
    chain = Chain()
    table, index = chain.tensor((100, 8), is_param=True), chain.tensor((looked_up,), "int64", is_input=True)
    found = chain.op(T.INDEX_SELECT, table, index, dim=0)
    outputs = [found] if looked_up > 100 else [found, chain.op(T.NEG, table)]
    told = planned(chain, *outputs)
    written = sum(chain.ir.tensors[name].elements for name in outputs) * 4
    assert told.demand.dram_bytes == rows * 8 * 4 + looked_up * 8 + written


def test_an_op_counts_what_it_reads_and_writes_of_the_graphs_own_tensors():
    chain = Chain()
    x, w = chain.tensor((4, 4), is_input=True), chain.tensor((4, 4), is_param=True)
    product = chain.op(T.MATMUL, chain.op(T.PERMUTE, x, dims=[1, 0]), w)
    told = planned(chain, chain.view(chain.op(T.MATMUL, product, w), (16,)))
    first, second = (op for op in told.ops if op.macs)
    assert (first.demand.dram_bytes, second.demand.dram_bytes) == (128, 128)
    assert told.demand.dram_bytes == 3 * 64
    assert (first.demand.macs, told.demand.macs) == (64, 128)


def test_what_nobody_needs_is_not_asked_for():
    chain = Chain()
    x, unused = (chain.tensor((4, 4), is_input=True) for _ in range(2))
    chain.op(T.MATMUL, x, unused)
    assert planned(chain, chain.op(T.NEG, x)).demand == Demand(0, 16, 0, 128)


def test_where_nothing_is_asked_no_resource_limits():
    assert roofline(Demand(), rates(CPU)) == Roofline(0, None, {"dram": 0})


def test_every_op_with_passes_or_functions_of_its_own_is_one_of_the_table():
    later = {"RMS_NORM", "SILU"}
    assert {*PASSES, *SPECIAL} <= {*T.__members__} | later


def test_a_plan_with_demands_reads_back():
    chain = Chain()
    told = planned(chain, chain.add(chain.tensor((4,), is_input=True)))
    assert doors.from_json(doors.as_json(told), type(told), "it") == told and told.demand.vector_elements == 4
