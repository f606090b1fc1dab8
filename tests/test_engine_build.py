# SPDX-License-Identifier: Apache-2.0
"""The embedded engine's build: only what changed, and one line where it fails."""

import pytest
from acalsim_backend.errors import ServeError, ToolchainError
from acalsim_backend.host import build, compiler, engine, qemu
from acalsim_backend.host.library import load
from acalsim_backend.paths import cache_folder

pytestmark = pytest.mark.quick


def test_an_unchanged_engine_is_not_built_again(engine_library, monkeypatch):
    monkeypatch.setattr(compiler.subprocess, "run", lambda *_, **__: pytest.fail("something is built again"))
    assert engine.build(cache_folder() / "engine") == engine_library


def test_a_source_that_does_not_compile_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "model.cc").write_text("int x = nonsense;\n")
    monkeypatch.setattr(engine, "sources", lambda: (tmp_path / "model.cc",))
    with pytest.raises(ToolchainError, match=r"model\.cc:1:.*nonsense") as caught:
        engine.build(tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "out").glob("*.o"))


def test_a_missing_compiler_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "CXX", "no-such-compiler")
    with pytest.raises(ToolchainError, match="no C\\+\\+ compiler 'no-such-compiler'"):
        engine.build(tmp_path)


def test_a_library_that_is_none_is_refused(tmp_path):
    (tmp_path / "x.so").write_text("no library")
    with pytest.raises(ServeError, match="cannot load the engine"):
        load(tmp_path / "x.so")


@pytest.fixture
def cached_tools(tmp_path, monkeypatch):
    """The index of tools in a cache of their own, what makes them there, and how often it did."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    built = []

    def build_plugin(folder):
        built.append(folder)
        (folder / "plugin.so").write_bytes(b"plugin")
        return folder / "plugin.so"

    def build_engine(folder):
        folder.mkdir(exist_ok=True)
        (folder / "engine.so").write_bytes(b"engine")
        return folder / "engine.so"

    monkeypatch.setattr(qemu, "build_plugin", build_plugin)
    monkeypatch.setattr(qemu, "check_plugin", lambda *_: None)
    monkeypatch.setattr(engine, "build", build_engine)
    build.host_tools.__wrapped__()
    (index,) = (tmp_path / "acalsim").glob("*.json")
    return index, build.host_tools.__wrapped__, built


@pytest.mark.parametrize("name", ["index", "plugin", "library"])
@pytest.mark.parametrize("left", [0, 3])
def test_what_is_damaged_in_the_cache_is_built_anew(cached_tools, name, left):
    index, tools, built = cached_tools
    tools()
    assert len(built) == 1
    path = index if name == "index" else getattr(tools(), name)
    path.write_bytes(path.read_bytes()[:left])
    again = tools()
    assert len(built) == 2
    assert again.plugin.read_bytes() == b"plugin" and again.library.read_bytes() == b"engine"
