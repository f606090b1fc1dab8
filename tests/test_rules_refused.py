# SPDX-License-Identifier: Apache-2.0
"""What is wrong in a user's rules is one line with the file and, where there is one, the line."""

import sys

import pytest
import torch
from acalsim_backend.errors import MachineError, RuleError
from acalsim_backend.machine.file import load_machine
from acalsim_backend.rules import Op, Tensor
from acalsim_backend.rules.load import load_rules
from host_fixtures import f
from rule_fixtures import ECHO, program, rule

pytestmark = pytest.mark.quick

OP = Op("RELU", "relu_0", (), Tensor("t_1", (4,), "float32", (1,)))

WRONG = {
    "unknown type": (
        rule(matches='"SOFTMX"'),
        r"rules.py:4: rule 'R': there is no op type 'SOFTMX'; near it are SOFTMAX",
    ),
    "lower case": (rule(matches='"relu"'), r"there is no op type 'relu'; near it are RELU"),
    "nothing near": (rule(matches='"QQQQ"'), r"no op type 'QQQQ'; the types are those of ACALSimOpType"),
    "no pattern": (rule(matches='""'), r"rule 'R': matches nothing"),
    "an exception": (rule(takes="1 // 0"), r"rules.py:7: in takes\(\) of op 'relu_0': ZeroDivisionError: "),
    "of a helper": (
        "def helper(op):\n    return op.nothing\n" + rule(takes="helper(op)"),
        r"rules.py:3: in takes\(\) of op 'relu_0': AttributeError: 'Op' object has no attribute 'nothing'",
    ),
    "when it is read": ("1 / 0\n", r"rules.py:2: when it is read: ZeroDivisionError: "),
    "an import": ("import nowhere\n", r"rules.py:2: when it is read: ModuleNotFoundError: "),
    "no rule": ("x = 1\n", r"rules.py: no rule in it; a rule is a class that derives from Rule"),
    "no driver": (
        'class R(Rule):\n    matches = "RELU"\n',
        r"rules.py:1: rule 'R': has no driver\(self, op\), which gives the C",
    ),
    "no C": (rule(driver="7"), r"rules.py:4: rule 'R': driver\(...\) of op 'relu_0' is 7; it is C, as text"),
    "half a cycle": (rule(cycles="0.5"), r"cycles\(...\) of op 'relu_0' is 0.5; it is a whole number"),
    "a file": (
        rule(takes="open('/etc/passwd')"),
        r"rules.py:7: reads '/etc/passwd', a change of which no build would notice; put it in a .py beside",
    ),
    "an inner tensor": (
        rule(matches='"RELU EXP"', driver="f'{op.parts[0].output}'"),
        r"rules.py:5: tensor 't_1' is inside the pattern and never in memory: it has no pointer",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_rule_is_refused_in_one_line(rules_bench, name):
    text, line = WRONG[name]
    with pytest.raises(RuleError, match=line) as found:
        program(rules_bench.file(text).plan(lambda x: torch.exp(torch.relu(x)), f(4)))
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    "text,line",
    [
        ("def f(:\n", r"rules.py:2: invalid syntax"),
        ("import torch\n", r"rules.py:2: a rule imports no torch"),
        ("def f():\n    from torch import nn\n", r"rules.py:3: a rule imports no torch"),
    ],
)
def test_what_can_be_seen_without_running_it_is_refused_with_the_machine(rules_bench, text, line):
    with pytest.raises(RuleError, match=line):
        rules_bench.file(text).machine()


@pytest.mark.parametrize("said", ['"nowhere.py"', "7", '""'])
def test_rules_that_are_no_file_are_refused(rules_bench, said):
    (rules_bench.folder / "m.toml").write_text(ECHO + f"rules = {said}\n")
    with pytest.raises(MachineError, match=r"m\.toml: devices\.echo\.rules is .*; there is no file"):
        rules_bench.machine(rules=said.strip('"'))


# --- what a rules file is made of --------------------------------------------------------------------


def test_a_rules_file_is_known_with_what_it_imports_beside_it(rules_bench):
    (rules_bench.folder / "part").mkdir()
    (rules_bench.folder / "part/__init__.py").write_text("from .inner import NAME\n")
    (rules_bench.folder / "part/inner.py").write_text('NAME = "RELU"\n')
    rules_bench.file("from part import NAME\nimport sizes\n" + rule(matches="NAME", takes="sizes.MOST > 3"))
    (rules_bench.folder / "sizes.py").write_text("MOST = 4\n")
    (rules_bench.folder / "other.py").write_text("")
    (file,) = rules_bench.machine().rules
    assert [path.name for path in file.files] == ["rules.py", "__init__.py", "sizes.py", "inner.py"]
    view = rules_bench.machine().compile_view()
    (rules_bench.folder / "other.py").write_text("MOST = 5\n")
    assert rules_bench.machine().compile_view() == view
    views = {view}
    for name in ("part/inner.py", "sizes.py", "rules.py"):
        (rules_bench.folder / name).write_text((rules_bench.folder / name).read_text() + "# more\n")
        views.add(rules_bench.machine().compile_view())
    assert len(views) == 4
    (loaded,) = load_rules(rules_bench.machine())
    assert loaded.patterns and loaded.takes(OP)
    assert "sizes" not in sys.modules and not list(rules_bench.folder.rglob("__pycache__"))


def test_files_of_the_same_name_in_two_folders_are_two(rules_bench):
    for folder, most in (("a", 1), ("b", 2)):
        (rules_bench.folder / folder).mkdir()
        (rules_bench.folder / folder / "sizes.py").write_text(f"MOST = {most}\n")
        rules_bench.file("import sizes\n" + rule(f"R{most}", cycles="sizes.MOST"), f"{folder}/rules.py")
    second = '[devices.b]\nmodel = "compute"\nbase = 0x10400000\n'
    machine = rules_bench.machine(ECHO, second + 'rules = "b/rules.py"\n', rules="a/rules.py")
    assert [(each.name, each.device, each.cycles(OP)) for each in load_rules(machine)] == [
        ("R1", "echo", 1),
        ("R2", "b", 2),
    ]


def test_a_machine_without_rules_runs_no_user_code(rules_bench):
    path = rules_bench.folder / "m.toml"
    path.write_text(ECHO)
    rules_bench.file("raise SystemExit\n")
    assert load_machine(str(path)).rules == () and load_rules(load_machine(str(path))) == ()
