# SPDX-License-Identifier: Apache-2.0
"""SCons tool: what is made of reports.

`compare` says what changed from one machine, or one report, to another. `baseline` keeps cycles in a
file, and `check-baseline` holds later ones to it.
"""

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acalsim_backend.errors import AcalsimError
from acalsim_build.variables import machine_names, resolve_machine, stop
from SCons.Script import COMMAND_LINE_TARGETS, Action

TOOLPATH = "#site_scons/site_tools"
LIST = """\
models    {models}
machines  {machines}

For each model NAME: sim-NAME, verify-NAME, debug-NAME, build/NAME.elf. On another machine: MACHINE=NAME."""


@dataclass(frozen=True)
class Side:
    """A or B: a report's file, or the environment of a machine whose reports are built."""

    name: str
    report: str = ""
    env: Any = None

    @property
    def place(self):
        return self.report or f"{self.env['BUILD']}/reports"


def generate(env):
    for method in (Compared, Compare, Baseline, Doctor, List):
        env.AddMethod(method)


def exists(env):
    return True


def Compared(env):
    """(environment, model) of all that `compare` needs beside what `env` builds itself."""
    if "compare" not in COMMAND_LINE_TARGETS:
        return []
    env["SIDES"] = sides = [side(env, "A"), side(env, "B")]
    env["COMPARED"] = compared_models(env, sides)
    variants = {each.env["BUILD"]: each.env for each in sides if each.env}
    for each in sides:
        if each.env and each.env["MACHINE_FILE"] != variants[each.env["BUILD"]]["MACHINE_FILE"]:
            stop(
                env, f"A and B would both lie in {each.env['BUILD']}; give the machine files different names"
            )
    others = [variant for variant in variants.values() if variant is not env]
    return [(each, model) for each in others for model in each.Models() if model.name in env["COMPARED"]]


def Compare(env):
    """The target `compare`: machines' reports are built first, files are taken as they are."""
    if "compare" not in COMMAND_LINE_TARGETS:
        return
    sides, names = env["SIDES"], env["COMPARED"]
    reports = [f"{each.place}/{name}.json" for each in sides if each.env for name in names]
    places = " ".join(quoted(each.place) for each in sides)
    command = f"$( $PYTHON $) -m acalsim_backend.compare {places} --models {','.join(names)}"
    page = "-".join(Path(each.name).stem for each in sides)
    command += f" --html {quoted(env['BUILD'] + '/compare/' + page + '.html')}"
    subject = f"{sides[0].name} with {sides[1].name}"
    env.AlwaysBuild(env.Alias("compare", reports, Action(command, **env.Saying("compare", subject))))


def Baseline(env):
    """The targets `baseline` and `check-baseline`, of all models or those that MODEL names."""
    for target, what in (("baseline", "write"), ("check-baseline", "check")):
        if target not in COMMAND_LINE_TARGETS:
            continue
        if not re.fullmatch(r"\d+(\.\d+)?", env["TOLERANCE"]):
            stop(env, f"TOLERANCE is '{env['TOLERANCE']}'; it is a number of per cent, 0 or more")
        reports = [f"{env['BUILD']}/reports/{name}.json" for name in chosen_models(env)]
        options = [f"--baseline={os.path.expanduser(env['BASELINE'])}"]
        options += [f"--models={env['MODEL']}"] * bool(env["MODEL"])
        options += [f"--tolerance={env['TOLERANCE']}"] * (what == "check")
        command = (
            f"$( $PYTHON $) -m acalsim_backend.baseline {what} $SOURCES {' '.join(map(quoted, options))}"
        )
        env.AlwaysBuild(env.Alias(target, reports, Action(command, **env.Saying(target, env["BASELINE"]))))


def Doctor(env):
    """The target `doctor`: which tools there are, and how to get those that are missing."""
    command = "$( $PYTHON $) -m acalsim_backend.doctor"
    env.AlwaysBuild(env.Alias("doctor", [], Action(command, **env.Saying("doctor", "tools and versions"))))


def List(env):
    """The target `list`: models and machines, and what their targets are called."""
    text = LIST.format(models=" ".join(model.name for model in env.Models()), machines=machine_names())

    def show(target, source, env):
        print(text)

    env.AlwaysBuild(env.Alias("list", [], Action(show, cmdstr=None)))


def side(env, variable):
    given = env[variable]
    if not given:
        stop(env, "compare takes A and B: two machines, as MACHINE has them, or two reports: A=default B=cpu")
    if given.endswith(".json"):
        if not os.path.isfile(given):
            stop(env, f"{variable} is '{given}'; there is no such report")
        return Side(given, report=given)
    variant = env.Clone(MACHINE=given)
    resolve_machine(variant)
    if variant["BUILD"] == env["BUILD"]:
        if variant["MACHINE_FILE"] != env["MACHINE_FILE"]:
            stop(env, f"{variable} and MACHINE would both lie in {env['BUILD']}; leave MACHINE out")
        return Side(given, env=env)
    variant.Tool("riscv", toolpath=[TOOLPATH])
    return Side(given, env=variant)


def compared_models(env, sides):
    """The models named by MODEL, else a given report's own, else all."""
    reports = [each.report for each in sides if each.report]
    if len(reports) == 1 and not env["MODEL"]:
        from acalsim_backend.report.read import read_report  # which no other build needs to load

        try:
            return [known_model(env, read_report(Path(reports[0])).model, reports[0])]
        except AcalsimError as error:
            stop(env, f"{error.room}: {error}")
    return chosen_models(env)


def chosen_models(env):
    """Those that MODEL names, else all."""
    if not env["MODEL"]:
        return [model.name for model in env.Models()]
    return [known_model(env, name, "MODEL") for name in env["MODEL"].split(",")]


def known_model(env, name, where):
    names = [model.name for model in env.Models()]
    if name not in names:
        stop(env, f"{where} names model '{name}'; there are {', '.join(names)}")
    return name


def quoted(text):
    return shlex.quote(text).replace("$", "$$")
