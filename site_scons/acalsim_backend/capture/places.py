# SPDX-License-Identifier: Apache-2.0
"""Which files are the user's own: below no Python installation, none of the system's and none of this package."""

from __future__ import annotations

import os
import site
import sys
import sysconfig

from ..paths import PYTHONPATH

OURS = (str(PYTHONPATH), str(PYTHONPATH / "acalsim_backend"))
"""The folder that holds this package, and the package; the build knows its files one by one."""


def _python_folders() -> set[str]:
    """Where Python and its packages lie; not the prefix itself, below which users may work."""
    paths = {path for name, path in sysconfig.get_paths().items() if name != "data"}
    environment = [sys.prefix] if sys.prefix != sys.base_prefix else []
    environment += [f"{sys.base_prefix}/{part}" for part in ("bin", "include", "lib", "share")]
    return {*environment, *paths, *map(os.path.realpath, paths), site.getusersitepackages()}


_SYSTEM_FOLDERS = ("/proc", "/sys", "/dev", "/etc", "/lib", "/lib64", "/bin", "/sbin", "/usr", "/var/lib")
_INSTALLED = tuple(f"{folder}/" for folder in (*_python_folders(), *_SYSTEM_FOLDERS))


def is_installed(path: str) -> bool:
    """Whether an absolute path is one of Python's or the system's."""
    return path.startswith(_INSTALLED) or f"{path}/" in _INSTALLED


def is_ours(path: str) -> bool:
    return path == OURS[0] or is_below(path, OURS[1])


def is_users(path: str) -> bool:
    return os.path.isabs(path) and not is_installed(path) and not is_ours(path)


def is_below(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or lies in it."""
    return path == folder or path.startswith(f"{folder}/")
