# SPDX-License-Identifier: Apache-2.0
"""The two files that a simulation loads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Tools:
    """QEMU's plugin and the library of the embedded engine."""

    plugin: Path
    library: Path
