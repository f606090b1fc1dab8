# SPDX-License-Identifier: Apache-2.0
"""Products on the compute device: the compiler's command lists, executed by the device's model, against PyTorch."""

import dataclasses
import random
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from acalsim_backend.codegen.generator import timer_for
from acalsim_backend.errors import PlanError
from acalsim_backend.ir.graph import ACALSimOpType
from acalsim_backend.ir.strides import Access
from acalsim_backend.machine.file import load_machine
from acalsim_backend.offload.command import packed
from acalsim_backend.offload.command_list import fits, program
from acalsim_backend.offload.decide import Target, anonymous, pack
from acalsim_backend.offload.operand import Block, Image, Matrix, Tile
from acalsim_backend.offload.product import PRODUCTS
from acalsim_backend.offload.tiling import Search, Tiling, layout, parts
from acalsim_backend.offload.tiling_file import read_choices
from acalsim_backend.schedule.memory import make_plan
from acalsim_backend.schedule.plan_file import plan_json
from acalsim_backend.schedule.schedule import make_schedule
from host_fixtures import captured_function
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from offload_fixtures import Device, always, machine_with  # noqa: F401
from simulator_fixtures import embedded, engine_library  # noqa: F401
from torch import nn

T = ACALSimOpType
SMALL = {"rows": 4, "columns": 8, "scratchpad_bytes": 4096, "accumulator_bytes": 1024}
"""Of a device on which hardly anything fits in one block."""
LARGE = {"rows": 16, "columns": 16}
WAYS = [
    {**size, "dataflow": f'"{dataflow}"', "overlap": f'"{overlap}"'}
    for size, dataflow, overlap in (
        (SMALL, "ws", "double"),
        (SMALL, "os", "single"),
        (LARGE, "ws", "serial"),
        (LARGE, "os", "double"),
    )
]


@pytest.fixture(params=WAYS, ids=lambda way: "-".join(str(each) for each in way.values()))
def device(request, embedded, engine_library, tmp_path, always):  # noqa: F811
    return Device(embedded, engine_library, tmp_path, machine_with(tmp_path, **request.param))


@pytest.fixture
def small(embedded, engine_library, tmp_path, always):  # noqa: F811
    return Device(embedded, engine_library, tmp_path, machine_with(tmp_path, **WAYS[0]))


def f(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def assert_right(outputs, references):
    assert len(outputs) == len(references)
    for output, reference in zip(outputs, references, strict=True):
        assert output.shape == reference.shape
        assert np.abs(output - reference).max() <= 1e-5 * max(np.abs(reference).max(), 1)


class Residual(nn.Module):
    def __init__(self, channels=6, stride=1):
        super().__init__()
        self.first, self.second = (
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))) + x)


CASES = {
    "matmul": (lambda a, b: a @ b, f(33, 21), f(21, 47)),
    "both transposed": (lambda a, b: a.T @ b.T, f(21, 33), f(47, 21)),
    "a row": (lambda a, b: a @ b, f(1, 70), f(70, 50)),
    "a column": (lambda a, b: a @ b, f(50, 70), f(70, 1)),
    "every other column": (lambda a, b: a[:, ::2] @ b, f(10, 30), f(15, 9)),
    "batches": (torch.bmm, f(5, 9, 13), f(5, 13, 7)),
    "heads": (
        lambda q, k: q.view(10, 3, 8).transpose(0, 1) @ k.view(12, 3, 8).permute(1, 2, 0),
        f(10, 24),
        f(12, 24),
    ),
    "linear": (nn.Linear(40, 30), f(17, 40)),
    "linear and relu of batches": (nn.Sequential(nn.Linear(24, 20), nn.ReLU()), f(2, 5, 24)),
    "two linears": (nn.Sequential(nn.Linear(24, 50), nn.ReLU6(), nn.Linear(50, 10)), f(9, 24)),
    "bias a row": (lambda a, b, c: a @ b + c, f(12, 20), f(20, 16), f(12, 1)),
    "residual": (lambda a, b, c: torch.clamp(a @ b + c, -1, 2), f(12, 20), f(20, 16), f(12, 16)),
    "scaled, bias, residual, relu": (
        lambda a, b, c, d: F.relu((a @ b) * 0.125 + c + d),
        f(12, 20),
        f(20, 16),
        f(16),
        f(12, 16),
    ),
    "conv": (nn.Conv2d(5, 9, 3), f(1, 5, 12, 11)),
    "conv with padding and stride": (nn.Conv2d(5, 9, 3, 2, 1), f(2, 5, 13, 16)),
    "conv 1x1 with stride": (nn.Conv2d(6, 20, 1, 2), f(1, 6, 15, 14)),
    "conv 5x3 dilated": (nn.Conv2d(3, 8, (5, 3), padding=(4, 1), dilation=(2, 1)), f(1, 3, 14, 17)),
    "more padding than image": (nn.Conv2d(2, 4, 5, padding=4), f(1, 2, 3, 2)),
    "groups": (nn.Conv2d(12, 18, 3, padding=1, groups=3), f(2, 12, 9, 9)),
    "depthwise": (nn.Conv2d(20, 20, 3, padding=1, groups=20), f(1, 20, 10, 10)),
    "1-d": (nn.Conv1d(6, 10, 5, 2, 2), f(2, 6, 40)),
    "conv, relu6": (nn.Sequential(nn.Conv2d(5, 9, 3), nn.ReLU6()), f(1, 5, 12, 11)),
    "conv, pool": (nn.Sequential(nn.Conv2d(5, 9, 3, padding=1), nn.MaxPool2d(2)), f(1, 5, 12, 10)),
    "conv, relu, pool with border": (
        nn.Sequential(nn.Conv2d(3, 7, 5, 2, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)),
        f(2, 3, 30, 27),
    ),
    "conv, pool with more rows than it needs": (
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2, 3)),
        f(1, 3, 12, 13),
    ),
    "residual block": (Residual(), f(1, 6, 10, 12)),
}


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
    found = np.frombuffer(pack(matrix, values.tobytes()), np.float32)
    assert sorted(found) == sorted(values)
    for lines in ((0, 2), (2, 4), (4, 5)):
        for k in ((0, 3), (3, 6), (6, 7)):
            start = matrix.load((0, 1), lines, k, 0).dram.offset // 4
            block = w[slice(*lines), slice(*k)]
            assert np.array_equal(found[start : start + block.size], (block if by_lines else block.T).ravel())


# --- tilings --------------------------------------------------------------------------------------


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
        plain = dataclasses.replace(schedule)
        plain.__dict__["offloaded"] = {}
        places = small.memory.place(plain, values)
        for tiling in [tilings[0], *random.Random(0).sample(tilings, 25), tilings[-1]]:
            small.memory.execute([(small.target.devices[0], program(product, tiling))], places)
            seen.add(small.memory.tensor(plain, places, captured.ir.outputs[0]).tobytes())
        assert len(seen) == 1


@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
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
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
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
):  # noqa: F811
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


# --- what goes where ------------------------------------------------------------------------------


def kernel_of(machine, library, function, *inputs):
    torch.manual_seed(0)
    return make_schedule(
        captured_function(function, inputs).ir, Target(machine, timer_for(machine, library))
    ).kernels[-1]


@pytest.mark.parametrize(("function", "inputs", "reason"), [
    (lambda a, b: a @ b, (f(2, 3), f(3, 2)), r"\d+ cycles on the device, about \d+ on the CPU"),
    (nn.ConvTranspose2d(8, 8, 3), (f(1, 8, 20, 20),), "transposed convolution"),
    (torch.exp, (f(2000),), "the device has no EXP"),
])  # fmt: skip
def test_what_stays_on_the_cpu_says_why(engine_library, tmp_path, function, inputs, reason):  # noqa: F811
    kernel = kernel_of(machine_with(tmp_path, **LARGE), engine_library, function, *inputs)
    assert kernel.device is None
    assert re.fullmatch(reason, kernel.reason)


def test_a_machine_without_a_device_says_so():
    torch.manual_seed(0)
    schedule = make_schedule(
        captured_function(lambda a, b: a @ b, (f(20, 30), f(30, 20))).ir, Target(load_machine("cpu"))
    )
    assert schedule.kernels[0].reason == "the machine has no compute device"


def test_memories_too_small_for_any_block_leave_an_op_on_the_cpu(engine_library, tmp_path, always):  # noqa: F811
    kernel = kernel_of(
        machine_with(tmp_path, scratchpad_bytes=64),
        engine_library,
        lambda a, b: a @ b,
        f(20, 300),
        f(300, 20),
    )
    assert kernel.reason == "no block of it fits the device's memories"


def test_the_plan_says_where_ops_run_and_why(engine_library, tmp_path):  # noqa: F811
    torch.manual_seed(0)
    machine = machine_with(tmp_path, **LARGE)
    ir = captured_function(lambda a, b: torch.exp(a @ b), (f(64, 64), f(64, 64))).ir
    rows = plan_json(ir, make_plan(ir, machine, timer=timer_for(machine, engine_library)), machine)["ops"]
    assert [(row["placed_on"], row["reason"]) for row in rows] == [
        ("compute", ""),
        ("cpu", "the device has no EXP"),
    ]


# --- operands -------------------------------------------------------------------------------------


def test_a_tile_at_the_edge_of_an_image_brings_its_border():
    image = Image(
        "x",
        0,
        300,
        100,
        10,
        rows=10,
        columns=10,
        channels=3,
        kernel=(3, 3),
        stride=(1, 1),
        dilation=(1, 1),
        padding=(1, 1),
    )
    load = image.load(Block(0, (0, 1), (0, 4), (0, 4), (0, 10), (0, 27)), 64)
    fields = {
        name: load.fields[name]
        for name in ("planes", "rows", "row_bytes", "pad_top", "pad_bottom", "pad_left", "pad_right")
    }
    assert fields == {
        "planes": 3,
        "rows": 5,
        "row_bytes": 40,
        "pad_top": 1,
        "pad_bottom": 0,
        "pad_left": 4,
        "pad_right": 4,
    }
    assert load.dram.offset == 0
    load = image.load(Block(0, (0, 1), (0, 4), (7, 10), (0, 10), (9, 27)), 0)
    assert (load.fields["rows"], load.fields["pad_top"], load.fields["pad_bottom"]) == (4, 0, 1)
    assert load.dram.offset == 4 * (100 + 6 * 10)


def test_a_tile_is_as_few_rows_as_can_be():
    tile = Tile("y", 0, 0, 0, m_stride=100, row_stride=10)
    _, fields = tile.place(Block(0, (0, 1), (0, 3), (0, 10), (0, 10), (0, 1)))
    assert (fields["planes"], fields["rows"], fields["row_bytes"]) == (1, 1, 1200)
    _, fields = tile.place(Block(0, (0, 1), (0, 3), (2, 4), (0, 5), (0, 1)))
    assert (fields["planes"], fields["rows"], fields["row_bytes"]) == (3, 2, 20)


def test_an_access_that_no_command_walks_stays_on_the_cpu(engine_library, tmp_path, always):  # noqa: F811
    """Rows of a convolution's input whose elements are not next to each other are copied first."""
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 8, 3)
    machine = machine_with(tmp_path, **LARGE)
    schedule = make_schedule(
        captured_function(lambda x: conv(x.permute(0, 3, 1, 2)), (f(1, 12, 12, 4),)).ir,
        Target(machine, timer_for(machine, engine_library)),
    )
    assert [kernel.anchor.op_type for kernel in schedule.kernels] == [T.COPY, T.CONV]
    assert isinstance(schedule.access[schedule.kernels[1].anchor.inputs[0]], Access)
    assert Tiling(1, 1, 1, 1, 1, "m", 1, 1, 1).order == "m"


# --- what the user chooses ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "choice"),
    [
        ("linear", {"m": 3, "k": 5}), ("linear", {"columns": 7, "order": "n", "a_slots": 1}), ("linear", {"c_slots": 1, "b_slots": 3}),
        ("conv with padding and stride", {"rows": 1, "columns": 2}), ("conv with padding and stride", {"k": 18, "m": 4}),
        ("residual block", {"rows": 2, "order": "n", "b_slots": 1}), ("batches", {"batches": 2}),
    ],
)  # fmt: skip
def test_a_tiling_is_the_one_that_was_chosen_and_the_numbers_stay_right(small, case, choice):
    torch.manual_seed(0)
    function, *inputs = CASES[case]
    name = next(op.name for op in captured_function(function, inputs).ir.ops if op.op_type in PRODUCTS)
    small.target.choices = {name: choice}
    outputs, references, schedule, _ = small.run(function, *inputs)
    assert_right(outputs, references)
    assert dataclasses.asdict(schedule.offloaded[name].tiling).items() >= choice.items()


def test_an_op_is_on_the_cpu_where_the_user_says_so(small):
    function, *inputs = CASES["linear"]
    ir = captured_function(function, inputs).ir
    small.target.choices = {ir.ops[0].name: {"on": "cpu"}}
    (kernel,) = make_schedule(ir, small.target).kernels
    assert kernel.device is None and kernel.reason == "the tiling file says so"


def test_what_does_not_pay_goes_to_the_device_where_the_user_says_so(embedded, engine_library, tmp_path):  # noqa: F811
    machine = machine_with(tmp_path, **SMALL)
    ir = captured_function(lambda a, b: a @ b, (f(2, 2), f(2, 2))).ir
    kernels = [
        make_schedule(ir, Target(machine, timer_for(machine, engine_library), choices)).kernels[0]
        for choices in ({}, {ir.ops[0].name: {"on": "compute"}})
    ]
    assert [kernel.device for kernel in kernels] == [None, "compute"]
    assert re.fullmatch(r"\d+ cycles on the device, about \d+ on the CPU", kernels[0].reason)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[default.gemm_0]\ntile = 4", r"\[default.gemm_0\]: there is no key 'tile'; there are batches, m, "),
        ("[default.gemm_0]\nm = 0", r"\[default.gemm_0\]: m is 0; it is a whole number, 1 or larger"),
        ("[default.gemm_0]\norder = 'k'", r"\[default.gemm_0\]: order is 'k'; it is 'm' or 'n'"),
        ("[default.gemm_0]\non = 'gpu'", r"\[default.gemm_0\]: on is 'gpu'; it is 'cpu' or 'compute'"),
        (
            "[gemm_0]\nm = 4",
            r"'gemm_0' is no table of ops; a section is called \[MACHINE.OP\], as in \[default.gemm_0\]",
        ),
        ("m = ", r"x.tiling.toml: Invalid value"),
    ],
)
def test_a_tiling_file_with_a_mistake_is_refused(tmp_path, text, line):
    path = tmp_path / "x.tiling.toml"
    path.write_text(text + "\n")
    with pytest.raises(PlanError, match=line):
        read_choices(path, "default")


def test_choices_that_cannot_be_are_refused_by_name(small):
    function, *inputs = CASES["linear"]
    ir = captured_function(function, inputs).ir
    name = ir.ops[0].name
    for choices, line in (
        (
            {"gemm_99": {"m": 4}},
            f"names op 'gemm_99', which is none of this model's; its products are {name}",
        ),
        (
            {name: {"m": 4096, "k": 4096, "columns": 4096}},
            f"has m = 4096, k = 4096, columns = 4096 for op '{name}', which cannot go to the device: no block",
        ),
    ):
        with pytest.raises(PlanError, match=line):
            make_plan(ir, small.machine, timer=small.target.timer, choices=choices)
