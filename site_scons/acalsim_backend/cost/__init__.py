# SPDX-License-Identifier: Apache-2.0
"""What the CPU's kernels cost: a machine and an op in, cycles out, without compiling anything."""
