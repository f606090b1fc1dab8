/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "description.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cache.h"
#include "cost.h"
#include "leave.h"
#include "map.h"
#include "registers.h"

static void add_device(const char *name, uint64_t base, uint64_t size) {
    if (!map_add(name, base, size)) leave("the machine has more than %d devices", MOST_DEVICES);
}

static void set_latency(const char *name, uint32_t cycles) {
    unsigned index = find_latency_class(name);
    if (index == LATENCY_CLASS_COUNT)
        leave(
            "the machine description names the latency class '%s', which this plugin does not know",
            name);
    latencies[index] = cycles;
}

static void set_vector_unit(struct vector_unit unit) {
    if (unit.datapath_bits == 0) leave("the machine's vector datapath is 0 bits wide");
    vector_unit = unit;
}

static bool is_power_of_two(uint64_t number) { return number != 0 && (number & (number - 1)) == 0; }

static void add_cache(const char *name, struct cache_shape shape) {
    uint64_t way_bytes = shape.ways ? shape.size_bytes / shape.ways : 0;
    if (!is_power_of_two(shape.line_bytes) || !is_power_of_two(way_bytes) ||
        way_bytes < shape.line_bytes || way_bytes * shape.ways != shape.size_bytes)
        leave("the machine's cache %s has no power of two of sets and of bytes a line", name);
    if (!cache_add(name, shape))
        leave("the machine description names the cache '%s', which this plugin does not know",
              name);
}

static void apply_line(const char *line) {
    char name[DEVICE_NAME_BYTES];
    struct cache_shape shape;
    struct vector_unit unit;
    uint64_t base, size;
    uint32_t cycles;
    if (sscanf(line, "device %50s %" SCNx64 " %" SCNx64, name, &base, &size) == 3)
        add_device(name, base, size);
    else if (sscanf(line, "latency %50s %" SCNu32, name, &cycles) == 2)
        set_latency(name, cycles);
    else if (sscanf(line, "vector %" SCNu32 " %" SCNu32, &unit.vlen, &unit.datapath_bits) == 2)
        set_vector_unit(unit);
    else if (sscanf(line, "cache %50s %" SCNu64 " %" SCNu32 " %" SCNu64 " %" SCNu32 " %" SCNu32,
                    name, &shape.size_bytes, &shape.ways, &shape.line_bytes, &shape.miss_cycles,
                    &shape.writeback_cycles) == 6)
        add_cache(name, shape);
    else if (*line != '\0')
        leave("the machine description has a line that this plugin does not know: %s", line);
}

void description_apply(char *text) {
    for (char *line; (line = strsep(&text, "\n")) != NULL;) apply_line(line);
}

void description_apply_default(void) {
    add_device("echo", ECHO_DEFAULT_BASE, DEVICE_WINDOW_BYTES);
    add_device("compute", COMPUTE_DEFAULT_BASE, DEVICE_WINDOW_BYTES);
}
