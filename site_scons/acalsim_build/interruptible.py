# SPDX-License-Identifier: Apache-2.0
"""How SCons runs a command here: like its own way, but Ctrl-C ends the command too, and a full disk is one line.

SCons's own way waits for running commands to end by themselves, which a long simulation does not. Nor does a
terminal's Ctrl-C reach the commands, who would complain each in its own words: SCons gets it, and ends them.
Compilers say in a thousand lines that a disk is full; what they say is held back until they end.
"""

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time

from acalsim_backend.simulate.progress import VARIABLE

DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "TERM") if shutil.which("setpriv") else ()
"""A command ends with the build however that ends; setpriv is util-linux's."""
LEAST_BYTES = 1 << 16
"""A disk with less room than this is full."""
FIRST_WORD_S = 2
"""What takes longer is said to be running."""
OF_A_RULE = re.compile(rb"^.*\.py:\d+:\d+: (?:fatal )?error: .*$", re.MULTILINE)
"""A compiler's complaint about C that a Python file of the user's has given; the first of them is all that is said."""
GRACE_S = 5.0
"""How long an interrupted command has to clean up."""


class Spawner:
    """Callable as SCons's SPAWN, from any thread; create it in the main thread."""

    def __init__(self):
        self.interrupted, wakeup = os.pipe()
        os.set_blocking(wakeup, False)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)

    def __call__(self, shell, escape, command, arguments, environment, subject=""):
        """Run the shell command `arguments` and return its status, as a shell would.

        On a terminal, one that takes long is said to be running, as `subject`.
        """
        words = [*DIE_WITH_PARENT, shell, "-c", "exec " + " ".join(arguments)]
        if command == escape(sys.executable):  # a room, which says what it has to say in a line
            return self.run(words, environment, None, subject)
        with open(os.memfd_create("said"), "w+b") as said:
            status = self.run(words, environment, said, subject)
            tell(command, status, said)
        return status

    def run(self, words, environment, stderr, subject):
        options = {"stdin": subprocess.DEVNULL, "stderr": stderr, "start_new_session": True}
        with open(os.memfd_create("progress"), "r+b") as far:
            if subject and sys.stderr.isatty():
                environment = {**environment, VARIABLE: f"/proc/self/fd/{far.fileno()}"}
                options["pass_fds"] = [far.fileno()]
            process = subprocess.Popen(words, env=environment, **options)
            handle = os.pidfd_open(process.pid)
            try:
                if handle not in self.await_end(handle, subject, far):
                    self.end(process)
            finally:
                os.close(handle)
        status = process.wait()
        return status if status >= 0 else 128 - status

    def await_end(self, handle, subject, far):
        """Wait for the process or an interrupt; say at 2, 4, 8... seconds what is waited for, and how far it is."""
        started, next_s = time.monotonic(), FIRST_WORD_S if subject and sys.stderr.isatty() else None
        while True:
            left = None if next_s is None else max(0, started + next_s - time.monotonic())
            ready, _, _ = select.select([handle, self.interrupted], [], [], left)
            if ready:
                return ready
            far.seek(0)
            said = ", ".join([f"{next_s:g} s", *far.read().decode().splitlines()])
            print(f"...       {subject}: {said}", file=sys.stderr, flush=True)
            next_s *= 2

    def end(self, process):
        """End the command and all that it has started."""
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def tell(command, status, said):
    """Print what a compiler said, or one line where the disk was full; nothing of one that was ended."""
    said.seek(0)
    text = said.read()
    if status and is_full(text):
        text = (
            f"{os.path.basename(command)}: no space left on the disk of {os.path.abspath('build')}\n".encode()
        )
    if status and (complaint := OF_A_RULE.search(text)):
        text = b"compile: " + complaint[0] + b"\n"
    if status != 128 + signal.SIGTERM:
        os.write(sys.stderr.fileno(), text)


def is_full(text):
    disk = os.statvfs("build")
    return b"No space left on device" in text or disk.f_bavail * disk.f_frsize < LEAST_BYTES
