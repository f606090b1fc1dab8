# SPDX-License-Identifier: Apache-2.0
"""SCons tool: what users set, which models there are, and the pipeline's stages from capture to report.

Every stage is a command `python -m acalsim_backend.ROOM`, with the room's module among its sources,
so that SCons's import scanner redoes exactly the stages whose code changed.
"""

import fcntl
import importlib.util
import os
import re
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import SCons.Node.FS
from acalsim_backend.errors import AcalsimError
from acalsim_backend.files import sha256
from acalsim_backend.machine.file import find_machine, load_machine
from acalsim_backend.paths import MACHINES, PYTHONPATH
from interruptible import Spawner
from SCons.Script import COMMAND_LINE_TARGETS, Action, AddOption, GetOption, Help, Variables

ENGINES = ("embedded", "sst")
PRECISIONS = ("float32", "int8")
RESERVED = ("capture", "capture-int8", "host", "host-sst", "reports", "verify")
"""Folders of build/ that no model may be named after."""

HELP = """
Builds PyTorch models into simulation reports.

  scons sim-matmul                      build, check, simulate and report one model
  scons build/matmul.elf                only the firmware (also .map; .dump, .bin)
  scons verify-matmul                   every op's result against PyTorch's: which is the first that differs?
  scons -j8 all-reports                 every model, in parallel; -k goes on after a failure
  scons MACHINE=cpu sim-matmul          on another machine: sim/machines/cpu.toml -> build/cpu/
  scons MACHINE=my/wide.toml sim-mlp    on a machine file of your own -> build/wide/
  scons MODELS=~/nets all-reports       models of your own: every NAME.py there that begins with no _
  scons ENGINE=sst sim-matmul           in SST instead of the embedded engine -> build/default-sst/
  scons compare A=default B=cpu         what changes from one machine, or report, to another
  scons baseline, scons check-baseline  keep cycles in baseline.json; fail where a model is slower
  scons --cache-dir=DIR ...             share what was built with other trees
  scons -n ... / scons -c ...           say what would be done / remove what was built

Models: {models}
Machines: {machines}

Variables:
"""


@dataclass(frozen=True)
class Model:
    """One model file and the folders of what is made from it."""

    name: str
    source: str
    capture: str
    build: str
    reports: str
    keeps_all: bool = False

    @property
    def folder(self):
        return f"{self.build}/{self.name}"

    @property
    def tiling(self):
        """The file in which the user chose tilings, if there is one."""
        path = self.source.removesuffix(".py") + ".tiling.toml"
        return [path] if os.path.exists(path) else []

    @property
    def option(self):
        return " --keep-all" * self.keeps_all + "".join(f" --tiling '{path}'" for path in self.tiling)


def generate(env):
    variables = user_variables()
    variables.Update(env)
    stop_on_unknown(env, variables)
    AddOption("--cache-dir", metavar="DIR", help="share built targets through DIR")
    env["ENV"] = {**os.environ, "PYTHONPATH": search_path()}
    env["PYTHON"] = sys.executable
    env["SPAWN"] = Spawner()
    env.AddMethod(Saying)
    env.Tool("python")
    env.Decider("content-timestamp")
    # SCons keeps whole seconds, and would miss the second of two edits within one.
    SCons.Node.FS.Base.getmtime = lambda node: node.stat() and node.stat().st_mtime
    env["IMPLICIT_COMMAND_DEPENDENCIES"] = 0
    env["MODEL_FOLDER"] = os.path.expanduser(env["MODELS"])
    resolve_machine(env)
    Help(
        HELP.format(
            models=", ".join(name for name, _ in model_files(env)) or "none", machines=machine_names()
        )
    )
    Help(variables.GenerateHelpText(env), append=True)
    if GetOption("cache_dir"):
        env.CacheDir(os.path.expanduser(GetOption("cache_dir")))
    if not (GetOption("help") or GetOption("no_exec")):
        lock_build()
    env.AddMethod(resolve_machine, "ResolveMachine")
    for method in (
        room,
        Models,
        Capture,
        Code,
        Data,
        Placement,
        Simulate,
        Report,
        ToVerify,
        KeepingAll,
        Verify,
    ):
        env.AddMethod(method, "Room" if method is room else method.__name__)


def exists(env):
    return True


def user_variables():
    variables = Variables()
    variables.Add("MACHINE", "name in sim/machines/, or the path of a machine file", "default")
    variables.Add("ENGINE", "what simulates the devices: embedded or sst", "embedded")
    variables.Add(
        "PRECISION", "of products with constant weights: float32, or int8 after quantisation", "float32"
    )
    variables.Add("SST_OPTIONS", "with ENGINE=sst: more options for `sst`, as for a shell", "")
    variables.Add("SST_LAUNCHER", "with ENGINE=sst: what starts `sst`, say 'mpirun -n 2'", "")
    variables.Add("MODELS", "folder of model files", "models")
    variables.Add("A", "compare: a machine as for MACHINE, or a report's file", "")
    variables.Add("B", "compare: what is compared with it", "")
    variables.Add("MODEL", "compare, baseline, check-baseline: only these models: NAME,NAME...", "")
    variables.Add("BASELINE", "the file of baseline and check-baseline", "baseline.json")
    variables.Add("TOLERANCE", "check-baseline: per cent that a model may be slower", "0")
    variables.Add("TIMEOUT", "wall-clock limit of one simulation, in seconds", "600")
    variables.Add(
        "VERBOSE", "1: whole commands, the simulator's log, a trace of the CPU's memory accesses", "0"
    )
    return variables


def stop_on_unknown(env, variables):
    unknown = ", ".join(variables.UnknownVariables())
    if unknown:
        stop(env, f"unknown variable {unknown}; known are {', '.join(variables.keys())}")
    if env["ENGINE"] not in ENGINES:
        stop(env, f"ENGINE is '{env['ENGINE']}'; known are {', '.join(ENGINES)}")
    if env["PRECISION"] not in PRECISIONS:
        stop(env, f"PRECISION is '{env['PRECISION']}'; known are {', '.join(PRECISIONS)}")
    for name in ("SST_OPTIONS", "SST_LAUNCHER"):
        if env[name] and env["ENGINE"] != "sst":
            stop(env, f"{name} is '{env[name]}', which needs ENGINE=sst")
    if env["VERBOSE"] not in ("0", "1"):
        stop(env, f"VERBOSE is '{env['VERBOSE']}'; it is 0 or 1")
    if not re.fullmatch(r"\d+(\.\d+)?", env["TIMEOUT"]) or float(env["TIMEOUT"]) == 0:
        stop(env, f"TIMEOUT is '{env['TIMEOUT']}'; it is a number of seconds above 0")


def stop(env, message):
    """End the build before it starts, with one line."""
    print(f"scons: {message}", file=sys.stderr)
    env.Exit(2)


def search_path():
    return os.pathsep.join(filter(None, [str(PYTHONPATH), os.environ.get("PYTHONPATH")]))


def machine_names():
    return ", ".join(sorted(path.stem for path in MACHINES.glob("*.toml")))


def resolve_machine(env):
    """Load the machine and choose the folder of this variant: build/, build/MACHINE or build/MACHINE-ENGINE."""
    try:
        machine = load_machine(os.path.expanduser(env["MACHINE"]))
    except AcalsimError as error:
        stop(env, f"{error.room}: {error}")
    env["MACHINE_FILE"] = str(machine.path)
    env["SST_CONFIG"] = [str(machine.sst_config)] if machine.sst_config else []
    env["MACHINE_VIEW"] = env.Value(machine.compile_view())
    env["ISA"] = machine.cpu.isa
    env["HAS_COMPUTE"] = machine.device("compute") is not None
    engine = "" if env["ENGINE"] == "embedded" else f"-{env['ENGINE']}"
    engine += "" if env["PRECISION"] == "float32" else f"-{env['PRECISION']}"
    plain = not engine and machine.path.resolve() == find_machine("default").resolve()
    env["BUILD"] = "build" if plain else f"build/{machine.name}{engine}"


def lock_build():
    """Hold build/.lock while this build runs; a second one in the same tree stops at once."""
    os.makedirs("build", exist_ok=True)
    lock = open("build/.lock", "a+")  # noqa: SIM115  held until the process ends
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        print(
            f"scons: another build is running in this tree (process {lock.read().strip()}); "
            "wait for it, or build in a clone",
            file=sys.stderr,
        )
        sys.exit(2)
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    lock_build.held = lock


def model_files(env):
    folder = Path(env["MODEL_FOLDER"])
    return [(path.stem, str(path)) for path in sorted(folder.glob("*.py")) if not path.name.startswith("_")]


def Models(env):
    """Every model file of the folder MODELS, as Model rows."""
    if not Path(env["MODEL_FOLDER"]).is_dir():
        stop(env, f"MODELS is '{env['MODELS']}', which is no folder; it holds one NAME.py a model")
    models = [model_row(env, name, source) for name, source in model_files(env)]
    if not models:
        stop(env, f"no model files in '{env['MODELS']}'; a model is a NAME.py with model() and inputs()")
    return models


def model_row(env, name, source):
    if name in RESERVED or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        stop(
            env,
            f"'{source}' can't be a model's file name: use letters, digits, _ . - "
            f"and none of {', '.join(RESERVED)}",
        )
    build = env["BUILD"]
    captures = "build/capture" if env["PRECISION"] == "float32" else f"build/capture-{env['PRECISION']}"
    return Model(name, source, f"{captures}/{name}", build, f"{build}/reports")


def room(env, module, subject, targets, sources, arguments):
    """A stage: `python -m acalsim_backend.MODULE ARGUMENTS`, redone when a source or the stage's code changes."""
    path = f"#site_scons/acalsim_backend/{module.replace('.', '/')}"
    code = f"{path}/__main__.py" if os.path.isdir(path[1:]) else f"{path}.py"
    stage = module.rpartition(".")[2]
    return env.Command(
        targets,
        [sources, code],
        Action(f"$( $PYTHON $) -m acalsim_backend.{module} {arguments}", **env.Saying(stage, subject)),
    )


def Saying(env, stage, subject):
    """What a command prints of itself: `stage  subject`, or the command with VERBOSE=1."""
    return {} if env["VERBOSE"] == "1" else {"cmdstr": f"{stage:9} {subject}"}


def in_folder(folder, *names):
    return [f"{folder}/{name}" for name in names]


def Capture(env, model):
    names = ("graph_0.ir", "graph_0_weights.bin", "inputs.bin", "outputs.bin", "capture.json", "read.txt")
    captured = env.Room(
        "capture",
        model.name,
        in_folder(model.capture, *names),
        model.source,
        f"'{model.source}' {model.capture} --precision $PRECISION",
    )
    if changed_readings(f"{model.capture}/read.txt"):
        env.AlwaysBuild(captured)
    torch = importlib.util.find_spec("torch")
    if torch:
        env.Depends(captured, env.File(str(Path(torch.origin).with_name("version.py"))))
    return captured


def changed_readings(listing):
    """Whether a file that the model read when it was last captured is not what it was."""
    try:
        rows = [line.split("  ", 1) for line in Path(listing).read_text().splitlines()]
    except FileNotFoundError:
        return False
    return any(not os.path.exists(path) or sha256(path) != digest for digest, path in rows)


def Code(env, model, captured, host):
    names = (
        "graph_0.c",
        "graph_0.h",
        "graph_0.ld",
        "Makefile",
        "plan.json",
        "graph_0.ir",
        "machine.h",
        "registers.h",
    )
    names += ("kept.json",) if model.keeps_all else ()
    code = env.Room(
        "codegen",
        model.name,
        in_folder(model.folder, *names),
        [captured[0], *tilings(env, model, host)],
        f"{model.capture} {model.folder} --machine '$MACHINE_FILE' --library {host.library}{model.option}",
    )
    env.Depends(code, env["MACHINE_VIEW"])
    return code


def Data(env, model, captured, code):
    names = ("graph_0_weights.c", "graph_0_weights.bin", "graph_0_inputs.c", "graph_0_inputs.bin")
    plan = f"{model.folder}/plan.json"
    return env.Room(
        "codegen.values",
        model.name,
        in_folder(model.folder, *names),
        [captured[1:3], captured[4], plan],
        f"{model.capture} {model.folder} --plan {plan}",
    )


def tilings(env, model, host):
    """What decides about tiles: what the user chose, and where there is a compute device the embedded engine's timing."""
    return [*model.tiling, *([host.library] if env["HAS_COMPUTE"] else [])]


def Placement(env, model, elf, code):
    placement = f"{model.folder}/placement.json"
    return env.Room(
        "check",
        model.name,
        placement,
        [elf[0], code[2], code[4]],
        f"$SOURCE {model.folder}/graph_0.ld --plan {model.folder}/plan.json --json $TARGET --quiet",
    )


def Simulate(env, model, elf, placement, host):
    folder = f"{model.folder}/run"
    names = ("run.json", "outputs.bin", "host.json", "console.log", "simulator.log")
    verbose = " --verbose" if env["VERBOSE"] == "1" else ""
    given = [("sst-options", env["SST_OPTIONS"]), ("sst-launcher", env["SST_LAUNCHER"])]
    sst = "".join(f" {shlex.quote(f'--{name}={value}')}" for name, value in given if value).replace("$", "$$")
    run = env.Room(
        "simulate",
        model.name,
        in_folder(folder, *names),
        [elf[0], placement, env["MACHINE_FILE"], host.files],
        f"$SOURCE {folder} --machine '$MACHINE_FILE' --engine $ENGINE "
        f"--plugin {host.plugin} --library {host.library} $( --timeout $TIMEOUT $){verbose}{sst}",
    )
    env.Depends(run, ["#site_scons/acalsim_backend/serve.py", *env["SST_CONFIG"]])
    return run


def Report(env, model, captured, elf, code, placement, run, host):
    names = (f"{model.name}.json", f"{model.name}.host.json", f"{model.name}.ops.csv")
    return env.Room(
        "report",
        model.name,
        in_folder(model.reports, *names),
        [run[:3], captured[3:5], elf[0], code[4], placement, host.qemu],
        f"$TARGET --capture {model.capture} --run {model.folder}/run --plan {model.folder}/plan.json "
        f"--placement {model.folder}/placement.json --elf {elf[0]} --machine '$MACHINE_FILE' "
        f"--qemu {host.qemu}",
    )


def ToVerify(env):
    """Names of the models of which verify-NAME was asked for."""
    return [
        target.removeprefix("verify-")
        for target in map(str, COMMAND_LINE_TARGETS)
        if target.startswith("verify-")
    ]


def KeepingAll(env, model):
    """The same model as a program of its own, which keeps the result of every op."""
    return replace(model, build=f"{model.build}/verify", keeps_all=True)


def Verify(env, model, kept, captured, code, run):
    intermediates = env.Room(
        "capture",
        f"{model.name} op by op",
        in_folder(model.capture, "intermediates.json", "intermediates.bin"),
        [model.source, captured],
        f"'{model.source}' {model.capture} --intermediates",
    )
    return env.Room(
        "report.verify",
        model.name,
        f"{model.reports}/{model.name}.verify.json",
        [intermediates, captured[4], code[-1], run[1]],
        f"$TARGET --capture {model.capture} --kept {kept.folder}/kept.json --outputs {kept.folder}/run/outputs.bin",
    )
