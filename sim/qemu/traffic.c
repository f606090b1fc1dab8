/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "traffic.h"

#include <stdlib.h>

/* A translated block: how often it ran, and what it does to memory each time. */
struct block {
    uint64_t executions;
    uint32_t reads, writes, bytes_read, bytes_written;
};

/* Blocks live where QEMU's generated code can find them: chunks are never moved or freed. */
enum { BLOCKS_PER_CHUNK = 1024 };
struct chunk {
    struct chunk *next;
    size_t used;
    struct block blocks[BLOCKS_PER_CHUNK];
};

/* Vector elements have 1, 2, 4 or 8 bytes. */
enum { ELEMENT_SIZES = 4 };

static struct chunk *chunks;
static struct traffic excluded;
static uint64_t vector_elements[2][ELEMENT_SIZES]; /* [is_write][log2 of the element's bytes] */

/* --- Counting -------------------------------------------------------------------------- */

static struct block *empty_block(void) {
    if (chunks == NULL || chunks->used == BLOCKS_PER_CHUNK) {
        struct chunk *chunk = calloc(1, sizeof *chunk);
        chunk->next = chunks;
        chunks = chunk;
    }
    return &chunks->blocks[chunks->used++];
}

struct block *traffic_new_block(const struct instruction *run, size_t count) {
    struct block *block = empty_block();
    for (size_t i = 0; i < count; i++) {
        block->reads += run[i].reads;
        block->writes += run[i].writes;
        block->bytes_read += (uint32_t)run[i].reads * run[i].access_bytes;
        block->bytes_written += (uint32_t)run[i].writes * run[i].access_bytes;
    }
    return block;
}

void traffic_run(struct block *block) { block->executions++; }

void traffic_count_block(struct qemu_plugin_tb *tb, struct block *block) {
    qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &block->executions, 1);
}

static void count_element(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address,
                          void *opaque) {
    unsigned size_log2 = qemu_plugin_mem_size_shift(info) % ELEMENT_SIZES;
    (void)vcpu, (void)address, (void)opaque;
    vector_elements[qemu_plugin_mem_is_store(info)][size_log2]++;
}

void traffic_watch_access(struct qemu_plugin_insn *insn, const struct instruction *instruction) {
    if (!instruction->vector_read && !instruction->vector_write) return;
    uint64_t *counters = vector_elements[instruction->vector_write];
    if (instruction->access_bytes == 0)
        qemu_plugin_register_vcpu_mem_cb(insn, count_element, QEMU_PLUGIN_CB_NO_REGS,
                                         QEMU_PLUGIN_MEM_RW, NULL);
    else
        qemu_plugin_register_vcpu_mem_inline(insn, QEMU_PLUGIN_MEM_RW, QEMU_PLUGIN_INLINE_ADD_U64,
                                             &counters[__builtin_ctz(instruction->access_bytes)],
                                             1);
}

void traffic_exclude(bool is_write, unsigned bytes) {
    *(is_write ? &excluded.writes : &excluded.reads) += 1;
    *(is_write ? &excluded.bytes_written : &excluded.bytes_read) += bytes;
}

/* --- Adding up ------------------------------------------------------------------------- */

static void add_blocks(const struct chunk *chunk, struct traffic *sum) {
    for (const struct block *block = chunk->blocks; block < &chunk->blocks[chunk->used]; block++) {
        sum->reads += block->executions * block->reads;
        sum->writes += block->executions * block->writes;
        sum->bytes_read += block->executions * block->bytes_read;
        sum->bytes_written += block->executions * block->bytes_written;
    }
}

struct traffic traffic_read(void) {
    struct traffic sum = {0};
    for (const struct chunk *chunk = chunks; chunk; chunk = chunk->next) add_blocks(chunk, &sum);
    for (unsigned size_log2 = 0; size_log2 < ELEMENT_SIZES; size_log2++) {
        sum.reads += vector_elements[0][size_log2];
        sum.writes += vector_elements[1][size_log2];
        sum.bytes_read += vector_elements[0][size_log2] << size_log2;
        sum.bytes_written += vector_elements[1][size_log2] << size_log2;
    }
    sum.reads -= excluded.reads;
    sum.writes -= excluded.writes;
    sum.bytes_read -= excluded.bytes_read;
    sum.bytes_written -= excluded.bytes_written;
    return sum;
}
