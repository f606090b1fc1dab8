# SPDX-License-Identifier: Apache-2.0
"""The host's side: finding and building the engines, QEMU's plugin and the compilers of the firmware."""
