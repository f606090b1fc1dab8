# SPDX-License-Identifier: Apache-2.0
"""SCons tool: devices of the user's. Builds those of the machine, tries them, and begins new ones."""

import os
from pathlib import Path

from acalsim_backend.errors import AcalsimError
from acalsim_build import products
from acalsim_build.commands import Word
from acalsim_build.variables import stop
from SCons.Script import COMMAND_LINE_TARGETS, GetOption

TRY = "test-device-"


def generate(env):
    for method in (OwnDevices, TestDevices, NewDevice):
        env.AddMethod(method)


def exists(env):
    return True


def OwnDevices(env):
    """The machine's own devices: a library each, the same for all models."""
    if env["OWN_LIBRARIES"] is None:
        env["OWN_LIBRARIES"] = [build_device(env, device) for device in env["OWN_DEVICES"]]
    return env["OWN_LIBRARIES"]


def build_device(env, device):
    from acalsim_backend.host import own as own_host  # which no other build needs to load

    try:
        recipe = own_host.recipe_of(device.own)
    except AcalsimError as error:
        stop(env, f"{error.room}: {error}")
    files, text = recipe.inputs(device, device.own)
    ours = (*own_host.SOURCES, *recipe.ours, *own_host.HEADERS, *recipe.headers)
    sources = [[str(path) for path in (*files, *ours)], env.Value(text)]
    target = f"{env['BUILD']}/devices/{device.name}.so"
    arguments = ["$MACHINE_FILE", device.name, "$TARGET", *["--waves"] * (env["WAVES"] == "1")]
    library = env.Room("host.own", device.name, target, sources, *arguments)
    env.NoCache(library)  # it knows where the source lies
    env.Clean(library, env.fs.Dir(f"{env['BUILD']}/devices"))
    return products.OwnDevice(library, env.Nodes(map(str, device.own.reads)))


def TestDevices(env, host):
    """The targets test-device-NAME: the suite that every device passes."""
    for target in map(str, COMMAND_LINE_TARGETS):
        if target.startswith(TRY):
            env.Alias(target, try_device(env, host, target.removeprefix(TRY)))


def try_device(env, host, name):
    found = {device.name: device for device in env["OWN_DEVICES"]}
    if name not in found:
        known = ", ".join(found) or "none; MACHINE=FILE chooses another"
        stop(env, f"there is no own device '{name}' to test; the machine's own are: {known}")
    made = next(made for made in env.OwnDevices() if made.name == name)
    sketch = found[name].own.sketch
    reads = sketch_reads(sketch) if sketch else []
    sources = [made, reads, str(env["MACHINE_FILE"]), host.library, env.SstLibrary()]
    options = ["--out", "$TARGET", "--library", Word(host.library), "--device-library", Word(made.library)]
    target = f"{env['BUILD']}/devices/{name}.conformance.txt"
    return env.Room("own.conform", name, target, sources, "$MACHINE_FILE", name, *options, also=["serve"])


def sketch_reads(sketch):
    from acalsim_backend.machine.own import read_own

    return [str(path) for path in read_own(sketch).reads]


def NewDevice(env):
    """`new-device NAME`: writes a folder with a device to begin with, and builds nothing."""
    targets = list(map(str, COMMAND_LINE_TARGETS))
    if "new-device" not in targets:
        return
    names = [target for target in targets if target != "new-device"]
    if len(names) != 1:
        stop(env, "new-device takes one name: scons new-device NAME LANGUAGE=py")
    if GetOption("no_exec"):
        stop(env, f"new-device would write {names[0]}/")
    from acalsim_backend.own.new import new_device

    try:
        made = new_device(Path(os.path.expanduser(names[0])), env["LANGUAGE"])
    except AcalsimError as error:
        stop(env, f"{error.room}: {error}")
    for path in made:
        print(path)
    env.Exit(0)
