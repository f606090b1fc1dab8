# SPDX-License-Identifier: Apache-2.0
"""The folder of --cache-dir, in which trees share what they built: what lies there is held to what was put there."""

import contextlib
import os

from acalsim_backend.files import sha256, write_atomic
from SCons.CacheDir import CacheDir

DIGEST = ".sha256"


class CheckedCacheDir(CacheDir):
    """SCons's own, but each entry has a digest beside it; an entry that does not hold it is made anew."""

    def retrieve(self, node):
        _, entry = self.cachepath(node)
        if entry is None or not os.path.exists(entry) or is_whole(entry):
            return super().retrieve(node)
        if not self.is_readonly() and not node.get_build_env().GetOption("no_exec"):
            for path in (entry, entry + DIGEST):
                with contextlib.suppress(OSError):
                    os.remove(path)
        return False

    def push(self, node):
        _, entry = self.cachepath(node)
        if entry and not self.is_readonly() and not node.nocache and not os.path.exists(entry):
            with contextlib.suppress(OSError):  # SCons says that it cannot write there
                os.makedirs(os.path.dirname(entry), exist_ok=True)
                write_atomic(entry + DIGEST, sha256(node.get_internal_path()))
        return super().push(node)


def is_whole(entry):
    try:
        with open(entry + DIGEST) as file:
            return file.read() == sha256(entry)
    except OSError:
        return False
