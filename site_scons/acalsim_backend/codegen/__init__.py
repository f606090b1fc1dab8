# SPDX-License-Identifier: Apache-2.0
"""Schedule and memory plan in, a bare-metal C program out."""
