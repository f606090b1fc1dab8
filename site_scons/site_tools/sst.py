# SPDX-License-Identifier: Apache-2.0
"""SCons tool: builds what QEMU and the simulator load, and asks QEMU whether it takes the plugin."""

import os
import shutil
from dataclasses import dataclass

from acalsim_backend.errors import AcalsimError
from acalsim_backend.host import engine, qemu
from acalsim_backend.host import sst as sst_host
from SCons.Script import Action

HOST = "build/host"
HOST_SST = "build/host-sst"


@dataclass(frozen=True)
class Host:
    """What every simulation on this host loads."""

    plugin: str
    library: str
    qemu: str
    files: list


def generate(env):
    env["HOST_CC"], env["HOST_CXX"] = os.environ.get("CC", "gcc"), engine.CXX
    env.AddMethod(HostTools)
    env.AddMethod(host_object)


def exists(env):
    return True


def HostTools(env):
    """QEMU's plugin, the embedded engine, and QEMU's own word that it takes the plugin."""
    env.Room("machine.headers", "registers", f"{HOST}/registers.h", [], "registers $TARGET")
    env.Room("machine.headers", "tables", f"{HOST}/tables.h", [], "tables $TARGET")
    plugin, library = build_plugin(env), build_engine(env)
    answer = env.Room("host.qemu", "check", f"{HOST}/qemu.json", plugin, "check $SOURCE $TARGET")
    env.Depends(answer, qemu_binary(env))
    env.Clean(answer, HOST)
    files = [*plugin, *library, *answer, *build_sst_library(env)]
    return Host(str(plugin[0]), str(library[0]), str(answer[0]), files)


def qemu_binary(env):
    """The QEMU program itself: a changed one is noticed. Where there is none, the check says so."""
    try:
        return [env.File(str(qemu.find_qemu().resolve()))]
    except AcalsimError:
        return []


def build_plugin(env):
    objects = [
        env.host_object("qemu", "$HOST_CC", source, qemu.PLUGIN_CFLAGS, ["sim/qemu"])
        for source in qemu.PLUGIN_SOURCES
    ]
    command = f"$HOST_CC -shared $SOURCES -o $TARGET {' '.join(qemu.PLUGIN_LINKFLAGS)}"
    return env.Command(
        f"{HOST}/sst_device.so", objects, Action(command, **env.Saying("link", "sst_device.so"))
    )


def build_engine(env):
    try:
        objects = [
            env.host_object(
                "engine", "$HOST_CXX", source, engine.cxxflags(source), ["sim"], engine.system_include_dirs()
            )
            for source in engine.sources()
        ]
    except ImportError as error:
        raise SystemExit(f"scons: {error}; `./run` installs it") from None
    command = f"$HOST_CXX $SOURCES -o $TARGET {' '.join(engine.ENGINE_LINKFLAGS)}"
    target = f"{HOST}/{engine.LIBRARY_NAME}"
    return env.Command(target, objects, Action(command, **env.Saying("link", "embedded engine")))


def build_sst_library(env):
    """The element library, for who asked for SST and has it; who has not is told when simulating."""
    config = shutil.which("sst-config")
    if env["ENGINE"] != "sst" or not config:
        return []
    try:
        compiler, linker = sst_host.compiler(), sst_host.linker()
    except AcalsimError as error:
        raise SystemExit(f"scons: {error}") from None
    objects = [
        env.host_object("acalsim", compiler, source, (), ["sim"], folder=HOST_SST)
        for source in sst_host.SOURCES
    ]
    env.Depends(objects, env.File(os.path.realpath(config)))
    action = Action(f"{linker} $SOURCES -o $TARGET", **env.Saying("link", "SST element library"))
    library = env.Command(f"{HOST_SST}/{sst_host.LIBRARY_NAME}", objects, action)
    env.Clean(library, HOST_SST)
    return library


def host_object(env, room, compiler, source, flags, include, system=(), folder=HOST):
    """One source of ours, or of a library outside the tree, to an object in FOLDER/ROOM."""
    own = [HOST, *include]
    includes = " ".join([*(f"-I{path}" for path in own), *(f"-isystem {path}" for path in system)])
    command = f"{compiler} {' '.join(flags)} $( {includes} $) -c $SOURCE -o $TARGET"
    inside = os.path.relpath(source, env.Dir("#").abspath)
    shown = os.path.basename(source) if inside.startswith((".venv", "..")) else inside
    action = Action(command, **env.Saying("compile", shown))
    target = f"{folder}/{room}/{os.path.basename(source)}.o"
    return env.Command(target, inside, action, CPPPATH=[f"#{path}" for path in own])[0]
