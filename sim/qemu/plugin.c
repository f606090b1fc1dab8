/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The door by which QEMU enters: -plugin
 * sst_device.so[,trace=FILE[,trace_limit=LINES]][,clock=FILE]
 *
 * Loading the plugin makes the device known. -device sst-device,socket=PATH then creates it.
 *
 * The floors of this folder, the top one first. A file includes its own header, headers of lower
 * floors, and the generated registers.h. tests/test_qemu_layout.py reads this table.
 *
 *   floor       rooms
 *   door        plugin
 *   device      device
 *   windows     windows
 *   interrupts  interrupt
 *   session     session
 *   simulator   bridge description
 *   leaving     leave
 *   counting    counting statistics
 *   pieces      pieces
 *   counters    accounts cache csr trace traffic
 *   program     program
 *   basics      clock cost decode map ram
 *   decoders    decode_compressed decode_vector
 *   fields      decode_fields
 *   ground      instruction qemu_api
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "counting.h"
#include "device.h"
#include "interrupt.h"
#include "qemu_api.h"
#include "trace.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

enum { DEFAULT_TRACE_LIMIT = 1000000 };

struct options {
    const char *trace;
    const char *clock;
    uint64_t trace_limit;
};

static bool parse_count(const char *text, uint64_t *count) {
    char *end;
    *count = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0';
}

/* What stands behind `key`, or NULL where the option is another. */
static const char *value_of(const char *option, const char *key) {
    size_t length = strlen(key);
    return strncmp(option, key, length) == 0 ? option + length : NULL;
}

static bool parse_option(const char *text, struct options *options) {
    const char *value;
    if ((value = value_of(text, "trace=")) != NULL) {
        options->trace = value;
        return true;
    }
    if ((value = value_of(text, "clock=")) != NULL) {
        options->clock = value;
        return true;
    }
    value = value_of(text, "trace_limit=");
    if (value == NULL || !parse_count(value, &options->trace_limit)) {
        fprintf(stderr,
                "sst-device: unknown plugin option '%s'; known are trace=FILE, trace_limit=LINES, "
                "clock=FILE\n",
                text);
        return false;
    }
    return true;
}

/* Inline counters are not atomic, and one connection carries one CPU's time. */
static bool is_supported(const qemu_info_t *info) {
    bool supported = info->system_emulation && strcmp(info->target_name, "riscv64") == 0 &&
                     info->system.smp_vcpus == 1;
    if (!supported)
        fprintf(stderr, "sst-device: needs qemu-system-riscv64 with one CPU; this is %s with %d\n",
                info->target_name, info->system.smp_vcpus);
    return supported;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                           char **argv) {
    struct options options = {.trace_limit = DEFAULT_TRACE_LIMIT};
    for (int i = 0; i < argc; i++)
        if (!parse_option(argv[i], &options)) return 1;
    if (!is_supported(info) || (options.clock != NULL && !clock_share(options.clock)) ||
        (options.trace != NULL && !trace_open(options.trace, options.trace_limit)))
        return 1;
    device_register();
    interrupt_watch(id);
    qemu_plugin_register_vcpu_tb_trans_cb(id, counting_translate);
    return 0;
}
