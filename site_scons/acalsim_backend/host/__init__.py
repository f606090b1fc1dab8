# SPDX-License-Identifier: Apache-2.0
"""What runs on this computer: engines, QEMU, compilers, and how they are built."""
