# SPDX-License-Identifier: Apache-2.0
"""SCons tool: the pipeline's stages from capture to report, a builder each.

Every stage is a command `python -m acalsim_backend.ROOM`, with the digest of the room's code among its sources,
so that exactly the stages whose code changed are redone.
"""

import gc
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import SCons.Node.Alias
import SCons.Node.FS
import SCons.SConsign
from acalsim_backend.capture.readings import is_unchanged
from acalsim_backend.paths import PYTHONPATH
from acalsim_build import commands, products, variables
from acalsim_build.commands import Word, words
from acalsim_build.interruptible import Spawner
from acalsim_build.models import ModelsError, captures_of, find_models
from acalsim_build.shared import CheckedCacheDir
from acalsim_build.stage_code import Package
from SCons.Script import COMMAND_LINE_TARGETS, AddOption, GetOption

ROOMS = Package("site_scons/acalsim_backend")
MACHINE = ("--machine", "$MACHINE_FILE")
OF_A_MODEL = re.compile("(sim|verify|debug|advise)-(?P<name>.+)")
"""Targets that need no other model's."""
PAGE_ASSETS = "#site_scons/acalsim_backend/report/page/assets/*"
"""What pages are made of besides code."""


def generate(env):
    gc.set_threshold(100_000)  # nearly all that a build makes lives until its end
    AddOption("--cache-dir", metavar="DIR", help="share built targets through DIR")
    env["ENV"] = {**os.environ, "PYTHONPATH": search_path(), "PWD": os.getcwd()}
    env["PYTHON"] = Word(sys.executable)
    env["SPAWN"] = Spawner()
    commands.generate(env)
    env.Decider("content-timestamp")
    # To the nanosecond, and of the last change of whatever kind: an edit may keep the time of modification.
    SCons.Node.FS.Base.getmtime = lambda node: node.stat() and node.stat().st_ctime_ns
    env["IMPLICIT_COMMAND_DEPENDENCIES"] = 0
    # SCons would hash all that an alias names, ELFs and pages too, and nothing is made of an alias.
    SCons.Node.Alias.Alias.make_ready = lambda node: node.get_ninfo()
    SCons.SConsign.write = or_one_line(SCons.SConsign.write)
    variables.read_variables(env)
    if GetOption("cache_dir"):
        env.CacheDir(os.path.expanduser(GetOption("cache_dir")), CheckedCacheDir)
    if not is_dry():
        variables.lock_build(env)
        if not GetOption("clean"):
            variables.note_machine(env)
    for method in (
        Room,
        Models,
        Asked,
        Capture,
        Code,
        Data,
        Placement,
        Simulate,
        Report,
        Index,
        ToVerify,
        ToDebug,
        Debug,
        KeepingAll,
        Verify,
    ):
        env.AddMethod(method)


def exists(env):
    return True


def or_one_line(write):
    """SCons's own way to note what was built, but for its traceback where the disk is full or not to be written."""

    def write_or_say():
        try:
            write()
        except OSError as error:
            if is_dry():
                return
            print(f"scons: cannot note what was built: {error.strerror}", file=sys.stderr, flush=True)
            os._exit(2)  # SCons would try again as it goes

    return write_or_say


def is_dry():
    """Whether nothing may be written."""
    return bool(GetOption("help") or GetOption("no_exec") or GetOption("question"))


def search_path():
    return os.pathsep.join(filter(None, [str(PYTHONPATH), os.environ.get("PYTHONPATH")]))


def Models(env):
    """Every model file of the folder MODELS, as Model rows."""
    try:
        return find_models(env["MODEL_FOLDER"], env["MODELS"], env["BUILD"], captures_of(env["PRECISION"]))
    except ModelsError as error:
        return variables.stop(env, str(error))


def Asked(env):
    """The models that the targets are about; where one is about more than models that it names, all."""
    targets = [OF_A_MODEL.fullmatch(str(target)) for target in COMMAND_LINE_TARGETS]
    names = {target["name"] for target in targets if target}
    models = env.Models()
    if not targets or not all(targets) or names - {model.name for model in models}:
        return models
    return [model for model in models if model.name in names]


def Room(env, module, subject, made, sources, *arguments, also=()):
    """A stage: `python -m acalsim_backend.MODULE ARGUMENTS`, redone when a source or the stage's code changes.

    `made` is a path or Files, and so is what returns. `also` are more modules of the stage.
    """
    code = env.Value(ROOMS.digest(module, *also))
    command = ["$(", "$PYTHON", "$)", "-m", f"acalsim_backend.{module}", *arguments]
    nodes = env.Run(module.rpartition(".")[2], subject, made, [sources, code], command)
    return nodes[0] if isinstance(made, str) else made.as_nodes(nodes)


def Capture(env, model, host):
    made = products.Captured.at(model.capture)
    return capture(env, model, model.name, made, [model.source, host.watch])


def capture(env, model, subject, made, sources, *options):
    arguments = [*words(model.source, model.capture), "--precision", "$PRECISION", *options]
    arguments += ["$(", "--watch", "$WATCH", "$)"]
    made = env.Room("capture", subject, made, sources, *arguments, also=["capture.worker"])
    # What it reads may differ from tree to tree, and no signature says so.
    env.NoCache(list(made))
    # What is not there yet is made without being told; and told so, SCons would note no digests of the sources.
    if os.path.exists(model.capture) and not is_unchanged(Path(model.capture), may_write=not is_dry()):
        env.AlwaysBuild(list(made))
    return made


def Code(env, model, captured, host):
    kind = products.KeepingCode if model.keeps_all else products.Code
    chosen = [word for path in model.tiling for word in words("--tiling", path)]
    arguments = [*words(model.capture, model.folder), *MACHINE, "--library", Word(host.library), *chosen]
    arguments += ["--keep-all"] * model.keeps_all
    arguments += words("--dump", f"{model.folder}/passes") if env["DUMP"] == "1" else []
    sources = [captured.ir, tilings(env, model, host)]
    code = env.Room("codegen", model.name, kind.at(model.folder), sources, *arguments)
    env.Depends(list(code), env["MACHINE_VIEW"])
    return code


def Data(env, model, captured, code):
    arguments = [*words(model.capture, model.folder), "--plan", Word(code.plan)]
    sources = [captured.weights, captured.inputs, captured.index, code.plan]
    return env.Room("codegen.values", model.name, products.Data.at(model.folder), sources, *arguments)


def tilings(env, model, host):
    """What decides about tiles: what the user chose, and where there is a compute device the embedded engine's timing."""
    return [*model.tiling, *([host.library] if env["HAS_COMPUTE"] else [])]


def Placement(env, model, elf, code):
    options = ["--plan", Word(code.plan), "--json", "$TARGET", "--quiet"]
    sources = [elf.elf, code.script, code.plan]
    path = f"{model.folder}/placement.json"
    return env.Room("check", model.name, path, sources, "$SOURCE", Word(code.script), *options)


def Simulate(env, model, data, elf, placement, host):
    made = products.Run.at(f"{model.folder}/run")
    sources = [elf.elf, placement, data.inputs, str(env["MACHINE_FILE"])]
    sources += [host.for_simulation, env.OwnDevices()]
    options = [*simulation(env, model, host, "run"), "--samples", Word(data.inputs)]
    run = env.Room("simulate", model.name, made, sources, "$SOURCE", *options, also=["serve"])
    env.Depends(list(run), env.Nodes(env["SST_CONFIG"]))
    waves = waveforms(env, model)
    env.Clean(list(run), waves)
    if env["WAVES"] == "1" and os.path.exists(made.statistics) and not all(map(os.path.exists, waves)):
        env.AlwaysBuild(list(run))
    return run


def waveforms(env, model):
    """The files that a run with WAVES=1 leaves."""
    hardware = [device for device in env["OWN_DEVICES"] if device.own.language == "sv"]
    return [f"{model.build}/{model.name}.{device.name}.fst" for device in hardware]


def simulation(env, model, host, folder):
    """The arguments of a simulation that leaves its files in `folder` of the model's own."""
    given = [("sst-options", env["SST_OPTIONS"]), ("sst-launcher", env["SST_LAUNCHER"])]
    given += [("device", f"{own.name}={own.library}") for own in env.OwnDevices()]
    given += [("waves", f"{model.build}/{model.name}")] if env["WAVES"] == "1" else []
    options = [
        Word(f"{model.folder}/{folder}"),
        *MACHINE,
        "--engine",
        "$ENGINE",
        "--plugin",
        Word(host.plugin),
        "--library",
        Word(host.library),
    ]
    options += ["$(", "--timeout", "$TIMEOUT", "$)", *["--verbose"] * (env["VERBOSE"] == "1")]
    return options + words(*(f"--{name}={value}" for name, value in given if value))


def Debug(env, model, elf, placement, host):
    """debug-NAME: the simulation, but gdb is waited for before the first instruction."""
    name = f"debug-{model.name}"
    sources = [elf.elf, placement, host.for_simulation, env.OwnDevices()]
    command = ["$(", "$PYTHON", "$)", "-m", "acalsim_backend.simulate", "$SOURCE"]
    command += [*simulation(env, model, host, "debug"), "--debug"]
    made = env.Run("debug", model.name, f"{model.folder}/debug/run.json", sources, command)
    env.AlwaysBuild(made)
    return env.Alias(name, made)


def Report(env, model, captured, elf, code, placement, run, host):
    others = (f"{model.reports}/{model.name}.{end}" for end in ("ops.csv", "trace.json", "html"))
    made = products.Report(model.report(), model.report(".host"), *others)
    known = {
        option: model.report(f".{kind}")
        for option, kind, target in (("--verified", "verify", "verify"), ("--advice", "advice", "advise"))
        if os.path.exists(model.report(f".{kind}")) or f"{target}-{model.name}" in COMMAND_LINE_TARGETS
    }
    sources = [run.statistics, run.spans, run.outputs, run.times, captured.outputs, captured.index]
    sources += [elf.elf, code.plan, placement, host.qemu, list(known.values()), env.Glob(PAGE_ASSETS)]
    sources += [own.reads for own in env.OwnDevices()]
    options = [
        "--times",
        "${TARGETS[1]}",
        "--capture",
        Word(model.capture),
        "--run",
        Word(f"{model.folder}/run"),
    ]
    options += ["--plan", Word(code.plan), "--placement", Word(placement), "--elf", Word(elf.elf)]
    options += [*MACHINE, "--qemu", Word(host.qemu)]
    for option, path in known.items():
        options += [option, Word(path)]
    return env.Room("report", model.name, made, sources, "$TARGET", *options)


def Index(env, reports):
    """The page that compares all reports of the folder; made anew when one that was asked for changes."""
    targets = [str(target) for target in COMMAND_LINE_TARGETS]
    asked = [name for name in reports if f"sim-{name}" in targets]
    if "all-reports" in targets or not (asked or "index" in targets):
        asked = list(reports)
    folder = f"{env['BUILD']}/reports"
    sources = [[reports[name].report for name in asked], env.Glob(PAGE_ASSETS)]
    index = env.Room("report.index", folder, f"{folder}/index.html", sources, Word(folder))
    if not asked:
        env.AlwaysBuild(index)
    for name in asked:
        env.Alias(f"sim-{name}", index)
    return env.Alias("index", index)


def ToVerify(env):
    """Names of the models of which verify-NAME was asked for."""
    return asked_for("verify-")


def ToDebug(env):
    """Names of the models of which debug-NAME was asked for."""
    return asked_for("debug-")


def asked_for(start):
    targets = map(str, COMMAND_LINE_TARGETS)
    return [target.removeprefix(start) for target in targets if target.startswith(start)]


def KeepingAll(env, model):
    """The same model as a program of its own, which keeps the result of every op."""
    return replace(model, build=f"{model.build}/verify", keeps_all=True)


def Verify(env, model, kept, host, captured, code, run):
    made, sources = products.Intermediates.at(model.capture), [model.source, captured, host.watch]
    intermediates = capture(env, model, f"{model.name} op by op", made, sources, "--intermediates")
    options = ["--capture", Word(model.capture), "--kept", Word(code.kept), "--outputs", Word(run.outputs)]
    sources = [intermediates, captured.index, code.kept, run.outputs]
    return env.Room("report.verify", model.name, model.report(".verify"), sources, "$TARGET", *options)
