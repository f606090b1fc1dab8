/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "counting.h"

#include <string.h>

#include "accounts.h"
#include "cache.h"
#include "clock.h"
#include "decode.h"
#include "pieces.h"
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

static uint64_t bytes_of(const struct instruction *run, size_t count) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) bytes += run[i].length;
    return bytes;
}

void counting_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    (void)id;
    size_t count = qemu_plugin_tb_n_insns(tb);
    uint64_t address = qemu_plugin_tb_vaddr(tb);
    struct instruction run[count];
    if (count == 0 || address < BOOT_ROM_END) return;
    decode_block(tb, count, run);
    uint64_t cycles = program_cycles(address, run, count);
    for (size_t i = 0; i < count; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        traffic_watch_access(insn, &run[i]);
        trace_watch_access(insn, &run[i], cycles);
        cache_watch_access(insn, &run[i]);
    }
    if (pieces_occur()) return pieces_watch(tb, address, run, count);
    traffic_count_block(tb, traffic_new_block(run, count));
    accounts_watch_block(tb, address);
    cache_watch_block(tb, address, bytes_of(run, count));
    clock_count_block(tb, cycles, count);
}
