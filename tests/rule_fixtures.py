# SPDX-License-Identifier: Apache-2.0
"""Machines whose devices have rules, and plans on them."""

import textwrap

import pytest
from acalsim_backend.codegen.generator import timer_for
from acalsim_backend.codegen.program import c_source
from acalsim_backend.machine.file import load_machine
from acalsim_backend.schedule.passes import make_plan
from host_fixtures import captured_function

RAM = "[ram]\nsize_bytes = 0x1000000\n"
ECHO = '[devices.echo]\nmodel = "echo"\nbase = 0x10200000\n'
COMPUTE = '[devices.compute]\nmodel = "compute"\nbase = 0x10300000\nlanes = 16\nspecial_lanes = 4\n'
HEAD = "from acalsim_backend.rules import Op, Rule\n"


def rule(name="R", matches='"RELU"', **methods):
    """The text of a rule; each method's body is an expression."""
    driver = methods.pop("driver", "'/* nothing */'")
    lines = [f"class {name}(Rule):", f"    matches = {matches}"]
    lines += [f"    {key} = {value}" for key, value in methods.items() if key in ("strided", "declarations")]
    bodies = {
        "driver": driver,
        **{key: value for key, value in methods.items() if key in ("takes", "cycles")},
    }
    for key, body in bodies.items():
        lines += [f"    def {key}(self, op: Op):", f"        return {body}"]
    return "\n".join(lines) + "\n"


class Bench:
    """A folder with a machine file and rules, and what is planned there."""

    def __init__(self, folder, library):
        self.folder, self.library = folder, library

    def file(self, text, name="rules.py"):
        (self.folder / name).write_text(HEAD + textwrap.dedent(text))
        return self

    def machine(self, *tables, rules="rules.py"):
        """The tables, the first of which has the rules."""
        first, *others = tables or (ECHO,)
        path = self.folder / "m.toml"
        path.write_text(RAM + first + f'rules = "{rules}"\n' + "".join(others))
        return load_machine(str(path))

    def plan(self, function, *inputs, machine=None, **options):
        machine = machine or self.machine()
        timer = timer_for(machine, self.library) if machine.device("compute") else None
        return make_plan(captured_function(function, inputs).ir, machine, timer=timer, **options)


@pytest.fixture
def rules_bench(tmp_path, request):
    """A Bench; only a test that asks for `engine_library` as well has compute devices."""
    asks = "engine_library" in request.fixturenames
    return Bench(tmp_path, request.getfixturevalue("engine_library") if asks else None)


def placed(plan):
    """The kernels by the names of their ops' types, and the device that a rule gave each to."""
    return {" ".join(op.op_type.name for op in kernel.ops): kernel.driven for kernel in plan.kernels}


def program(plan):
    return c_source(plan.ir, plan, plan.target.machine)
