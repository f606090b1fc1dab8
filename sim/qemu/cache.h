/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CPU's first-level caches, where the machine has any: set-associative, least recently used
 * first out, write-back, write-allocate. They cost cycles and hold no data, which QEMU's memory
 * does.
 *
 * A miss stops the CPU for miss_cycles. It takes writeback_cycles more if a line that was written
 * has to leave. Only RAM is cached.
 *
 * The instruction cache is asked once for each line that the CPU comes to, however many
 * instructions of it run one after the other. The data cache is asked for each access, and twice
 * where an access crosses the border of two lines. DMA is not seen, as if it kept the caches
 * coherent at no cost.
 */
#ifndef SST_CACHE_H
#define SST_CACHE_H

#include <stdio.h>

#include "instruction.h"
#include "qemu_api.h"

struct cache_shape {
    uint64_t size_bytes, line_bytes; /* sets and lines are powers of two */
    uint32_t ways, miss_cycles, writeback_cycles;
};

/* Gives the machine the cache l1d or l1i. False: it is called otherwise. */
bool cache_add(const char *name, struct cache_shape shape);

/* Have what is being translated go through the caches, if there are any. */
void cache_watch_access(struct qemu_plugin_insn *insn, const struct instruction *instruction);
void cache_watch_block(struct qemu_plugin_tb *tb, uint64_t address, uint64_t bytes);

/* Fetches the instructions of a block, likewise. */
void cache_fetch(uint64_t address, uint64_t bytes);

/* The bytes that the caches have had from RAM or brought there so far. */
uint64_t cache_moved_bytes(void);

/* A member of the statistics' JSON object, or nothing without a cache. */
void cache_print(FILE *out);

#endif
