# SPDX-License-Identifier: Apache-2.0
"""What a capture read: every change of it is noticed, and nothing else is."""

import os
import sqlite3
import subprocess

import numpy as np
import pytest

pytestmark = pytest.mark.quick

SETTLE = (10**18, 10**18)
"""Times long past, for files that a test makes and reads at once."""

READERS = {
    "text": "print(open('data').read())",
    "update": "print(open('data', 'r+').read())",
    "memmap": "import mmap; f = open('data', 'r+b'); print(bytes(mmap.mmap(f.fileno(), 0)))",
    "subprocess": "import subprocess; print(subprocess.check_output(['cat', 'data']))",
    "shell script": "import subprocess; print(subprocess.check_output(['./script']))",
    "link": "print(open('link').read())",
    "folder of links": "print(open('there/data').read())",
    "appended": "open('data', 'a+').write('')",
}


@pytest.fixture
def data(reading):
    (reading.work / "data").write_text("1234")
    (reading.work / "script").write_text("#!/bin/sh\ncat data\n")
    (reading.work / "script").chmod(0o755)
    os.symlink("data", reading.work / "link")
    os.symlink(".", reading.work / "there")
    return reading


def edit(path, text="4321"):
    path.write_text(text)


def edit_and_keep_the_times(path):
    before = path.stat()
    path.write_text("4321")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_and_keep_the_times(path):
    before, other = path.stat(), path.with_name("other")
    other.write_text("4321")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)
    assert path.stat().st_mtime_ns == before.st_mtime_ns


EDITS = (edit, edit_and_keep_the_times, replace_and_keep_the_times, lambda path: path.unlink())


@pytest.mark.parametrize("how", READERS)
@pytest.mark.parametrize("change", EDITS, ids=["edit", "same times", "replaced", "gone"])
def test_a_file_that_changes_is_noticed(data, how, change):
    data.run(READERS[how])
    assert data.holds() and data.holds(may_write=True)
    change(data.work / "data")
    assert not data.holds()


@pytest.mark.parametrize("how", READERS)
def test_a_file_that_is_only_touched_is_no_change(data, how):
    data.run(READERS[how])
    os.utime(data.work / "data")
    assert data.holds()


@pytest.fixture
def patient(monkeypatch):
    """As if every file had been there for long."""
    monkeypatch.setattr("acalsim_backend.capture.readings.YOUNG_NS", 0)


def test_a_touched_file_is_hashed_once(data, patient):
    os.utime(data.work / "data", ns=SETTLE)
    data.run(READERS["text"])
    os.utime(data.work / "data")
    before = data.text()
    assert data.holds() and data.text() == before
    assert data.holds(may_write=True) and data.text() != before


def test_a_change_within_the_clocks_tick_is_noticed(reading):
    """A file's times have the kernel's coarse clock: one edit right after another may carry the same ones."""
    path = reading.work / "data"
    for _ in range(20):
        path.write_text("1111")
        reading.run("open('data').read()")
        path.write_text("2222")
        assert not reading.holds()


LOOKS = {
    "exists": "import os; print(os.path.exists('later'))",
    "open": "try: open('later')\nexcept FileNotFoundError: print('no')",
    "import": "import sys; sys.path.insert(0, ''); \ntry: import later\nexcept ImportError: print('no')",
    "glob": "import glob; print(glob.glob('l*'))",
    "walk": "import os; print(list(os.walk('.')))",
    "a shell's glob": "import os; os.system('echo *')",
    "PATH": "import subprocess, os; os.environ['PATH'] = '.:' + os.environ['PATH'];"
    " subprocess.run('later', shell=True)",
}


@pytest.mark.parametrize("how", LOOKS)
def test_a_file_that_appears_and_vanishes_is_noticed(reading, how):
    path = reading.work / "later"
    reading.run(LOOKS[how])
    assert reading.holds()
    path.write_text("")
    (reading.work / "later.py").write_text("")
    assert not reading.holds()
    path.chmod(0o755)
    reading.run(LOOKS[how])
    assert reading.holds()
    path.unlink()
    (reading.work / "later.py").unlink()
    assert not reading.holds()


def test_what_stat_tells_is_noticed(reading):
    path = reading.work / "data"
    path.write_text("1234")
    os.utime(path, ns=SETTLE)
    reading.run("import os; print(os.path.getsize('data'))")
    assert reading.holds()
    path.write_text("12345")
    assert not reading.holds()


def test_where_a_link_leads_is_noticed(reading):
    for name in "ab":
        (reading.work / name).write_text("the same")
    link = reading.work / "link"
    link.symlink_to("a")
    reading.run("import os; print(os.path.realpath('link'))")
    assert reading.holds()
    link.unlink()
    link.symlink_to("b")
    assert not reading.holds()


def test_a_database_is_noticed_beside_what_it_makes_for_itself(reading):
    path = reading.work / "weights.db"
    with sqlite3.connect(path) as link:
        link.execute("pragma journal_mode=wal")
        link.execute("create table w (v real)")
        link.execute("insert into w values (1)")
    link.close()
    reading.run("import sqlite3; print(sqlite3.connect('weights.db').execute('select v from w').fetchall())")
    assert reading.holds()
    with sqlite3.connect(path) as link:
        link.execute("update w set v = 2")
    assert not reading.holds()
    link.close()


def test_an_array_that_is_mapped_for_writing_is_noticed(reading):
    path = reading.work / "array.npy"
    np.save(path, np.arange(4.0))
    reading.run("import mmap; f = open('array.npy', 'r+b'); m = mmap.mmap(f.fileno(), 0); print(m[128])")
    assert reading.holds()
    array = np.load(path, mmap_mode="r+")
    array[0] = 7
    array.flush()
    assert not reading.holds()


def test_what_a_model_makes_for_itself_is_no_input(reading):
    text = (
        "import os, tempfile\nopen('made', 'w').write('x'); open('made').read()\n"
        "with tempfile.NamedTemporaryFile('w+') as gone: open(gone.name).read()\n"
        "open('log', 'w').write('y')"
    )
    reading.run(text)
    edit(reading.work / "made")
    edit(reading.work / "log")
    assert reading.holds()


def test_a_cache_that_a_model_fills_is_an_input_from_then_on(reading):
    text = (
        "import os\nif not os.path.exists('cache'): open('cache', 'w').write('1234')\n"
        "print(open('cache').read())"
    )
    reading.run(text)
    assert reading.holds()
    reading.run(text)
    assert reading.holds()
    edit(reading.work / "cache")
    assert not reading.holds()
    reading.run(text)
    (reading.work / "cache").unlink()
    assert not reading.holds()


def test_what_changes_while_it_is_read_is_read_again(reading):
    """Whether before or after the change is nobody's to know."""
    (reading.work / "data").write_text("1234")
    os.mkfifo(reading.work / "turn")
    writer = subprocess.Popen(["sh", "-c", "read go <turn; echo 4321 >data; echo >turn"], cwd=reading.work)
    text = "print(open('data').read()); import os; os.system('echo >turn; read go <turn')"
    reading.run(text)
    writer.wait()
    assert not reading.holds() and "changed - - data" in reading.text()


def test_what_no_file_tells_makes_every_build_read_again(reading):
    text = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.connect(('127.0.0.1', 9))"
    reading.run(text)
    assert not reading.holds() and "unwatched - - the network, 127.0.0.1 port 9" in reading.text()


def test_a_pipe_cannot_be_looked_at_twice(reading):
    os.mkfifo(reading.work / "pipe")
    writer = subprocess.Popen(["sh", "-c", "echo 1 >pipe"], cwd=reading.work)
    reading.run("print(open('pipe').read())")
    writer.wait()
    assert not reading.holds() and "no regular file" in reading.text()


def test_a_file_that_becomes_a_pipe_does_not_hold_up_the_build(reading):
    path = reading.work / "data"
    path.write_text("1234")
    reading.run("open('data').read()")
    path.unlink()
    os.mkfifo(path)
    assert not reading.holds()


def test_odd_names_are_read_back(reading):
    for name in ("a b", "new\nline", "back\\slash", "\udcff", "tab\t", "\x1e"):
        (reading.work / name).write_text("1")
        reading.run(f"open({name!r}).read()")
        assert reading.holds()
        (reading.work / name).write_text("2")
        assert not reading.holds()


def test_a_copy_of_the_tree_looks_at_its_own_files(reading, tmp_path, monkeypatch):
    (reading.work / "data").write_text("1234")
    reading.run("open('data').read()")
    copy = tmp_path / "copy"
    copy.mkdir()
    monkeypatch.chdir(copy)
    assert not reading.holds()
    (copy / "data").write_text("1234")
    assert reading.holds()


def test_a_package_that_is_edited_is_noticed(reading, monkeypatch, patient):
    """Installed files are compared by their stamps; here a folder of the test's stands for Python's own."""
    monkeypatch.setattr("acalsim_backend.capture.places._INSTALLED", (f"{reading.work}/site/",))
    package = reading.work / "site/package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("VALUE = 1\n")
    (package / "part.so").write_text("code")
    text = (
        "import sys; sys.path.insert(0, 'site'); sys.dont_write_bytecode = False\n"
        "import package; open('site/package/part.so').read(); print(package.VALUE)"
    )
    assert reading.run(text) == "1\n"
    assert reading.holds() and "site" not in reading.text()
    os.utime(package / "__pycache__" / os.listdir(package / "__pycache__")[0])
    assert reading.holds(), "what Python caches of the source says nothing"
    edit_and_keep_the_times(package / "part.so")
    assert not reading.holds()
    reading.run(text)
    (package / "__init__.py").write_text("VALUE = 22\n")
    assert not reading.holds()
    assert reading.run(text) == "22\n"


@pytest.mark.parametrize("damage", [b"", b"nonsense\n", b"3fd1  models/old.py\n"])
def test_a_list_that_is_damaged_is_made_anew(reading, tmp_path, damage):
    (reading.work / "data").write_text("1234")
    reading.run("open('data').read()")
    assert reading.holds()
    (tmp_path / "out/read.txt").write_bytes(damage)
    assert reading.holds() == (damage == b"")
    (tmp_path / "out/installed.txt").unlink()
    assert not reading.holds()
