# SPDX-License-Identifier: Apache-2.0
"""from codegen.riscv_codegen import RISCVCodeGenerator: what acalsim_backend has under the same name."""

from acalsim_backend.codegen.generator import RISCVCodeGenerator

__all__ = ["RISCVCodeGenerator"]
