# SPDX-License-Identifier: Apache-2.0
"""What QEMU's virt board has already: where its RAM lies, its own devices, its free interrupt sources."""

RAM_ORIGIN = 0x80000000
"""Where QEMU's virt board has its RAM."""

BOARD_WINDOWS = {
    "test": (0x100000, 0x1000),
    "rtc": (0x101000, 0x1000),
    "clint": (0x2000000, 0x10000),
    "platform-bus": (0x4000000, 0x2000000),
    "plic": (0xC000000, 0x600000),
    "uart": (0x10000000, 0x100),
    "virtio": (0x10001000, 0x8000),
    "fw_cfg": (0x10100000, 0x18),
    "flash": (0x20000000, 0x4000000),
    "pcie": (0x30000000, 0x50000000),
}
"""(base, bytes) of what QEMU's virt board already has below RAM; devices must stay clear of it."""

DEVICE_TREE_END, DEVICE_TREE_BYTES = 0xC000_0000, 0x20_0000
"""Where RAM reaches so far, QEMU puts the board's device tree into the bytes before that address."""

FIRST_INTERRUPT, LAST_INTERRUPT = 36, 95
"""Sources of the board's interrupt controller that the board itself has no use for."""
