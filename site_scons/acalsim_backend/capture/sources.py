# SPDX-License-Identifier: Apache-2.0
"""Where an op of a traced graph comes from: a node in, the user's line or module as text out."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import printable

if TYPE_CHECKING:
    from torch import fx


class Sources:
    """Source lines relative to `root`. `origin` stands before the module's path where an op has no line
    of the user's, as in nn.Sequential: `models/mlp.py (module 0)`.
    """

    def __init__(self, root: Path, origin: str):
        import torch

        self.root, self.origin = root, origin
        self._foreign = (Path(torch.__file__).parent, Path(__file__).parent)

    def of(self, node: fx.Node) -> str:
        """`models/mlp.py:17`, relative to the root where it lies below it; empty if nothing is known."""
        return printable(self._of(node))

    def _of(self, node: fx.Node) -> str:
        trace = node.meta.get("stack_trace") or ""
        frames = [
            frame for frame in re.findall(r'File "(.+?)", line (\d+)', trace) if self._is_users(frame[0])
        ]
        if not frames:
            return self._module(node)
        path, line = frames[-1]
        relative = os.path.relpath(path, self.root)
        return f"{os.path.basename(path) if relative.startswith('..') else relative}:{line}"

    def _module(self, node: fx.Node) -> str:
        modules = [path for path, _ in (node.meta.get("nn_module_stack") or {}).values()]
        module = f"module {module_path(modules[-1])}" if modules else ""
        return f"{self.origin} ({module})" if self.origin and module else self.origin or module

    def _is_users(self, path: str) -> bool:
        return not any(Path(path).is_relative_to(folder) for folder in self._foreign)


def module_path(text: str) -> str:
    """`L['self']._modules['0'].fc` -> `0.fc`"""
    path = re.sub(r"^L\['\w+'\]\.?", "", text)
    path = re.sub(r"_modules\['([^']+)'\]|\['?([^\]']+)'?\]", lambda m: f".{m[1] or m[2]}", path)
    return re.sub(r"\.+", ".", path).strip(".") or "itself"
