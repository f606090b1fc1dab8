# SPDX-License-Identifier: Apache-2.0
"""An ELF in, what the simulated machine did out."""
