# SPDX-License-Identifier: Apache-2.0
"""What one run said, beside its plan and PyTorch's reference."""
