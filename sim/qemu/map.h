/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the machine's devices lie in the guest's address space. */
#ifndef SST_MAP_H
#define SST_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MOST_DEVICES = 256, DEVICE_NAME_BYTES = 64 };

struct device {
    char name[DEVICE_NAME_BYTES];
    uint64_t base, size;
};

/* Adds a device. False: there are MOST_DEVICES already. */
bool map_add(const char *name, uint64_t base, uint64_t size);

size_t map_count(void);
const struct device *map_device(size_t index);

/* Whether the address belongs to one of the devices. */
bool map_has(uint64_t address);

#endif
