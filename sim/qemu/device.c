/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "device.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge.h"
#include "cache.h"
#include "cost.h"
#include "counting.h"
#include "csr.h"
#include "program.h"
#include "qemu_api.h"
#include "ram.h"

struct window {
    char name[72]; /* sst- and a name of the machine description */
    uint64_t base, size;
    MemoryRegion region;
};

enum { MOST_WINDOWS = 256 };
static struct window windows[MOST_WINDOWS];
static size_t window_count;
static char *socket_property;
static bool is_realized;

bool device_has(uint64_t address) {
    for (size_t i = 0; i < window_count; i++)
        if (address - windows[i].base < windows[i].size) return true;
    return false;
}

/* --- Accesses -------------------------------------------------------------------------- */

/* A refusal by the simulator is a bus error, hence an access fault in the guest. */

static MemTxResult read_window(void *opaque, hwaddr offset, uint64_t *data, unsigned bytes,
                               MemTxAttrs attributes) {
    const struct window *window = opaque;
    (void)attributes;
    *data = 0;
    return bridge_access(false, window->base + offset, bytes, data) ? MEMTX_OK : MEMTX_ERROR;
}

static MemTxResult write_window(void *opaque, hwaddr offset, uint64_t data, unsigned bytes,
                                MemTxAttrs attributes) {
    const struct window *window = opaque;
    (void)attributes;
    return bridge_access(true, window->base + offset, bytes, &data) ? MEMTX_OK : MEMTX_ERROR;
}

/* Sizes that no register has go out as well: the simulator refuses and logs them. Misaligned
 * accesses QEMU takes apart before they come here, stores into bytes, loads into two aligned ones.
 */
static const MemoryRegionOps window_operations = {
    .read_with_attrs = read_window,
    .write_with_attrs = write_window,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {.min_access_size = 1, .max_access_size = 8, .unaligned = true},
    .impl = {.min_access_size = 1, .max_access_size = 8, .unaligned = true},
};

/* --- The machine description ----------------------------------------------------------- */

static void add_window(const char *name, uint64_t base, uint64_t size) {
    if (window_count == MOST_WINDOWS)
        bridge_lost("the machine has more than %d devices", MOST_WINDOWS);
    struct window *window = &windows[window_count++];
    snprintf(window->name, sizeof window->name, "sst-%s", name);
    window->base = base;
    window->size = size;
}

static void set_latency(const char *name, uint32_t cycles) {
    unsigned index = find_latency_class(name);
    if (index == LATENCY_CLASS_COUNT)
        bridge_lost(
            "the machine description names the latency class '%s', which this plugin does not know",
            name);
    latencies[index] = cycles;
}

static void set_vector_unit(uint32_t vlen, uint32_t datapath_bits) {
    if (datapath_bits == 0) bridge_lost("the machine's vector datapath is 0 bits wide");
    vector_unit = (struct vector_unit){vlen, datapath_bits};
}

static bool is_power_of_two(uint64_t number) { return number != 0 && (number & (number - 1)) == 0; }

static void add_cache(const char *name, struct cache_shape shape) {
    uint64_t way_bytes = shape.ways ? shape.size_bytes / shape.ways : 0;
    if (!is_power_of_two(shape.line_bytes) || !is_power_of_two(way_bytes) ||
        way_bytes < shape.line_bytes || way_bytes * shape.ways != shape.size_bytes)
        bridge_lost("the machine's cache %s has no power of two of sets and of bytes a line", name);
    if (!cache_add(name, shape))
        bridge_lost("the machine description names the cache '%s', which this plugin does not know",
                    name);
}

static void read_description(char *text) {
    char name[64], *rest = text;
    struct cache_shape shape;
    uint64_t base, size;
    uint32_t cycles, vlen, datapath_bits;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (sscanf(line, "device %50s %" SCNx64 " %" SCNx64, name, &base, &size) == 3)
            add_window(name, base, size);
        else if (sscanf(line, "latency %50s %" SCNu32, name, &cycles) == 2)
            set_latency(name, cycles);
        else if (sscanf(line, "vector %" SCNu32 " %" SCNu32, &vlen, &datapath_bits) == 2)
            set_vector_unit(vlen, datapath_bits);
        else if (sscanf(line, "cache %50s %" SCNu64 " %" SCNu32 " %" SCNu64 " %" SCNu32 " %" SCNu32,
                        name, &shape.size_bytes, &shape.ways, &shape.line_bytes, &shape.miss_cycles,
                        &shape.writeback_cycles) == 6)
            add_cache(name, shape);
        else if (*line != '\0')
            bridge_lost("the machine description has a line that this plugin does not know: %s",
                        line);
    }
}

static void learn_machine(void) {
    char *description = bridge_hello();
    if (description != NULL) {
        read_description(description);
    } else {
        add_window("echo", ECHO_DEFAULT_BASE, DEVICE_WINDOW_BYTES);
        add_window("compute", COMPUTE_DEFAULT_BASE, DEVICE_WINDOW_BYTES);
    }
    free(description);
}

/* --- The device in QEMU's object model ------------------------------------------------- */

#define REFUSE(error, ...) error_setg_internal(error, __FILE__, __LINE__, __func__, __VA_ARGS__)

static void map_windows(DeviceState *device) {
    for (struct window *window = windows; window < &windows[window_count]; window++) {
        memory_region_init_io(&window->region, (Object *)device, &window_operations, window,
                              window->name, window->size);
        memory_region_add_subregion(get_system_memory(), window->base, &window->region);
    }
}

static void load_kernel(void) {
    char *kernel = object_property_get_str(qdev_get_machine(), "kernel", NULL);
    if (kernel != NULL && *kernel != '\0') program_load(kernel);
    free(kernel);
}

static void tell_ram(void) {
    char *text = ram_description();
    if (text != NULL) bridge_send_ram(text);
    free(text);
}

static void realize(DeviceState *device, Error **error) {
    if (is_realized)
        return REFUSE(error,
                      "one sst-device serves all devices of the machine; there is one already");
    if (socket_property == NULL || *socket_property == '\0')
        return REFUSE(error,
                      "socket=PATH is missing: the Unix socket that the simulator listens on");
    const char *problem = bridge_connect(socket_property);
    if (problem != NULL)
        return REFUSE(error, "no simulator on socket %s: %s", socket_property, problem);
    is_realized = true;
    learn_machine();
    map_windows(device);
    tell_ram();
    load_kernel();
    counting_start();
    csr_take_over();
    bridge_watch();
}

static char *get_socket(Object *object, Error **error) {
    (void)object, (void)error;
    return strdup(socket_property ? socket_property : "");
}

static void set_socket(Object *object, const char *path, Error **error) {
    (void)object, (void)error;
    free(socket_property);
    socket_property = strdup(path);
}

static void init_class(ObjectClass *class, void *data) {
    static DeviceRealize parent_realize;
    (void)data;
    device_class_set_parent_realize((DeviceClass *)class, realize, &parent_realize);
    object_class_property_add_str(class, "socket", get_socket, set_socket);
}

void device_register(void) {
    static const TypeInfo type = {
        .name = "sst-device", .parent = "device", .class_init = init_class};
    type_register(&type);
}
