# SPDX-License-Identifier: Apache-2.0
"""What was built for this host, as its users are given it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Tools:
    """What a simulation loads: QEMU's plugin and the embedded engine's library."""

    plugin: Path
    library: Path
