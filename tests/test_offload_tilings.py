# SPDX-License-Identifier: Apache-2.0
"""Tilings: any of them gives the same bits, and the fastest of those timed is chosen."""

import dataclasses
import random

import pytest
import torch
from acalsim_backend.machine.file import load_machine
from acalsim_backend.offload.command import packed
from acalsim_backend.offload.command_list import fits, program
from acalsim_backend.offload.layout import layout
from acalsim_backend.offload.places import anonymous
from acalsim_backend.offload.tiling import Search, parts
from acalsim_backend.schedule.passes import make_schedule
from host_fixtures import captured_function, f
from hypothesis import given, settings
from hypothesis import strategies as st
from offload_fixtures import CASES, WAYS, Device, assert_right, machine_with
from torch import nn


def product_of(target, function, *inputs):
    schedule = make_schedule(captured_function(function, inputs).ir, target)
    return schedule.lowering.product(schedule.kernels[0])


def test_all_tilings_give_the_same_bits(small, tmp_path):
    """A sum takes its products in ascending k, whatever the blocks."""
    torch.manual_seed(0)
    for function, *inputs in (
        CASES["conv, relu, pool with border"],
        CASES["scaled, bias, residual, relu"],
        CASES["groups"],
    ):
        captured = captured_function(function, inputs)
        schedule = make_schedule(captured.ir, small.target)
        product = schedule.lowering.product(schedule.kernels[0])
        tilings = [
            tiling
            for tiling in Search(product, small.machine, small.target.devices[0]).best(10000)
            if fits(product, tiling)
        ]
        assert len(tilings) > 50
        seen = set()
        values = dict(zip(captured.ir.inputs, captured.inputs, strict=True)) | captured.ir.constants
        plain = dataclasses.replace(schedule, offloaded={})
        places = small.memory.place(plain, values)
        for tiling in [tilings[0], *random.Random(0).sample(tilings, 25), tilings[-1]]:
            small.memory.execute([(small.target.devices[0], program(product, tiling))], places)
            seen.add(small.memory.tensor(plain, places, captured.ir.outputs[0]).tobytes())
        assert len(seen) == 1


@given(data=st.data())
@settings(max_examples=40)
def test_drawn_convolutions_agree_with_pytorch(small, data):
    draw = data.draw
    groups = draw(st.sampled_from([1, 1, 2, 4]))
    channels, outputs = groups * draw(st.integers(1, 5)), groups * draw(st.integers(1, 6))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    options = {
        "stride": draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        "padding": draw(st.tuples(st.integers(0, 3), st.integers(0, 3))),
        "dilation": draw(st.tuples(st.integers(1, 2), st.integers(1, 2))),
        "groups": groups,
    }
    sizes = [
        draw(st.integers(max(1, d * (k - 1) + 1 - 2 * p), 14))
        for k, p, d in zip(kernel, options["padding"], options["dilation"], strict=True)
    ]
    torch.manual_seed(0)
    conv = nn.Conv2d(channels, outputs, kernel, bias=draw(st.booleans()), **options)
    outputs, references, *_ = small.run(conv, f(draw(st.integers(1, 2)), channels, *sizes))
    assert_right(outputs, references)


@given(data=st.data())
@settings(max_examples=40)
def test_drawn_matrices_agree_with_pytorch(small, data):
    size = st.integers(1, 40)
    batches, m, n, k = data.draw(st.integers(1, 4)), data.draw(size), data.draw(size), data.draw(size)
    a = f(batches, m, k) if data.draw(st.booleans()) else f(batches, k, m).transpose(1, 2)
    b = f(batches, k, n) if data.draw(st.booleans()) else f(batches, n, k).transpose(1, 2)
    outputs, references, *_ = small.run(lambda a, b: torch.relu(a @ b), a, b)
    assert_right(outputs, references)


def test_blocks_lie_within_the_memories_and_not_on_each_other(small):
    torch.manual_seed(0)
    parameters = small.target.devices[0].parameters
    for function, *inputs in CASES.values():
        product = anonymous(product_of(small.target, function, *inputs))
        tiling, _ = small.target.choose(product)
        place = layout(product, tiling)
        assert place.scratchpad_bytes <= parameters["scratchpad_bytes"]
        assert place.c(tiling.c_slots) <= parameters["accumulator_bytes"]
        assert (
            place.a(0) <= place.a(tiling.a_slots) == place.b(0) < place.b(tiling.b_slots) == place.residual(0)
        )


def test_tilings_of_tiny_memories_fit_them(small, tmp_path):
    torch.manual_seed(0)
    product = anonymous(product_of(small.target, *CASES["residual"]))
    seen = 0
    for size in range(256, 1024, 64):
        machine = machine_with(tmp_path, scratchpad_bytes=size)
        for tiling in Search(product, machine, machine.device("compute")).best(32):
            assert layout(product, tiling).scratchpad_bytes <= size
            seen += 1
    assert seen


def test_parts_cut_evenly():
    assert parts(10) == [10, 5, 4, 3, 2, 1]
    assert parts(100, 16)[:3] == [100, 64, 48]
    assert min(parts(7, 16)) == 7


def test_the_chosen_tiling_is_the_fastest_of_those_that_were_timed(small):
    torch.manual_seed(0)
    product = anonymous(product_of(small.target, *CASES["conv with padding and stride"]))
    tilings = [
        tiling
        for tiling in Search(product, small.machine, small.target.devices[0]).best(32)
        if fits(product, tiling)
    ]
    chosen, cycles = small.target.choose(product)
    assert cycles == min(
        small.target._cycles(product, tiling, small.target.devices) for tiling in tilings[:8]
    )
    assert cycles == small.target._cycles(product, chosen, small.target.devices)


@pytest.mark.parametrize(
    "ram",
    ["", "channels = 2\ninterleave_bytes = 64\nrow_bytes = 512\nrow_miss_cycles = 9\nbytes_per_cycle = 4"],
)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(str(each) for each in way.values()))
def test_a_list_timed_without_values_takes_the_cycles_of_its_simulation(
    embedded, engine_library, tmp_path, always, ram, way
):
    """The addresses are the simulation's: with channels and rows they matter."""
    torch.manual_seed(0)
    machine = machine_with(tmp_path, **way)
    path = tmp_path / "m.toml"
    path.write_text(path.read_text().replace("size_bytes = 0x1000000", "size_bytes = 0x1000000\n" + ram))
    machine = load_machine(str(path))
    device = Device(embedded, engine_library, tmp_path, machine)
    for name in ("residual block", "linear", "groups"):
        function, *inputs = CASES[name]
        captured = captured_function(function, inputs)
        schedule = make_schedule(captured.ir, device.target)
        places = device.memory.place(
            schedule, dict(zip(captured.ir.inputs, captured.inputs, strict=True)) | captured.ir.constants
        )
        for kernel in schedule.kernels:
            ((one, commands),) = schedule.offloaded[kernel.name].lists
            before = device.memory.statistics["busy_cycles"]
            timed = (
                device.target.timer.cycles([one], [packed(commands, places.__getitem__)]) - 1
            )  # for the CPU to see the end
            device.memory.execute([(one, commands)], places)
            # The model's open rows and free channels are those that the list before it left.
            slack = 0 if "row_bytes" not in ram else 200
            assert abs(device.memory.statistics["busy_cycles"] - before - timed) <= slack
