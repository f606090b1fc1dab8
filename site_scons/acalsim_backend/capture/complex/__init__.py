# SPDX-License-Identifier: Apache-2.0
"""Graphs with complex tensors as graphs of their real and imaginary parts."""
