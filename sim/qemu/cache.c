/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cache.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "registers.h"

/* The lines of a set follow each other, the latest used first: its number, shifted, and flags. */
enum { VALID = 1, DIRTY = 2, FLAG_BITS = 2 };

struct cache {
    uint64_t *lines; /* NULL: there is no such cache */
    uint64_t set_mask;
    unsigned line_shift;
    uint32_t ways, miss_cycles, writeback_cycles;
    uint64_t hits, misses, writebacks;
};

static struct cache l1d, l1i;

bool cache_add(const char *name, struct cache_shape shape) {
    struct cache *cache = strcmp(name, "l1d") == 0 ? &l1d : strcmp(name, "l1i") == 0 ? &l1i : NULL;
    if (cache == NULL) return false;
    uint64_t lines = shape.size_bytes / shape.line_bytes;
    *cache = (struct cache){
        .lines = calloc(lines, sizeof *cache->lines),
        .set_mask = lines / shape.ways - 1,
        .line_shift = (unsigned)__builtin_ctzll(shape.line_bytes),
        .ways = shape.ways,
        .miss_cycles = shape.miss_cycles,
        .writeback_cycles = shape.writeback_cycles,
    };
    return true;
}

/* Makes the line the latest used of its set. */
static void touch(struct cache *cache, uint64_t line, bool is_write) {
    uint64_t *set = &cache->lines[(line & cache->set_mask) * cache->ways];
    uint64_t wanted = line << FLAG_BITS | VALID, written = is_write ? DIRTY : 0;
    unsigned way = 0;
    while (way < cache->ways - 1 && (set[way] & ~(uint64_t)DIRTY) != wanted) way++;
    uint64_t found = set[way];
    bool is_hit = (found & ~(uint64_t)DIRTY) == wanted;
    memmove(set + 1, set, way * sizeof *set);
    set[0] = (is_hit ? found : wanted) | written;
    if (is_hit) {
        cache->hits++;
        return;
    }
    cache->misses++;
    cache->writebacks += (found & DIRTY) != 0;
    clock_spend(cache->miss_cycles + (found & DIRTY ? cache->writeback_cycles : 0));
}

/* --- Data ------------------------------------------------------------------------------ */

enum { READS = 1, WRITES = 2 };

static void on_access(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *opaque) {
    bool is_write = qemu_plugin_mem_is_store(info);
    uint64_t last = address + (1u << qemu_plugin_mem_size_shift(info)) - 1;
    (void)vcpu;
    if (!((uintptr_t)opaque & (is_write ? WRITES : READS)) || address < RAM_ORIGIN) return;
    for (uint64_t line = address >> l1d.line_shift; line <= last >> l1d.line_shift; line++)
        touch(&l1d, line, is_write);
}

void cache_watch_access(struct qemu_plugin_insn *insn, const struct instruction *instruction) {
    uintptr_t traits = (instruction_reads(instruction) ? READS : 0) |
                       (instruction_writes(instruction) ? WRITES : 0);
    if (l1d.lines != NULL && traits != 0)
        qemu_plugin_register_vcpu_mem_cb(insn, on_access, QEMU_PLUGIN_CB_NO_REGS,
                                         QEMU_PLUGIN_MEM_RW, (void *)traits);
}

/* --- Instructions ---------------------------------------------------------------------- */

/* The lines of a block, both included. */
struct span {
    uint64_t first, last;
};

static struct span span_of(uint64_t address, uint64_t bytes) {
    return (struct span){address >> l1i.line_shift, (address + bytes - 1) >> l1i.line_shift};
}

static void fetch(const struct span *span) {
    static uint64_t latest = UINT64_MAX;
    for (uint64_t line = span->first; line <= span->last; line++)
        if (line != latest) touch(&l1i, latest = line, false);
}

static bool is_fetched(uint64_t address) { return l1i.lines != NULL && address >= RAM_ORIGIN; }

void cache_fetch(uint64_t address, uint64_t bytes) {
    struct span span = span_of(address, bytes);
    if (is_fetched(address)) fetch(&span);
}

static void on_block(unsigned vcpu, void *opaque) {
    (void)vcpu;
    fetch(opaque);
}

void cache_watch_block(struct qemu_plugin_tb *tb, uint64_t address, uint64_t bytes) {
    if (!is_fetched(address)) return;
    struct span *span = malloc(sizeof *span); /* QEMU's generated code keeps it */
    *span = span_of(address, bytes);
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, QEMU_PLUGIN_CB_NO_REGS, span);
}

/* --- Statistics ------------------------------------------------------------------------ */

static uint64_t moved_bytes(const struct cache *cache) {
    return (cache->misses + cache->writebacks) << cache->line_shift;
}

uint64_t cache_moved_bytes(void) { return moved_bytes(&l1d) + moved_bytes(&l1i); }

void cache_print(FILE *out) {
    if (l1d.lines == NULL && l1i.lines == NULL) return;
    fprintf(out, ",\n \"cache\": {");
    if (l1d.lines != NULL)
        fprintf(out,
                "\"l1d_hits\": %" PRIu64 ", \"l1d_misses\": %" PRIu64
                ", \"l1d_writebacks\": %" PRIu64 "%s",
                l1d.hits, l1d.misses, l1d.writebacks, l1i.lines != NULL ? ", " : "");
    if (l1i.lines != NULL)
        fprintf(out, "\"l1i_hits\": %" PRIu64 ", \"l1i_misses\": %" PRIu64, l1i.hits, l1i.misses);
    fprintf(out, "}");
}
