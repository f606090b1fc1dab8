# SPDX-License-Identifier: Apache-2.0
"""The placement check between link and simulation: the ELF is checked against its linker script and the plan."""
