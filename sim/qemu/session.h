/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's run with the simulator, from the first access to the last.
 *
 * Each access and each sleep takes the guest's time to the simulator and brings back a stall, by
 * which the guest's clock moves. Interrupts are handed to the caller, who raises them. The last
 * access ends QEMU in good order.
 */
#ifndef SST_SESSION_H
#define SST_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge.h"

struct outcome {
    bool success; /* false is a bus error */
    uint64_t data;
    uint64_t raised; /* sources that have interrupted, bit n being source 32 + n */
};

/* Reads or writes a device register, and waits as the simulator says. */
struct outcome session_access(const struct access *access);

/* Sleeps until the simulator raises an interrupt. False: the simulation is over. */
bool session_sleep(uint64_t *raised);

/* Ends QEMU, with a status of its own, when the simulator goes away between two accesses. */
void session_watch(void);

#endif
