# SPDX-License-Identifier: Apache-2.0
"""What the hardware is: the machine file, devices and registers, printed as headers."""
