/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "counting.h"

#include <string.h>

#include "accounts.h"
#include "cache.h"
#include "clock.h"
#include "cost.h"
#include "decode.h"
#include "program.h"
#include "trace.h"
#include "traffic.h"

/* Last address of virt's boot ROM, which begins at 0x1000. */
enum { BOOT_ROM_END = 0x11000 };

static void decode_block(struct qemu_plugin_tb *tb, size_t count, struct instruction *run) {
    for (size_t i = 0; i < count; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        uint32_t word = 0;
        memcpy(&word, qemu_plugin_insn_data(insn), qemu_plugin_insn_size(insn) == 2 ? 2 : 4);
        decode(word, &run[i]);
    }
}

/* The sum of what the program file says of the instructions. False: they are not in the file. */
static bool add_program_costs(uint64_t address, const struct instruction *run, size_t count,
                              uint64_t *total) {
    uint32_t cost;
    *total = 0;
    for (size_t i = 0; i < count; address += run[i++].length) {
        if (!program_cost(address, run[i].word, &cost)) return false;
        *total += cost;
    }
    return true;
}

/* Cycles of the block. Code that is not in the program file is costed as a basic block of its
 * own. */
static uint64_t block_cycles(uint64_t address, const struct instruction *run, size_t count) {
    struct vector_shape shape = vector_shape_unset();
    uint32_t costs[count];
    uint64_t total;
    if (add_program_costs(address, run, count, &total)) return total;
    cost_run(run, count, &shape, costs);
    total = 0;
    for (size_t i = 0; i < count; i++) total += costs[i];
    return total;
}

void counting_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    (void)id;
    size_t count = qemu_plugin_tb_n_insns(tb);
    uint64_t address = qemu_plugin_tb_vaddr(tb);
    struct instruction run[count];
    if (count == 0 || address < BOOT_ROM_END) return;
    decode_block(tb, count, run);
    struct block *block = traffic_count_block(tb);
    uint64_t cycles = block_cycles(address, run, count), bytes = 0;
    for (size_t i = 0; i < count; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        traffic_count_access(block, insn, &run[i]);
        trace_watch_access(insn, &run[i], cycles);
        cache_watch_access(insn, &run[i]);
        bytes += run[i].length;
    }
    accounts_watch_block(tb, address);
    cache_watch_block(tb, address, bytes);
    clock_count_block(tb, cycles, count);
}
