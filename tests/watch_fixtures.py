# SPDX-License-Identifier: Apache-2.0
"""The watcher of captures, compiled once, and commands run under it."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from acalsim_backend import watch
from acalsim_backend.capture import readings


class Watched(NamedTuple):
    """A command that has ended, and what the watcher says of it."""

    done: subprocess.CompletedProcess
    seen: watch.Seen

    def ways(self, path):
        """The letters of a name that was asked for; None where it was not."""
        return next((set(row.ways) for row in self.seen.asked if row.path == str(path)), None)


@pytest.fixture(scope="session")
def watcher(tmp_path_factory) -> Path:
    program = tmp_path_factory.mktemp("watcher") / watch.NAME
    subprocess.run(["gcc", *watch.CFLAGS, "-Werror", *watch.SOURCES, "-o", program], check=True)
    return program


@pytest.fixture
def watched(watcher, tmp_path):
    """Runs a command under the watcher, by default in a folder of the test's own."""

    def run(*command, **options):
        listing = tmp_path / "seen"
        options = {"cwd": tmp_path, "capture_output": True, "text": True, "timeout": 60, **options}
        done = subprocess.run([watcher, listing, *command], **options)
        return Watched(done, watch.read_seen(listing))

    return run


@pytest.fixture
def reading(watched, tmp_path, monkeypatch):
    """Runs Python text as a capture runs a model, notes what it read, and tells what has changed since."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    out = tmp_path / "out"

    class Reading:
        work = folder

        def run(self, text):
            command = (sys.executable, "-S", "-c", text)
            done, seen = watched(*command, cwd=folder)
            assert done.returncode == 0, done.stderr
            readings.write_readings(seen, out)
            return done.stdout

        def holds(self, may_write=False):
            readings._LOOKED_AT.clear()  # as another build would begin
            return readings.is_unchanged(out, may_write)

        def text(self):
            return (out / "read.txt").read_text()

    return Reading()
