/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "windows.h"

#include <stdio.h>

#include "interrupt.h"
#include "map.h"
#include "session.h"

struct window {
    char name[DEVICE_NAME_BYTES + 8]; /* sst- and the device's name */
    uint64_t base;
    MemoryRegion region;
};

static struct window windows[MOST_DEVICES];

/* A refusal by the simulator is a bus error, hence an access fault in the guest. */
static MemTxResult access_device(struct access access, uint64_t *data) {
    struct outcome outcome = session_access(&access);
    interrupt_raise(outcome.raised);
    *data = outcome.data;
    return outcome.success ? MEMTX_OK : MEMTX_ERROR;
}

static MemTxResult read_window(void *opaque, hwaddr offset, uint64_t *data, unsigned bytes,
                               MemTxAttrs attributes) {
    const struct window *window = opaque;
    (void)attributes;
    return access_device((struct access){.bytes = (uint8_t)bytes, .address = window->base + offset},
                         data);
}

static MemTxResult write_window(void *opaque, hwaddr offset, uint64_t data, unsigned bytes,
                                MemTxAttrs attributes) {
    const struct window *window = opaque;
    (void)attributes;
    return access_device((struct access){.is_write = true,
                                         .bytes = (uint8_t)bytes,
                                         .address = window->base + offset,
                                         .data = data},
                         &data);
}

/* Sizes that no register has go out as well: the simulator refuses and logs them. QEMU takes
 * misaligned accesses apart before they come here, stores into bytes, loads into two aligned ones.
 */
static const MemoryRegionOps window_operations = {
    .read_with_attrs = read_window,
    .write_with_attrs = write_window,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {.min_access_size = 1, .max_access_size = 8, .unaligned = true},
    .impl = {.min_access_size = 1, .max_access_size = 8, .unaligned = true},
};

void windows_create(DeviceState *owner) {
    for (size_t i = 0; i < map_count(); i++) {
        const struct device *device = map_device(i);
        struct window *window = &windows[i];
        snprintf(window->name, sizeof window->name, "sst-%s", device->name);
        window->base = device->base;
        memory_region_init_io(&window->region, (Object *)owner, &window_operations, window,
                              window->name, device->size);
        memory_region_add_subregion(get_system_memory(), device->base, &window->region);
    }
}
