# SPDX-License-Identifier: Apache-2.0
"""Where the project's own sources lie: beside site_scons/ in a checkout, in the package when installed."""

import os
from pathlib import Path

from .errors import ToolchainError

_PACKAGE = Path(__file__).resolve().parent
PYTHONPATH = _PACKAGE.parent
"""The folder to put on PYTHONPATH so that `python -m acalsim_backend.ROOM` works."""

ROOT = _PACKAGE.parents[1] if (_PACKAGE.parents[1] / "kernels").is_dir() else _PACKAGE
"""The folder that holds kernels/ and sim/: the checkout, or the installed package."""

KERNELS = ROOT / "kernels"
SIM = ROOT / "sim"
MACHINES = SIM / "machines"


def cache_folder() -> Path:
    """This project's folder in $XDG_CACHE_HOME or ~/.cache, made if it is missing."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(base).absolute() / "acalsim"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ToolchainError(
            f"cannot make the cache folder {folder}: {error.strerror}; name another in XDG_CACHE_HOME"
        ) from None
    return folder
