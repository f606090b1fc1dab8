# SPDX-License-Identifier: Apache-2.0
"""A graph of ops on tensors: what it is, what it may be, how it reads as text."""
