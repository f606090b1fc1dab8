/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counts the CPU's accesses to memory and their bytes.
 *
 * A block's scalar accesses are known when QEMU translates it: counting how often it ran costs one
 * inline addition. How many elements a vector access has only the running program knows, so those
 * are counted one by one.
 */
#ifndef SST_TRAFFIC_H
#define SST_TRAFFIC_H

#include "instruction.h"
#include "qemu_api.h"

struct traffic {
    uint64_t reads, writes, bytes_read, bytes_written;
};

/* A new block of these instructions. What their vector accesses are counts only with
 * traffic_watch_access. */
struct block *traffic_new_block(const struct instruction *run, size_t count);

/* Counts the block: it runs. */
void traffic_run(struct block *block);

/* Has a block that is being translated counted each time it runs. */
void traffic_count_block(struct qemu_plugin_tb *tb, struct block *block);

/* Has the elements of an instruction counted, if it is a vector access. */
void traffic_watch_access(struct qemu_plugin_insn *insn, const struct instruction *instruction);

/* Takes one access to a device off, because its instruction was counted among the others. */
void traffic_exclude(bool is_write, unsigned bytes);

/* All accesses to memory so far. */
struct traffic traffic_read(void);

#endif
