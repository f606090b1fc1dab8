# SPDX-License-Identifier: Apache-2.0
"""Where the project's own sources lie: beside site_scons/ in a checkout, inside the package when installed."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
PYTHONPATH = _PACKAGE.parent
"""The folder to put on PYTHONPATH so that `python -m acalsim_backend.ROOM` works."""

ROOT = _PACKAGE.parents[1] if (_PACKAGE.parents[1] / "kernels").is_dir() else _PACKAGE
KERNELS = ROOT / "kernels"
SIM = ROOT / "sim"
MACHINES = SIM / "machines"
