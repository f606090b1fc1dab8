/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The QEMU device `sst-device`: one instance puts all devices of the machine on the board's bus. */
#ifndef SST_DEVICE_H
#define SST_DEVICE_H

/* Makes `-device sst-device,socket=PATH` known to QEMU. */
void device_register(void);

#endif
