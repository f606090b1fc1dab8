# SPDX-License-Identifier: Apache-2.0
"""Packages that few sweeps need, imported when one does: they take long, and may not be there."""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import SweepError


def package(name: str, needed_by: str) -> Any:
    """The module `name`. Raises SweepError, which says how to get it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise SweepError(
            f"{needed_by} needs the package {name}: pip install 'acalsim-backend[sweeps]'"
        ) from None
