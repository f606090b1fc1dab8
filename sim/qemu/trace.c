/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "map.h"

static FILE *trace;
static uint64_t lines_left;

bool trace_open(const char *path, uint64_t limit) {
    trace = fopen(path, "we");
    lines_left = limit;
    if (trace == NULL)
        fprintf(stderr, "sst-device: cannot write the trace %s: %s\n", path, strerror(errno));
    return trace != NULL;
}

/* What a callback is told about its instruction, in the one word that QEMU passes on. */
enum { TRACE_READS = 1, TRACE_WRITES = 2, TRACE_AHEAD_SHIFT = 2 };

/* QEMU does a store-conditional as a read and a write. Only what the instruction itself does
 * counts. */
static bool is_wanted(uintptr_t traits, bool is_write, uint64_t address) {
    return (traits & (is_write ? TRACE_WRITES : TRACE_READS)) && !map_has(address);
}

static void trace_access(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address,
                         void *opaque) {
    uintptr_t traits = (uintptr_t)opaque;
    bool is_write = qemu_plugin_mem_is_store(info);
    (void)vcpu;
    if (trace == NULL || !is_wanted(traits, is_write, address)) return;
    if (lines_left == 0) {
        fprintf(trace, "... cut here: the limit is reached\n");
        trace_close();
        return;
    }
    lines_left--;
    fprintf(trace, "%" PRIu64 " %c %u 0x%" PRIx64 "\n",
            clock_cycles() - (traits >> TRACE_AHEAD_SHIFT), is_write ? 'W' : 'R',
            1u << qemu_plugin_mem_size_shift(info), address);
}

void trace_watch_access(struct qemu_plugin_insn *insn, const struct instruction *instruction,
                        uint64_t ahead) {
    bool reads = instruction_reads(instruction), writes = instruction_writes(instruction);
    uintptr_t traits =
        ahead << TRACE_AHEAD_SHIFT | (reads ? TRACE_READS : 0) | (writes ? TRACE_WRITES : 0);
    if (trace != NULL && (reads || writes))
        qemu_plugin_register_vcpu_mem_cb(insn, trace_access, QEMU_PLUGIN_CB_NO_REGS,
                                         QEMU_PLUGIN_MEM_RW, (void *)traits);
}

void trace_flush(void) {
    if (trace != NULL) fflush(trace);
}

void trace_close(void) {
    if (trace != NULL) fclose(trace);
    trace = NULL;
}
