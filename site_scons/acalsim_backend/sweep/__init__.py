# SPDX-License-Identifier: Apache-2.0
"""One model on many machines: a space of machine keys in, a row of results for each of its points out."""
