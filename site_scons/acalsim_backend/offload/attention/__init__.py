# SPDX-License-Identifier: Apache-2.0
"""Attention as one kernel of a compute device: scores, mask, softmax and values, tile by tile."""
