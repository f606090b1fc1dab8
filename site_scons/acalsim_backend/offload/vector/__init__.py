# SPDX-License-Identifier: Apache-2.0
"""What a device's vector unit computes: kernels that are no products in, command lists out."""
