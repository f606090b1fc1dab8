# SPDX-License-Identifier: Apache-2.0
"""docs/own_rules.md: its listings are run, and its names are those of the code."""

import dataclasses
import inspect
import re

import pytest
import torch
from acalsim_backend.rules import Op, Rule, Tensor
from conftest import ROOT
from host_fixtures import f
from rule_fixtures import COMPUTE, ECHO, placed, program

pytestmark = pytest.mark.quick

PAGE = (ROOT / "docs/own_rules.md").read_text()
FIRST, SCORES, PRODUCT = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
DRIVER = "\n    def driver(self, op: Op) -> str:\n        return ''\n"


def test_the_rule_of_the_page_takes_softmaxes_over_the_last_dimension(rules_bench):
    assert FIRST.count("\n") <= 30
    (rules_bench.folder / "rules.py").write_text(FIRST)
    plan = rules_bench.plan(lambda x: torch.softmax(torch.softmax(x, 0), 1), f(3, 5))
    assert [kernel.driven for kernel in plan.kernels] == [None, "echo"]
    for line in (
        "WRITE(SOURCE, x0);",
        "WRITE(TARGET, y);",
        "WRITE(ROWS, 3);",
        "WRITE(COLUMNS, 5);",
        "RUN();",
    ):
        assert line in program(plan)


def test_the_rule_of_the_page_is_that_of_the_examples():
    example = (ROOT / "examples/devices/softmax_py/rules.py").read_text()
    assert example.partition("\n")[2] == FIRST


def test_the_pattern_of_the_page_takes_the_longest(rules_bench):
    rules_bench.file(SCORES + DRIVER)
    functions = [
        lambda x: torch.softmax(x / 3 + 1, -1),
        lambda x: torch.softmax(x * 3, -1),
        lambda x: torch.softmax(x + 3, -1),
    ]
    found = [placed(rules_bench.plan(function, f(3, 5))) for function in functions]
    assert found == [{"DIV ADD SOFTMAX": "echo"}, {"MUL SOFTMAX": "echo"}, {"ADD": None, "SOFTMAX": "echo"}]


def test_the_cycles_of_the_page_are_compared(rules_bench, engine_library):
    rules_bench.file(PRODUCT + DRIVER)
    machine = rules_bench.machine(COMPUTE, ECHO)
    small, large = (
        rules_bench.plan(torch.bmm, f(1, size, size), f(1, size, size), machine=machine) for size in (4, 64)
    )
    assert placed(small) == {"BMM": "compute"} and placed(large) == {"BMM": None}
    assert small.kernels[0].reason.startswith("104 cycles by rule 'Product' of 'compute', ")


@pytest.mark.parametrize("kind", [Op, Tensor])
def test_what_the_page_says_of_ops_and_tensors_is_there(kind):
    table = PAGE.split(f"| of {'an op' if kind is Op else 'a tensor'} | |")[1].split("\n\n")[0]
    said = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE))))
    there = {field.name for field in dataclasses.fields(kind)}
    there |= {name for name, value in vars(kind).items() if isinstance(value, property)}
    assert said - {"x"} == there - {"name" if kind is Tensor else "", "pointer"}


def test_what_the_page_says_of_rules_is_there():
    table = PAGE.split("| a rule has | |")[1].split("\n\n")[0]
    said = {name.split("(")[0] for name in re.findall(r"^\| `(?!self)(.*?)`", table, re.MULTILINE)}
    methods = {name for name, value in vars(Rule).items() if inspect.isfunction(value)} - {"__init__"}
    assert said == methods | set(Rule.__annotations__)


def test_the_macros_of_the_page_are_those_of_the_header():
    header = (ROOT / "kernels/rule.h").read_text()
    for name in ("WRITE", "READ", "BITS", "START", "WAIT", "RUN"):
        assert f"`{name}(" in PAGE and f"#define {name}(" in header
