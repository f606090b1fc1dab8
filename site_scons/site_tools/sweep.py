# SPDX-License-Identifier: Apache-2.0
"""SCons tool: a model on many machines. `sweep-NAME` and `sweep` measure the points of a file SWEEP,
`advise-NAME` says what each key of the machine is worth.
"""

import os

from acalsim_backend.errors import AcalsimError
from acalsim_backend.machine.file import load_machine
from acalsim_build import products
from acalsim_build.commands import Word, words
from acalsim_build.models import captures_of
from acalsim_build.variables import stop
from SCons.Script import COMMAND_LINE_TARGETS, GetOption

MACHINE = ("--machine", "$MACHINE_FILE")
PAGE_ASSETS = "#site_scons/acalsim_backend/report/page/assets/*"
CACHE = "build/sweeps/.points"
"""What sweeps keep from one to the next; no sweep has a name that begins with a dot."""


def generate(env):
    for method in (Sweep, Advise):
        env.AddMethod(method)


def exists(env):
    return True


def Sweep(env, captures, host):
    """The targets `sweep-NAME` and `sweep` that were asked for; captures are nodes by model."""
    wanted = [target for target in COMMAND_LINE_TARGETS if target == "sweep" or target.startswith("sweep-")]
    if not wanted:
        return
    sweep = swept(env)
    models = {model.name: model for model in env.Models()}
    for target in wanted:
        names = [target.removeprefix("sweep-")] if target != "sweep" else list(sweep.models)
        if not names:
            stop(env, f"{sweep.path} has no 'models', of which sweep would be; sweep-NAME is of one")
        unknown = [name for name in names if name not in models]
        if unknown:
            stop(env, f"there is no model '{unknown[0]}' to sweep; there are {', '.join(models)}")
        out = f"{env['BUILD']}/sweeps/{sweep.name}" + (f"/{names[0]}" if target != "sweep" else "")
        given = [
            (models[name], precision, captured(env, models[name], precision, captures, host))
            for name in names
            for precision in sweep.precisions or [env["PRECISION"]]
        ]
        env.Alias(target, table(env, sweep, out, given, host))


def swept(env):
    """The file SWEEP, which has to be one before anything is built."""
    if not env["SWEEP"]:
        stop(env, "a sweep takes its file: SWEEP=my.toml; docs/explore.md says what is in it")
    if env["ENGINE"] != "embedded":
        stop(
            env, f"ENGINE is '{env['ENGINE']}'; sweeps have the embedded engine, which gives the same cycles"
        )
    from acalsim_backend.sweep.space import read_sweep  # which no other build needs to load

    try:
        return read_sweep(os.path.expanduser(env["SWEEP"]), str(env["MACHINE_FILE"]), bool(env["SEARCH"]))
    except AcalsimError as error:
        return stop(env, f"{error.room}: {error}")


def refuse_engine(env):
    if env["ENGINE"] != "embedded":
        stop(
            env, f"ENGINE is '{env['ENGINE']}'; sweeps have the embedded engine, which gives the same cycles"
        )


def captured(env, model, precision, captures, host):
    """The model's capture in that precision, and the folder in which it lies."""
    folder = f"{captures_of(precision)}/{model.name}"
    if precision == env["PRECISION"]:
        return folder, captures[model.name]
    other = env.Clone(PRECISION=precision)
    (same,) = (each for each in other.Models() if each.name == model.name)
    return folder, other.Capture(same, host)


def table(env, sweep, out, given, host):
    """The command that makes the table OUT.csv and its page."""
    arguments = [*words(os.path.expanduser(env["SWEEP"]), f"{out}.csv"), *MACHINE, *crew(env, host)]
    arguments += ["--search", "$SEARCH"] if env["SEARCH"] else []
    arguments += ["--parquet"] if env["PARQUET"] == "1" else []
    for model, precision, (folder, _) in given:
        arguments += ["--captured", *words(model.name, precision, folder)]
    tilings = {model.name: path for model, _, _ in given for path in model.tiling}
    for name, path in tilings.items():
        arguments += ["--tiling", *words(name, path)]
    made = products.Table(f"{out}.csv", f"{out}.html")
    if env["PARQUET"] == "1":
        made = products.ParquetTable(*made, f"{out}.parquet")
    captures = [list(nodes) for _, _, (_, nodes) in given]
    sources = [captures, list(tilings.values()), built_from(env, host, sweep.reads)]
    subject = out.removeprefix(f"{env['BUILD']}/sweeps/")
    return list(env.Room("sweep", subject, made, sources, *arguments))


def Advise(env, model, capture, host):
    """What each key of the machine is worth to a model, if advise-NAME was asked for."""
    if f"advise-{model.name}" not in COMMAND_LINE_TARGETS:
        return []
    refuse_engine(env)
    arguments = ["$TARGET", "--model", Word(model.name), "--captured", Word(model.capture), *MACHINE]
    arguments += [word for path in model.tiling for word in words("--tiling", path)] + crew(env, host)
    reads = load_machine(str(env["MACHINE_FILE"])).reads
    sources = [list(capture), model.tiling, built_from(env, host, reads)]
    return env.Room("sweep.advise", model.name, model.report(".advice"), sources, *arguments)


def built_from(env, host, reads):
    """What programs, simulations and pages are made of besides models and the package's code."""
    return [sorted(map(str, reads)), host.for_simulation, env.Glob("kernels/*"), env.Glob(PAGE_ASSETS)]


def crew(env, host):
    """The options about who measures points: they change nothing of what comes out."""
    options = ["$(", "--cache", CACHE, "--timeout", "$TIMEOUT", "--plugin", Word(host.plugin)]
    options += ["--library", Word(host.library)]
    options += ["--workers", str(GetOption("num_jobs"))] if GetOption("num_jobs") > 1 else []
    options += ["--scheduler", Word(env["SCHEDULER"])] if env["SCHEDULER"] else []
    return [*options, "$)"]
