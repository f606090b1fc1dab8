/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The QEMU device `sst-device`: one instance puts all devices of the machine on the board's bus. */
#ifndef SST_DEVICE_H
#define SST_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

/* Makes `-device sst-device,socket=PATH` known to QEMU. */
void device_register(void);

/* Whether the address belongs to one of the devices. */
bool device_has(uint64_t address);

#endif
