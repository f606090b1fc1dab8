/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clock.h"

static struct passed passed;

struct passed clock_read(void) { return passed; }

uint64_t clock_cycles(void) { return passed.cycles; }

uint64_t clock_instructions(void) { return passed.instructions; }

void clock_stall(uint64_t cycles) {
    passed.cycles += cycles;
    passed.stall_cycles += cycles;
}

void clock_spend(uint64_t cycles) { passed.cycles += cycles; }

void clock_run(uint64_t cycles, uint64_t instructions) {
    passed.cycles += cycles;
    passed.instructions += instructions;
}

void clock_count_block(struct qemu_plugin_tb *tb, uint64_t cycles, uint64_t instructions) {
    qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &passed.cycles,
                                             cycles);
    qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &passed.instructions,
                                             instructions);
}
