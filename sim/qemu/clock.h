/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's clock, in cycles: what the CPU spent and what it waited for devices.
 *
 * A block's cycles are added as the block starts. Inside it the clock is ahead by the rest of the
 * block, the same way every run.
 */
#ifndef SST_CLOCK_H
#define SST_CLOCK_H

#include "qemu_api.h"

/* What has passed since the guest started. */
struct passed {
    uint64_t cycles;       /* the time: all of them */
    uint64_t stall_cycles; /* those of them that the CPU waited for devices */
    uint64_t instructions;
};

/* Keeps them in a file that others may look at, from the first block on. False, with a line on
 * stderr, where that cannot be. */
bool clock_share(const char *path);

struct passed clock_read(void);
uint64_t clock_cycles(void);
uint64_t clock_instructions(void);

/* Lets time pass that the CPU waits for a device. */
void clock_stall(uint64_t cycles);

/* Lets time pass that the CPU itself needs, beyond its instructions. */
void clock_spend(uint64_t cycles);

/* Lets a block run. */
void clock_run(uint64_t cycles, uint64_t instructions);

/* Has a block that is being translated move the clock each time it runs. */
void clock_count_block(struct qemu_plugin_tb *tb, uint64_t cycles, uint64_t instructions);

#endif
