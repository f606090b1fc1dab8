# SPDX-License-Identifier: Apache-2.0
"""The watcher: a command's files as the kernel is asked for them, whoever asks and however."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

PYTHON = (sys.executable, "-S", "-c")


def test_the_commands_status_and_output_are_its_own(watched):
    done = watched("sh", "-c", "echo out; echo err >&2; exit 3").done
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_a_signal_that_ends_the_command_is_in_the_status(watched):
    assert watched("sh", "-c", "kill -SEGV $$").done.returncode == 128 + signal.SIGSEGV


def test_a_command_that_is_not_there_is_named(watched):
    done = watched("./no such program").done
    assert done.returncode == 127 and done.stderr == "watch: ./no such program: No such file or directory\n"


OPENING = {
    "open": "open(p)",
    "open for update": "open(p, 'r+')",
    "os.open": "import os; os.open(p, os.O_RDONLY)",
    "relative to a folder": "import os; folder = os.open(os.path.dirname(p), os.O_RDONLY);"
    " os.open('file', os.O_RDONLY, dir_fd=folder)",
    "mmap": "import mmap; f = open(p, 'r+b'); mmap.mmap(f.fileno(), 0)",
    "a thread": "import threading; t = threading.Thread(target=lambda: open(p)); t.start(); t.join()",
    "a shell": "import os; os.system(f'cat {p} >/dev/null')",
    "a daemon": "import os; os.fork() or os.setsid() and os.fork() or open(p)",
    "after chdir": "import os; os.chdir(os.path.dirname(p)); open('file')",
    "ctypes": "import ctypes; ctypes.CDLL(None).fopen(p.encode(), b'r')",
}


@pytest.mark.parametrize("how", OPENING)
def test_a_file_is_seen_however_it_is_opened(watched, tmp_path, how):
    path = tmp_path / "folder/file"
    path.parent.mkdir()
    path.write_text("content")
    found = watched(*PYTHON, f"p = {str(path)!r}; {OPENING[how]}")
    assert found.done.returncode == 0, found.done.stderr
    assert "r" in found.ways(path)


def test_what_was_not_there_and_what_was_only_looked_at_is_seen(watched, tmp_path):
    (tmp_path / "here").write_text("")
    os.symlink("here", tmp_path / "link")
    text = (
        "import os; os.path.exists('gone'); os.stat('here'); os.readlink('link');"
        " os.path.islink('here'); os.listdir('.')"
    )
    found = watched(*PYTHON, text)
    assert found.ways(tmp_path / "gone") == {"s"} and found.ways(tmp_path / "here") == {"s", "l"}
    assert found.ways(tmp_path / "link") == {"l"} and "r" in found.ways(tmp_path)


def test_a_row_says_what_there_was_before_the_command_changed_it(watched, tmp_path):
    (tmp_path / "grows").write_text("12")
    found = watched("sh", "-c", "test -e new; cat grows; echo 345 >>grows; echo >new")
    rows = {row.path: row for row in found.seen.asked}
    assert rows[f"{tmp_path}/grows"].size == 2 and "w" in rows[f"{tmp_path}/grows"].ways
    assert rows[f"{tmp_path}/new"].mode == 0 and "w" in rows[f"{tmp_path}/new"].ways


def test_what_the_command_made_itself_is_told_from_what_it_found(watched, tmp_path):
    (tmp_path / "before").write_text("")
    found = watched("sh", "-c", "echo >made; cat made; cat before; mv made moved; mkdir folder; rm before")
    assert {"b", "w"} <= found.ways(tmp_path / "made") and {"b", "w"} <= found.ways(tmp_path / "moved")
    assert found.ways(tmp_path / "before") == {"r", "s", "l", "w"} or "b" not in found.ways(
        tmp_path / "before"
    )
    assert "w" in found.ways(tmp_path / "folder") and "w" in found.ways(tmp_path)


@pytest.mark.parametrize("name", ["a b", "new\nline", "quote'\"", "\udcff\udcfe", "x" * 255, "käse"])
def test_names_of_any_bytes_arrive_whole(watched, tmp_path, name):
    (tmp_path / name).write_text("")
    assert "r" in watched("cat", name).ways(tmp_path / name)


def test_names_are_absolute_and_tidy(watched, tmp_path):
    (tmp_path / "a").write_text("")
    found = watched("cat", ".//./a", "a/../b")
    assert "r" in found.ways(tmp_path / "a") and "r" in found.ways(f"{tmp_path}/a/../b")


def test_what_the_kernel_makes_up_is_no_file(watched):
    found = watched("cat", "/proc/self/maps", "/sys/kernel/mm/transparent_hugepage/enabled", "/dev/null")
    assert not [row for row in found.seen.asked if row.path.startswith(("/proc", "/sys", "/dev"))]


CONNECT = "import socket; socket.socket(socket.{family}, socket.SOCK_DGRAM).connect({address})"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CONNECT.format(family="AF_INET", address="('127.0.0.1', 9)"), "the network, 127.0.0.1 port 9"),
        (
            "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.sendto(b'', ('127.0.0.1', 7))",
            "127.0.0.1 port 7",
        ),
        ("import ctypes; ctypes.CDLL(None).syscall(425, 1, 0)", "io_uring"),
    ],
)  # fmt: skip
def test_what_cannot_be_watched_is_said(watched, text, words):
    assert any(words in reason for reason in watched(*PYTHON, text).seen.unwatched)


def test_a_server_of_the_commands_own_is_no_stranger(watched):
    text = (
        "import socket; s = socket.socket(socket.AF_UNIX); s.bind('mine'); s.listen();"
        "socket.socket(socket.AF_UNIX).connect('mine')"
    )
    found = watched(*PYTHON, text)
    assert found.done.returncode == 0 and found.seen.unwatched == []


def test_what_outlives_the_command_is_ended(watched, tmp_path):
    started = time.monotonic()
    watched("sh", "-c", "(sleep 300 & echo $! >pid); true")
    assert time.monotonic() - started < 20
    pid = (tmp_path / "pid").read_text().strip()
    assert not os.path.exists(f"/proc/{pid}")


def test_killing_the_watcher_ends_the_command(watcher, tmp_path):
    process = subprocess.Popen(
        [watcher, tmp_path / "seen", "sh", "-c", "echo $$ && exec sleep 300"], stdout=subprocess.PIPE
    )
    command = int(process.stdout.readline())
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 20
    while os.path.exists(f"/proc/{command}") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not os.path.exists(f"/proc/{command}")


@pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv (util-linux)"
)
def test_a_user_without_rights_may_watch(watcher, tmp_path):
    tmp_path.chmod(0o777)
    shutil.copy(watcher, tmp_path / "watcher")
    command = ["setpriv", "--reuid", "65534", "--clear-groups", "./watcher", "seen", "cat", "/etc/hostname"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    if "Permission denied" in done.stderr:
        pytest.skip("the tests' folder is closed to other users")
    assert done.returncode == 0 and b"/etc/hostname\0" in (tmp_path / "seen").read_bytes()


def test_where_the_kernel_refuses_the_command_runs_and_it_is_said(watcher, watched):
    """A watcher within a watcher: the kernel allows one."""
    found = watched(watcher, "inner", "sh", "-c", "echo ran")
    assert found.done.stdout == "ran\n"
    with open(os.path.join(found.done.args[1].parent, "inner"), "rb") as stream:
        assert stream.read().startswith(b"! the kernel refuses to watch (seccomp: ")
