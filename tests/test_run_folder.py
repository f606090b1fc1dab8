# SPDX-License-Identifier: Apache-2.0
"""The folder of a run has room for it, and is gone behind it, however the run ended."""

import os
import re
import signal
import subprocess
import sys
import tempfile

import pytest
from acalsim_backend.errors import SimulateError
from acalsim_backend.paths import PYTHONPATH
from acalsim_backend.simulate import folder
from acalsim_backend.simulate.folder import run_folder
from simulator_fixtures import heed_signals

pytestmark = pytest.mark.quick

RAM_BYTES = 1 << 20
FOR_EVER = f"""
import sys, time
sys.path.insert(0, {str(PYTHONPATH)!r})
from acalsim_backend.errors import run_room
from acalsim_backend.simulate.folder import run_folder
def main(_):
    with run_folder({RAM_BYTES}, 0) as folder:
        (folder / "ram").write_bytes(b"guest")
        print(folder, flush=True)
        time.sleep(1000)
run_room(main)
"""


@pytest.fixture(params=["TMPDIR", "/dev/shm"])
def parent(request, tmp_path, monkeypatch):
    """Where folders of runs are made: memory, or a folder of the user's."""
    if request.param == "/dev/shm":
        return folder.SHARED_MEMORY
    monkeypatch.setattr(folder, "SHARED_MEMORY", tmp_path / "none")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def run_for_ever():
    """Another process's run; it has begun."""
    command = [sys.executable, "-c", FOR_EVER]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=heed_signals)
    yield process, process.stdout.readline().strip()
    process.kill()
    process.communicate()


def test_a_run_has_a_folder_of_its_own_that_nobody_else_may_read(parent):
    with run_folder(RAM_BYTES, 0) as one, run_folder(RAM_BYTES, 0) as other:
        assert one.parent == other.parent == parent and one != other
        assert one.stat().st_mode & 0o777 == 0o700
    assert not one.exists() and not other.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_a_signal_ends_leaves_nothing(run_for_ever, number):
    process, used = run_for_ever
    process.send_signal(number)
    assert process.wait(60) == 130
    assert not os.path.exists(used)


def test_what_a_killed_run_left_is_taken_away_by_the_next(run_for_ever):
    process, left = run_for_ever
    process.send_signal(signal.SIGKILL)
    process.wait()
    os.utime(left, (0, 0))
    with run_folder(RAM_BYTES, 0):
        assert not os.path.exists(left)


def test_what_a_run_uses_and_what_has_just_begun_stay(run_for_ever):
    process, used = run_for_ever
    os.utime(used, (0, 0))
    begun = tempfile.mkdtemp(prefix=folder.PREFIX, dir=folder.SHARED_MEMORY)
    try:
        with run_folder(RAM_BYTES, 0):
            assert os.listdir(used) == ["ram"] and os.path.isdir(begun)
    finally:
        os.rmdir(begun)


def test_a_run_that_has_no_room_is_refused_in_words(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    wanted = rf"guest RAM and logs need 1099511627780 MiB in '{re.escape(str(tmp_path))}', where \d+ MiB are free; "
    with (
        pytest.raises(SimulateError, match=f"^{wanted}TMPDIR=DIR chooses another folder$"),
        run_folder(1 << 60, 1 << 60),
    ):
        pass
    assert os.listdir(tmp_path) == []
