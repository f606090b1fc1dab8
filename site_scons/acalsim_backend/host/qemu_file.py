# SPDX-License-Identifier: Apache-2.0
"""qemu.json: the QEMU that takes the plugin."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class QemuFile:
    """All of qemu.json; `plugin_api` is the version of QEMU's plugin interface."""

    qemu: str
    version: str
    plugin_api: int
