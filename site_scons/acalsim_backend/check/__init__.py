# SPDX-License-Identifier: Apache-2.0
"""The gate between link and simulation: an ELF held to the linker script that made it and to its plan."""
