# SPDX-License-Identifier: Apache-2.0
"""PyTorch in, IR out: the only room that imports torch.

`trace` is the one way from a model to core ATen ops, `ACALSimCompiler` turns those into IR; model
files (`capture_model`) and torch.compile (backend.py) both come this way.
"""

from .lower import ACALSimCompiler
from .model import Captured, capture_model
from .store import pack, write_capture
from .trace import prepare_torch, trace

__all__ = ["ACALSimCompiler", "Captured", "capture_model", "pack", "prepare_torch", "trace", "write_capture"]
