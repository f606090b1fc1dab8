/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counts cycles, instructions and memory accesses of the guest, and books them to ops.
 *
 * A block's counts are known when QEMU translates it, so that running it costs three inline
 * additions and no call, as long as the machine has no caches. They are added as the block starts:
 * inside it the clock is ahead by the rest of the block, the same way every run. The board's boot
 * ROM, which differs between versions of QEMU, is not counted.
 */
#ifndef SST_COUNTING_H
#define SST_COUNTING_H

#include "qemu_api.h"

/* The guest's time in cycles: what the CPU spent and what it waited for devices. */
uint64_t clock_cycles(void);
void clock_stall(uint64_t cycles);

/* Lets time pass that the CPU itself needs, beyond its instructions. */
void clock_spend(uint64_t cycles);

uint64_t instructions_executed(void);

/* The number of the account that time is booked to now: 0 is overhead, and ops count from 1. */
uint64_t current_account(void);

/* Takes one access to a device off the memory accesses, among which its instruction was counted. */
void count_device_access(bool is_write, unsigned bytes);

/* Makes one account an op; call after program_load. */
void counting_start(void);

/* Called by QEMU for every block that it translates. */
void counting_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);

/* The statistics as JSON of this moment, to be freed; later calls find later counts. */
char *counting_statistics(void);

#endif
