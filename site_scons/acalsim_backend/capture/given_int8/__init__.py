# SPDX-License-Identifier: Apache-2.0
"""Models that were quantised before they came here: quantise and dequantise pairs in, int8 products out."""
