/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices' windows in QEMU's memory: an access of the guest there becomes one of the session.
 */
#ifndef SST_WINDOWS_H
#define SST_WINDOWS_H

#include "qemu_api.h"

/* Puts a window on the board's bus for each device of the map; `owner` owns them. */
void windows_create(DeviceState *owner);

#endif
