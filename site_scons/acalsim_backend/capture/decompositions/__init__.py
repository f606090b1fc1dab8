# SPDX-License-Identifier: Apache-2.0
"""ATen ops as other ATen ops, by kind; `table` has all of them."""
