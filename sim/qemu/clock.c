/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct passed own;
static struct passed *passed = &own;

bool clock_share(const char *path) {
    int file = open(path, O_RDWR | O_CLOEXEC);
    void *shared = MAP_FAILED;
    if (file >= 0 && ftruncate(file, sizeof own) == 0)
        shared = mmap(NULL, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (shared == MAP_FAILED)
        fprintf(stderr, "sst-device: cannot keep the clock in %s: %s\n", path, strerror(errno));
    else
        passed = shared;
    if (file >= 0) close(file);
    return shared != MAP_FAILED;
}

struct passed clock_read(void) { return *passed; }

uint64_t clock_cycles(void) { return passed->cycles; }

uint64_t clock_instructions(void) { return passed->instructions; }

void clock_stall(uint64_t cycles) {
    passed->cycles += cycles;
    passed->stall_cycles += cycles;
}

void clock_spend(uint64_t cycles) { passed->cycles += cycles; }

void clock_run(uint64_t cycles, uint64_t instructions) {
    passed->cycles += cycles;
    passed->instructions += instructions;
}

void clock_count_block(struct qemu_plugin_tb *tb, uint64_t cycles, uint64_t instructions) {
    qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &passed->cycles,
                                             cycles);
    qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &passed->instructions,
                                             instructions);
}
