# SPDX-License-Identifier: Apache-2.0
"""A user's rules: what they take, how it is handed to them, and what becomes of the rest."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from acalsim_backend import pipeline
from acalsim_backend.errors import ToolchainError
from acalsim_backend.schedule.plan_rows import plan_file
from host_fixtures import captured_function, f
from rule_fixtures import COMPUTE, ECHO, Bench, placed, program, rule

pytestmark = pytest.mark.quick


def attention(q, k):
    return torch.softmax((q @ k) * 0.25 + 1, -1)


def taken(plan):
    """What each driven kernel finds and leaves: the C arguments of its call."""
    lines = program(plan).splitlines()
    return [line.strip() for line in lines if "_DEVICE_BASE, " in line]


# --- which ops -------------------------------------------------------------------------------------


def test_a_rule_takes_ops_by_type_and_leaves_the_others_where_they_were(rules_bench):
    plan = rules_bench.file(rule(matches='"SOFTMAX"')).plan(
        lambda x: torch.relu(torch.softmax(x, -1)), f(4, 5)
    )
    assert placed(plan) == {"SOFTMAX": "echo", "RELU": None}
    assert [kernel.name for kernel in plan.kernels] == ["softmax_0", "relu_1"]


def test_a_rule_is_shown_shapes_dtypes_attributes_and_the_models_line(rules_bench):
    said = (
        "op.inputs[0].shape == (4, 5) and op.output.dtype == 'float32' and op.attrs['dim'] == -1"
        " and op.inputs[0].size_bytes == 80 and 'test_rules.py:' in op.source and op.type == 'SOFTMAX'"
        " and not op.inputs[0].is_constant and op.inputs[0].is_dense"
    )
    rules_bench.file(rule(matches='"SOFTMAX"', takes=said))
    assert placed(rules_bench.plan(lambda x: torch.softmax(x, -1), f(4, 5))) == {"SOFTMAX": "echo"}
    assert placed(rules_bench.plan(lambda x: torch.softmax(x, 0), f(4, 5))) == {"SOFTMAX": None}
    assert placed(rules_bench.plan(lambda x: torch.softmax(x, -1), f(4, 6))) == {"SOFTMAX": None}


def test_a_pattern_is_one_kernel_in_which_nothing_else_exists(rules_bench):
    takes = (
        "[part.type for part in op.parts] == 'MUL ADD SOFTMAX'.split() and op.parts[0].attrs['other'] == 0.25"
    )
    rules_bench.file(rule(matches='"MUL|DIV ADD SOFTMAX"', takes=takes))
    plan = rules_bench.plan(attention, f(2, 4, 8), f(2, 8, 6), keep_all=True)
    assert placed(plan) == {"BMM": None, "MUL ADD SOFTMAX": "echo"}
    kernel = plan.kernels[-1]
    assert kernel.name.startswith("softmax") and kernel.results == (plan.ir.outputs[0],)


def test_a_product_gives_a_pattern_its_name(rules_bench):
    plan = rules_bench.file(rule(matches='"BMM MUL"')).plan(attention, f(2, 4, 8), f(2, 8, 6))
    assert plan.kernels[0].name.startswith("bmm") and plan.kernels[0].driven == "echo"


def test_a_pattern_goes_through_views_and_stops_where_others_read(rules_bench):
    rules_bench.file(rule(matches='"RELU EXP"'))
    assert "RELU EXP" in placed(rules_bench.plan(lambda x: torch.exp(torch.relu(x).view(20)), f(4, 5)))
    for function in (
        lambda x: (torch.exp(y := torch.relu(x)), y + 1),
        lambda x: (torch.exp(y := torch.relu(x)), y),
        lambda x: torch.exp(torch.relu(x).T),
    ):
        assert "echo" not in placed(rules_bench.plan(function, f(4, 5))).values()


def test_the_first_pattern_that_matches_has_the_ops(rules_bench):
    rules_bench.file(rule(matches='"RELU EXP", "EXP"'))
    plan = rules_bench.plan(lambda x: torch.exp(torch.relu(torch.exp(x))), f(4, 5))
    assert placed(plan) == {"EXP": "echo", "RELU EXP": "echo"}


def test_nothing_is_fused_with_what_a_rule_has_taken(rules_bench):
    """Neither behind it, nor before it, nor into it: only its pattern says what belongs together."""
    rules_bench.file(rule(matches='"SUM", "SQRT"'))
    plan = rules_bench.plan(lambda x: torch.relu(torch.exp(x).sum(-1).sqrt()), f(4, 5))
    assert placed(plan) == {"EXP": None, "SUM": "echo", "SQRT": "echo", "RELU": None}


def test_a_result_that_is_not_read_again_is_not_written_over_its_operand(rules_bench):
    plan = rules_bench.file(rule()).plan(lambda x: torch.exp(torch.relu(torch.exp(x))), f(40))
    first, second = (plan.places[plan.access[name].storage] for name in ("t_1", "t_2"))
    assert first.offset != second.offset


# --- how it is handed to them -----------------------------------------------------------------------


def test_operands_are_dense_where_a_rule_does_not_say_strided(rules_bench):
    rules_bench.file(rule())
    plan = rules_bench.plan(lambda x: torch.relu(x.T), f(4, 5))
    assert placed(plan) == {"COPY": None, "RELU": "echo"}
    assert "relu" in taken(plan)[0] and "copy" in taken(plan)[0]


def test_a_strided_rule_sees_the_strides_and_may_refuse_them(rules_bench):
    driver = "f'/* strides {op.inputs[0].strides} */'"
    rules_bench.file(rule(strided=True, driver=driver))
    plan = rules_bench.plan(lambda x: torch.relu(x.T), f(4, 5))
    assert placed(plan) == {"RELU": "echo"} and "/* strides (1, 5) */" in program(plan)
    rules_bench.file(rule(strided=True, takes="op.inputs[0].is_dense", driver=driver))
    plan = rules_bench.plan(lambda x: torch.relu(x.T), f(4, 5))
    assert placed(plan) == {"COPY": None, "RELU": "echo"} and "/* strides (4, 1) */" in program(plan)


def test_a_dense_part_of_another_tensor_is_handed_over_where_it_lies(rules_bench):
    rules_bench.file(rule())
    plan = rules_bench.plan(lambda x, y: torch.cat([torch.relu(x[2:]), torch.relu(y)]), f(4, 5), f(2, 5))
    assert placed(plan) == {"RELU": "echo"} and len(plan.kernels) == 2
    assert [line.split('", ')[1] for line in taken(plan)] == ["input_0 + 10, t_5);", "input_1, t_5 + 10);"]


def test_ops_that_differ_in_their_places_alone_share_one_function(rules_bench):
    plan = rules_bench.file(rule()).plan(lambda x, y: (torch.relu(x), torch.relu(y)), f(4), f(4))
    text = program(plan)
    assert text.count("OP void kernel_") == 1 and text.count("kernel_relu_0(ECHO_DEVICE_BASE") == 2
    assert 'kernel_relu_0(ECHO_DEVICE_BASE, "relu_1"' in text


# --- where it pays ----------------------------------------------------------------------------------


def reasons(rules_bench, plan):
    return {
        row.name: (row.placed_on, row.reason) for row in plan_file(plan.ir, plan, plan.target.machine).ops
    }


@pytest.mark.parametrize("cycles,place", [(1, "echo"), (10**9, "compute")])
def test_the_cheaper_one_has_an_op_and_the_report_says_so(rules_bench, engine_library, cycles, place):
    rules_bench.file(rule(matches='"SOFTMAX"', cycles=str(cycles)))
    plan = rules_bench.plan(
        lambda x: torch.softmax(x, -1), f(8, 16), machine=rules_bench.machine(ECHO, COMPUTE)
    )
    ((where, why),) = reasons(rules_bench, plan).values()
    assert where == place
    assert why.startswith(f"{cycles} cycles by rule 'R' of 'echo', ") and why.endswith(" on compute")


def test_what_the_cpu_takes_is_compared_too(rules_bench):
    rules_bench.file(rule(matches='"SOFTMAX"', cycles="10 ** 9"))
    plan = rules_bench.plan(lambda x: torch.softmax(x, -1), f(8, 16))
    ((where, why),) = reasons(rules_bench, plan).values()
    assert where == "cpu" and " on the CPU; " in why


def test_a_rule_without_cycles_has_its_ops_whatever_they_take(rules_bench, engine_library):
    rules_bench.file(rule(matches='"MATMUL"'))
    plan = rules_bench.plan(
        lambda a, b: a @ b, f(64, 64), f(64, 64), machine=rules_bench.machine(ECHO, COMPUTE)
    )
    assert placed(plan) == {"MATMUL": "echo"}
    assert reasons(rules_bench, plan) == {"matmul_0": ("echo", "")}


def test_of_rules_that_foretell_the_same_ops_the_cheapest_wins(rules_bench):
    rules_bench.file(rule("Slow", cycles="200") + rule("Fast", cycles="20"))
    plan = rules_bench.plan(torch.relu, f(400))
    assert "by rule 'Fast'" in plan.kernels[0].reason


def test_devices_are_asked_in_the_order_of_the_machine_file(rules_bench):
    rules_bench.file(rule()).file(rule("S"), "others.py")
    second = '[devices.a]\nmodel = "compute"\nbase = 0x10300000\nrules = "others.py"\n'
    for tables, first in (((ECHO, second), "echo"), ((second.replace("rules", "# "), ECHO), "a")):
        machine = rules_bench.machine(*tables)
        assert [each.device for each in machine.rules][0] == first


def test_what_the_tiling_file_places_no_rule_takes(rules_bench):
    plan = rules_bench.file(rule(matches='"MATMUL"')).plan(
        lambda a, b: a @ b, f(4, 4), f(4, 4), choices={"matmul_0": {"on": "cpu"}}
    )
    assert placed(plan) == {"MATMUL": None}


@pytest.mark.parametrize("matches", ["SOFTMAX", "BMM"])
def test_attention_is_not_one_kernel_where_a_rule_takes_part_of_it(rules_bench, engine_library, matches):
    rules_bench.file(rule(matches=f'"{matches}"'))
    inputs = [f(1, 2, 8, 16)] * 3
    plan = rules_bench.plan(
        F.scaled_dot_product_attention, *inputs, machine=rules_bench.machine(ECHO, COMPUTE)
    )
    taken = [kernel.anchor.op_type.name for kernel in plan.kernels if kernel.driven]
    assert taken == {"SOFTMAX": ["SOFTMAX"], "BMM": ["BMM", "BMM"]}[matches] and not plan.attentions


# --- what it computes -------------------------------------------------------------------------------

RULES = '''
class Relu(Rule):
    """Through the Echo device."""
    matches = "RELU"

    def driver(self, op):
        x, y = op.inputs[0], op.output
        return f"""
            for (int i = 0; i < {x.elements}; i++) {{
                WRITE(DATA_IN, BITS({x}[i] > 0 ? {x}[i] : 0));
                {y}[i] = float_of(READ(DATA_OUT));
            }}
        """


class Scores(Rule):
    """A scale, a summand and a softmax at once, by the CPU itself."""
    matches = "MUL ADD SOFTMAX"
    declarations = "#include <math.h>"

    def driver(self, op):
        x, y, size = op.inputs[0], op.output, op.output.shape[-1]
        scale, summand = (part.attrs["other"] for part in op.parts[:2])
        return f"""
            for (long row = 0; row < {x.elements}; row += {size}) {{
                double sum = 0;
                for (int i = 0; i < {size}; i++) sum += exp({x}[row + i] * {scale} + {summand});
                for (int i = 0; i < {size}; i++) {y}[row + i] = exp({x}[row + i] * {scale} + {summand}) / sum;
            }}
        """


class Product(Rule):
    """By the compute device, whose list the driver writes."""
    matches = "BMM"

    def driver(self, op):
        a, b = op.inputs
        (_, m, k), n = a.shape, b.shape[-1]
        load = "{.code = COMMAND_LOAD, .rows = 1, .row_bytes = %d, .a = %d, .dram = (uintptr_t)%s}"
        at, end = 4 * m * k, 4 * k * n
        return f"""
            struct DeviceCommand list[] = {{
                {load % (at, 0, a)}, {load % (end, at, b)},
                {{.code = COMMAND_MATMUL, .m = {m}, .n = {n}, .k = {k}, .b = {at}, .c_row_stride = {4 * n},
                  .a_inner_stride = {4 * k}, .a_k_inner_stride = 4, .b_inner_stride = 4,
                  .b_k_inner_stride = {4 * n}}},
                {{.code = COMMAND_STORE, .m = {m}, .n = {n}, .rows = 1, .row_bytes = {4 * m * n},
                  .c_row_stride = {4 * n}, .dram = (uintptr_t)y}},
            }};
            compute_run(COMPUTE_DEVICE_BASE, list, sizeof list);
        """
'''


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The report of a program of which rules have each op but the last."""
    rules_bench = Bench(tmp_path_factory.mktemp("rules"), None).file(RULES)
    machine = rules_bench.machine(ECHO, COMPUTE)
    captured = captured_function(lambda q, k: attention(F.relu(q), k) - 1, [f(1, 4, 8), f(1, 8, 6)])
    outputs, report = pipeline.run_graph(
        rules_bench.folder / "out", captured.ir, captured.inputs, captured.references, str(machine.path)
    )
    np.testing.assert_allclose(outputs[0], captured.references[0], rtol=1e-5, atol=1e-6)
    return report


def test_what_rules_compute_equals_pytorchs(ran):
    assert ran.check.passed
    assert [(op.type, op.placed_on) for op in ran.ops] == [
        ("RELU", "echo"),
        ("BMM", "echo"),
        ("SOFTMAX", "echo"),
        ("SUB", "compute"),
    ]


def test_the_cycles_of_a_driver_are_its_ops(ran):
    """All sums are held when a report is made; here, that waiting is booked to whom it belongs."""
    relu, product, scores, _ = ran.ops
    assert relu.ledger.stall >= 32 * 10 and relu.ledger.compute == 0
    assert product.ledger.compute > 0 and product.ledger.dram > 0
    assert scores.cycles == scores.ledger.cpu
    assert scores.torch_ops == ("aten._softmax.default", "aten.mul.Tensor", "aten.add.Tensor")


def test_c_that_does_not_compile_is_a_complaint_about_the_users_line(rules_bench):
    text = "    def driver(self, op):\n        return '''\n            int a = 1;\n            nonsense(a);\n        '''\n"
    rules_bench.file('class R(Rule):\n    matches = "RELU"\n\n' + text)
    captured = captured_function(torch.relu, [f(4)])
    with pytest.raises(ToolchainError, match=r"rules\.py:8:13: error: .*nonsense"):
        pipeline.build_graph(
            rules_bench.folder / "out", captured.ir, captured.inputs, str(rules_bench.machine().path)
        )
