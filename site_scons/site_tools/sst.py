# SPDX-License-Identifier: Apache-2.0
"""SCons tool: builds what runs on this computer: the captures' watcher, and what QEMU and the simulator load.

It also asks QEMU whether it takes the plugin.
"""

import os
import shutil

from acalsim_backend import watch
from acalsim_backend.errors import AcalsimError
from acalsim_backend.host import engine, qemu
from acalsim_backend.machine import headers
from acalsim_build import products
from acalsim_build.commands import words

HOST = "build/host"
HOST_SST = "build/host-sst"


def generate(env):
    env["HOST_CC"], env["HOST_CXX"] = os.environ.get("CC", "gcc"), engine.CXX
    env["SST_LIBRARY"] = None
    env["WATCH"] = f"{HOST}/{watch.NAME}"
    env.AddMethod(HostTools)
    env.AddMethod(SstLibrary)
    env.AddMethod(host_object)


def exists(env):
    return True


def HostTools(env):
    """The watcher, QEMU's plugin, the embedded engine, and QEMU's own word that it takes the plugin."""
    for header in ("registers", "tables", "interface"):
        sources = headers.AGREED if header == "interface" else ()
        env.Room("machine.headers", header, f"{HOST}/{header}.h", map(str, sources), header, "$TARGET")
    plugin, library = build_plugin(env), build_engine(env)
    answer = env.Room("host.qemu", "check", f"{HOST}/qemu.json", plugin, "check", "$SOURCE", "$TARGET")
    env.Depends(answer, qemu_binary(env))
    env.Clean(answer, env.fs.Dir(HOST))
    sst = env.SstLibrary() if env["ENGINE"] == "sst" else ()
    return products.Host(build_watch(env), plugin, library, answer, sst)


def qemu_binary(env):
    """The QEMU program itself: a changed one is noticed. Where there is none, the check says so."""
    try:
        return env.Nodes(str(qemu.find_qemu().resolve()))
    except AcalsimError:
        return []


def build_watch(env):
    compiled = [env.host_object("watch", ["$HOST_CC", *watch.CFLAGS], source, []) for source in watch.SOURCES]
    return link(env, f"{HOST}/{watch.NAME}", compiled, "the watcher of captures", ["$HOST_CC"])


def build_plugin(env):
    compiler = ["$HOST_CC", *qemu.PLUGIN_CFLAGS]
    compiled = [env.host_object("qemu", compiler, source, ["sim/qemu"]) for source in qemu.PLUGIN_SOURCES]
    command = ["$HOST_CC", "-shared", *qemu.PLUGIN_LINKFLAGS]
    return link(env, f"{HOST}/{qemu.PLUGIN_NAME}", compiled, qemu.PLUGIN_NAME, command)


def build_engine(env):
    try:
        system = engine.system_include_dirs()
        compiled = [
            env.host_object("engine", ["$HOST_CXX", *engine.cxxflags(source)], source, ["sim", "."], system)
            for source in engine.sources()
        ]
    except ImportError as error:
        raise SystemExit(f"scons: {error}; `./run` installs it") from None
    target = f"{HOST}/{engine.LIBRARY_NAME}"
    return link(env, target, compiled, "embedded engine", ["$HOST_CXX", *engine.ENGINE_LINKFLAGS])


def SstLibrary(env):
    """The element library, for who has SST; who has not is told when simulating."""
    if env["SST_LIBRARY"] is None:
        env["SST_LIBRARY"] = build_sst_library(env)
    return env["SST_LIBRARY"]


def build_sst_library(env):
    config = shutil.which("sst-config")
    if not config:
        return ()
    from acalsim_backend.host import sst as sst_host

    try:
        compiler, linker = sst_host.compiler().split(), sst_host.linker().split()
    except AcalsimError as error:
        raise SystemExit(f"scons: {error}") from None
    compiled = [
        env.host_object("acalsim", words(*compiler), source, ["sim", "."], folder=HOST_SST)
        for source in sst_host.SOURCES
    ]
    env.Depends(compiled, env.Nodes(os.path.realpath(config)))
    library = link(
        env, f"{HOST_SST}/{sst_host.LIBRARY_NAME}", compiled, "SST element library", words(*linker)
    )
    env.Clean(library, env.fs.Dir(HOST_SST))
    return library


def link(env, target, compiled, subject, command):
    return env.Run("link", subject, target, compiled, [*command, "$SOURCES", "-o", "$TARGET"])[0]


def host_object(env, room, compiler, source, include, system=(), folder=HOST):
    """One source of ours, or of a library outside the tree, to an object in FOLDER/ROOM."""
    own = [HOST, *include]
    places = [*words(*(f"-I{path}" for path in own))]
    places += [word for path in system for word in words("-isystem", path)]
    command = [*compiler, "$(", *places, "$)", "-c", "$SOURCE", "-o", "$TARGET"]
    inside = os.path.relpath(source, env.Dir("#").abspath)
    shown = os.path.basename(source) if inside.startswith((".venv", "..")) else inside
    target = f"{folder}/{room}/{os.path.basename(source)}.o"
    return env.Run("compile", shown, target, inside, command, CPPPATH=[env.fs.Dir(path) for path in own])[0]
