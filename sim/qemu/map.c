/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "map.h"

#include <stdio.h>

static struct device devices[MOST_DEVICES];
static size_t device_count;

bool map_add(const char *name, uint64_t base, uint64_t size) {
    if (device_count == MOST_DEVICES) return false;
    struct device *device = &devices[device_count++];
    snprintf(device->name, sizeof device->name, "%s", name);
    device->base = base;
    device->size = size;
    return true;
}

size_t map_count(void) { return device_count; }

const struct device *map_device(size_t index) { return &devices[index]; }

bool map_has(uint64_t address) {
    for (size_t i = 0; i < device_count; i++)
        if (address - devices[i].base < devices[i].size) return true;
    return false;
}
