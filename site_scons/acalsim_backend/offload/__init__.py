# SPDX-License-Identifier: Apache-2.0
"""Matrix products on the compute device: which ops may go there, in which tiles, by which commands."""
