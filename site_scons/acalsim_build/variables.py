# SPDX-License-Identifier: Apache-2.0
"""What users set: the variables of a build, checked, and the folder in which such a build lies."""

import fcntl
import os
import re
import sys

from acalsim_backend.capture.capture_file import PRECISIONS
from acalsim_backend.errors import AcalsimError, printable
from acalsim_backend.machine.file import find_machine, load_machine
from acalsim_backend.machine.headers import machine_header
from acalsim_backend.paths import MACHINES
from SCons.Script import Help, Variables

from .commands import Word
from .models import APART, RESERVED, SUFFIXES_OF_FIRMWARE, model_files

ENGINES = ("embedded", "sst")
SEARCHES = ("optuna",)

HELP = """
Builds PyTorch models into simulation reports.

  scons sim-matmul                      build, check, simulate and report one model
  scons build/matmul.elf                only the firmware (also .map; .dump, .bin)
  scons verify-matmul                   every op's result against PyTorch's: which is the first that differs?
  scons debug-matmul                    run it under gdb; prints the line to type
  scons -j8 all-reports                 every model, in parallel; -k goes on after a failure
  scons index                           the page that compares the reports that there are
  scons MACHINE=cpu sim-matmul          on another machine: sim/machines/cpu.toml -> build/cpu/
  scons MACHINE=my/wide.toml sim-mlp    on a machine file of your own -> build/wide/
  scons MODELS=~/nets all-reports       models of your own: every NAME.py and NAME.pt2 there that begins with no _
  scons ENGINE=sst sim-matmul           in SST instead of the embedded engine -> build/default-sst/
  scons compare A=default B=cpu         what changes from one machine, or report, to another
  scons baseline, scons check-baseline  keep cycles in baseline.json; fail where a model is slower
  scons sweep-mlp SWEEP=my.toml         a model on many machines -> build/sweeps/my/mlp.csv, .html
  scons advise-mlp                      what each key of the machine, doubled and halved, is worth
  scons new-device mine LANGUAGE=cc     begin a device of your own in a folder mine/
  scons MACHINE=my.toml test-device-x   hold the machine's own device x to what every device promises
  scons list, scons doctor              models and machines; tools, versions and what is missing
  scons --cache-dir=DIR ...             share what was built with other trees
  scons -n ... / scons -c ...           say what would be done / remove what was built

Models: {models}
Machines: {machines}

Variables:
"""


def read_variables(env):
    """Take the user's variables into `env`, checked; add what follows from the machine; provide the help."""
    variables = user_variables()
    variables.Update(env)
    stop_on_unknown(env, variables)
    for name in ("MACHINE", "MODELS"):
        if printable(env[name]) != env[name]:
            stop(env, f"{name} is '{printable(env[name])}', which no terminal can show; give it another name")
    env["MODEL_FOLDER"] = os.path.expanduser(env["MODELS"])
    resolve_machine(env)
    names = ", ".join(name for name, _ in model_files(env["MODEL_FOLDER"])) or "none"
    Help(HELP.format(models=names, machines=machine_names()))
    Help(variables.GenerateHelpText(env), append=True)


def user_variables():
    variables = Variables()
    variables.Add("MACHINE", "name in sim/machines/, or the path of a machine file", "default")
    variables.Add("ENGINE", "what simulates the devices: embedded or sst", "embedded")
    variables.Add(
        "PRECISION",
        "float32; int8: of products with constant weights, after quantisation; bfloat16, float16: of all products",
        "float32",
    )
    variables.Add("SST_OPTIONS", "with ENGINE=sst: more options for `sst`, as for a shell", "")
    variables.Add("SST_LAUNCHER", "with ENGINE=sst: what starts `sst`, say 'mpirun -n 2'", "")
    variables.Add("MODELS", "folder of model files", "models")
    variables.Add("A", "compare: a machine as for MACHINE, or a report's file", "")
    variables.Add("B", "compare: what is compared with it", "")
    variables.Add("MODEL", "compare, baseline, check-baseline: only these models: NAME,NAME...", "")
    variables.Add("BASELINE", "the file of baseline and check-baseline", "baseline.json")
    variables.Add("TOLERANCE", "check-baseline: per cent that a model may be slower", "0")
    variables.Add("SWEEP", "sweep, sweep-NAME: the file that says which machines", "")
    variables.Add("SEARCH", "sweep, sweep-NAME: optuna proposes the points of [sample]", "")
    variables.Add("SCHEDULER", "sweep, sweep-NAME, advise-NAME: address of a Dask scheduler", "")
    variables.Add("LANGUAGE", "new-device: what the device is written in, py, cc or sv", "py")
    variables.Add("PARQUET", "1: sweep, sweep-NAME: the table as a Parquet file, too", "0")
    variables.Add("TIMEOUT", "wall-clock limit of one simulation, in seconds", "600")
    variables.Add(
        "VERBOSE", "1: whole commands, the simulator's log, a trace of the CPU's memory accesses", "0"
    )
    variables.Add("DUMP", "1: what each pass of planning leaves, as text in build/NAME/passes/", "0")
    variables.Add("WAVES", "1: devices in SystemVerilog leave waveforms, build/NAME.DEVICE.fst", "0")
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
    if env["SEARCH"] not in ("", *SEARCHES):
        stop(env, f"SEARCH is '{env['SEARCH']}'; known is {', '.join(SEARCHES)}")
    for name in ("VERBOSE", "DUMP", "PARQUET", "WAVES"):
        if env[name] not in ("0", "1"):
            stop(env, f"{name} is '{env[name]}'; it is 0 or 1")
    if not re.fullmatch(r"\d+(\.\d+)?", env["TIMEOUT"]) or float(env["TIMEOUT"]) == 0:
        stop(env, f"TIMEOUT is '{env['TIMEOUT']}'; it is a number of seconds above 0")


def stop(env, message):
    """End the build before it starts, with one line."""
    print(printable(f"scons: {message}"), file=sys.stderr)
    env.Exit(2)


def machine_names():
    return ", ".join(sorted(path.stem for path in MACHINES.glob("*.toml")))


def resolve_machine(env):
    """Load the machine, and choose the folder of this variant."""
    try:
        machine = load_machine(os.path.expanduser(env["MACHINE"]))
    except AcalsimError as error:
        stop(env, f"{error.room}: {error}")
    env["MACHINE_FILE"] = Word(machine.path)
    env["SST_CONFIG"] = [str(machine.sst_config)] if machine.sst_config else []
    env["MACHINE_VIEW"] = env.Value(machine.compile_view())
    env["MACHINE_HEADER"] = env.Value(machine_header(machine))
    env["CPU"] = machine.cpu
    env["OWN_DEVICES"], env["OWN_LIBRARIES"] = [device for device in machine.devices if device.own], None
    env["HAS_COMPUTE"] = machine.device("compute") is not None
    is_default = machine.path.resolve() == find_machine("default").resolve()
    models = [name for name, _ in model_files(env["MODEL_FOLDER"])]
    env["BUILD"] = variant_folder(machine.name, is_default, env["ENGINE"], env["PRECISION"], models)


def variant_folder(machine, is_default, engine, precision, models=()):
    """build/, or build/MACHINE[-ENGINE][-PRECISION]; a machine whose name looks like more than that stays apart.

    So does one that is called as a model's folder, or firmware, in build/.
    """
    variant = "" if engine == "embedded" else f"-{engine}"
    variant += "" if precision == "float32" else f"-{precision}"
    if is_default and not variant:
        return "build"
    ends = tuple(f"-{word}" for word in (*ENGINES, *PRECISIONS))
    taken = {f"{model}{suffix}" for model in models for suffix in ("", *SUFFIXES_OF_FIRMWARE)}
    looks_like_more = machine in RESERVED or machine.endswith(ends) or f"{machine}{variant}" in taken
    return f"build/{machine}{APART * looks_like_more}{variant}"


def note_machine(env):
    """Say so where a machine file's folder holds what another file of the same name gave.

    The folder is used all the same, as what is made of each file is told apart by its content.
    """
    note, path = f"{env['BUILD']}/.machine", os.path.realpath(str(env["MACHINE_FILE"]))
    if env["BUILD"] == "build":
        return
    try:
        with open(note) as file:
            before = file.read()
    except OSError:
        before = ""
    if before == path:
        return
    if os.path.exists(before):
        print(
            printable(
                f"scons: {env['BUILD']} held what '{before}' gave; '{path}' of the same name replaces it"
            ),
            file=sys.stderr,
        )
    try:
        os.makedirs(env["BUILD"], exist_ok=True)
        with open(note, "w") as file:
            file.write(path)
    except OSError as error:
        stop(env, f"cannot write {env['BUILD']}/: {error.strerror}")


def lock_build(env):
    """Hold build/.lock while this build runs; a second one in the same tree stops at once."""
    try:
        os.makedirs("build", exist_ok=True)
        lock = open("build/.lock", "a+")  # noqa: SIM115  held until the process ends
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
    except BlockingIOError:
        lock.seek(0)
        stop(
            env,
            f"another build is running in this tree (process {lock.read().strip()}); "
            "wait for it, or build in a clone",
        )
    except OSError as error:
        stop(env, f"cannot write build/: {error.strerror}")
    lock_build.held = lock
