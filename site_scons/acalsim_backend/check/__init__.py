# SPDX-License-Identifier: Apache-2.0
"""The placement check between link and simulation: an ELF against its linker script and the plan."""
