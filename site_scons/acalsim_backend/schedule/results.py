# SPDX-License-Identifier: Apache-2.0
"""What kernels leave in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..ir.graph import ACALSimIR
from ..ir.kernel import Kernel
from ..ir.strides import Access


def with_results(
    ir: ACALSimIR, kernels: list[Kernel], access: Mapping[str, Access], keep_all: bool
) -> tuple[Kernel, ...]:
    """The kernels with what each leaves in memory: what others read, outputs, with `keep_all` everything."""
    needed = {access[name].storage for name in ir.outputs}
    for kernel in kernels:
        needed |= {access[name].storage for name in kernel.read} - kernel.written

    def results(kernel: Kernel) -> tuple[str, ...]:
        kept = {op.outputs[0] for op in kernel.ops if keep_all and not kernel.is_in_passing(op)} | needed
        floats = [op.outputs[0] for op in (kernel.anchor, *kernel.after) if op.outputs[0] in kept]
        if kernel.keeps_rows and all(ir.tensors[name].dtype != "float32" for name in floats):
            kept.add(kernel.anchor.outputs[0])
        return tuple(op.outputs[0] for op in kernel.ops if op.outputs[0] in kept)

    return tuple(replace(kernel, results=results(kernel)) for kernel in kernels)
