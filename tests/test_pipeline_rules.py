# SPDX-License-Identifier: Apache-2.0
"""A user's rules in builds: what is redone, and what is said of a rule that is wrong."""

import pytest
from pipeline_fixtures import refused, report_of, stages_run
from rule_fixtures import ECHO, HEAD, RAM

RULES = """\
from held import PLACE


class Relu(Rule):
    matches = "RELU"

    def driver(self, op: Op) -> str:
        x, y = op.inputs[0], op.output
        return f\"\"\"
            for (int i = 0; i < {x.elements}; i++) {{
                WRITE(DATA_IN, BITS({x}[i] > 0 ? {x}[i] : 0));
                {PLACE}[i] = float_of(READ(DATA_OUT));
            }}
        \"\"\"
"""
RULES_LINE = HEAD.count("\n") + 12
"""Of the line with PLACE, in the file."""


@pytest.fixture
def unit(tree):
    """The arguments of a build on a machine whose Echo device has rules."""
    folder = tree / "unit"
    folder.mkdir()
    (folder / "unit.toml").write_text(RAM + ECHO + 'rules = "rules.py"\n')
    (folder / "rules.py").write_text(HEAD + RULES)
    (folder / "held.py").write_text('PLACE = "y"\n')
    (folder / "other.py").write_text("")
    return tree, f"MACHINE={folder}/unit.toml"


def test_a_program_is_made_anew_when_its_rules_change_and_only_then(unit):
    tree, machine = unit
    tree.scons(machine, "sim-mlp")
    report = report_of(tree, "mlp", "build/unit")
    assert {"echo"} == {op["placed_on"] for op in report["ops"] if op["type"] == "RELU"}
    tree.edit("unit/other.py", "", "VALUE = 1\n")
    assert not stages_run(tree.scons(machine, "sim-mlp"))
    for file in ("unit/held.py", "unit/rules.py"):
        (tree / file).write_text((tree / file).read_text() + "# a word\n")
        assert stages_run(tree.scons(machine, "sim-mlp")) == {("codegen", "mlp")}
    assert not (tree / "unit/__pycache__").exists()
    assert not stages_run(tree.scons("sim-mlp"))


def test_c_that_does_not_compile_is_one_line(unit):
    tree, machine = unit
    tree.edit("unit/held.py", '"y"', '"nowhere"')
    done = tree.scons(machine, "build/unit/mlp.elf", check=False)
    assert refused(done, rf"^compile: rules\.py:{RULES_LINE}:17: error: .*nowhere")
    assert len([line for line in done.stderr.splitlines() if not line.startswith("scons:")]) == 1


def test_a_driver_that_writes_elsewhere_is_named(unit):
    tree, machine = unit
    tree.edit("unit/held.py", '"y"', '"((float *)x0)"')
    done = tree.scons(machine, "verify-mlp", check=False)
    assert refused(done, r"^simulate: .*op_relu_\d+: its driver changed t_\d+, which is not its result")


def test_a_driver_that_writes_nothing_is_named(unit):
    tree, machine = unit
    tree.edit("unit/held.py", '"y"', '"((float[256]){0})"')
    done = tree.scons(machine, "verify-mlp", check=False)
    assert refused(done, r"^verify: op 'relu_\d+', RELU of aten.relu.default .* is the first that differs")


def test_an_exception_in_a_rule_is_one_line(unit):
    tree, machine = unit
    tree.edit("unit/rules.py", "op.inputs[0], op.output", "op.inputs[1], op.output")
    done = tree.scons(machine, "build/unit/mlp.elf", check=False)
    line = HEAD.count("\n") + 8
    assert refused(
        done,
        rf"^rule: {tree.folder}/unit/rules\.py:{line}: in driver\(\) of op 'relu_\d+': IndexError: tuple",
    )
