# SPDX-License-Identifier: Apache-2.0
"""PyTorch in, IR out: the only room that imports torch."""
