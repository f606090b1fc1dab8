# SPDX-License-Identifier: Apache-2.0
"""PyTorch models on a simulated accelerator: the public names, each loaded on first use."""

from importlib import import_module

_HOME = {
    "ACALSimBackend": "backend",
    "ACALSimCompiler": "capture.lower",
    "ACALSimIR": "ir.graph",
    "ACALSimOp": "ir.graph",
    "ACALSimOpType": "ir.graph",
    "TensorDesc": "ir.graph",
    "RISCVCodeGenerator": "codegen.generator",
    "load_reports": "frames",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'acalsim_backend' has no attribute '{name}'")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
