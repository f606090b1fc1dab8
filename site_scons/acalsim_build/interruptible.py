# SPDX-License-Identifier: Apache-2.0
"""How SCons runs a command here: like its own way, but Ctrl-C ends the command too.

SCons's own way waits for running commands to end by themselves, which a long simulation does not.
"""

import os
import select
import shutil
import signal
import subprocess

DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "TERM") if shutil.which("setpriv") else ()
"""A command ends with the build however that ends; setpriv is util-linux's."""
GRACE_S = 5.0
"""How long an interrupted command has to clean up."""


class Spawner:
    """Callable as SCons's SPAWN, from any thread; create it in the main thread."""

    def __init__(self):
        self.interrupted, wakeup = os.pipe()
        os.set_blocking(wakeup, False)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)

    def __call__(self, shell, escape, command, arguments, environment):
        """Run the shell command `arguments` and return its status, as a shell would."""
        words = [*DIE_WITH_PARENT, shell, "-c", "exec " + " ".join(arguments)]
        process = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL)
        handle = os.pidfd_open(process.pid)
        try:
            ready, _, _ = select.select([handle, self.interrupted], [], [])
            if handle not in ready:
                self.end(process)
        finally:
            os.close(handle)
        status = process.wait()
        return status if status >= 0 else 128 - status

    def end(self, process):
        process.send_signal(signal.SIGINT)
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
