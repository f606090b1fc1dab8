# SPDX-License-Identifier: Apache-2.0
"""The embedded engine's build: only what changed, and one line where it fails."""

import pytest
from acalsim_backend.errors import ServeError, ToolchainError
from acalsim_backend.host import compiler, engine
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
