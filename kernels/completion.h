/* SPDX-License-Identifier: Apache-2.0 */
/* How the firmware learns that a device is done, by the machine file's [firmware] completion: the
 * next access to the result stalls, STATUS is polled, or the device interrupts a sleeping CPU. */
#ifndef ACALSIM_COMPLETION_H
#define ACALSIM_COMPLETION_H

#include "mmio.h"

#if DEVICE_COMPLETION == COMPLETION_INTERRUPT

/* What CONTROL is given to start work. */
#define DEVICE_START (CONTROL_START | CONTROL_INTERRUPT)

/* The sources that have interrupted and were not waited for yet: bit n is source 32 + n. */
extern volatile uint64_t interrupts_taken;

/* Interrupts are taken in here only, behind a wfi, which also wakes for one that is not taken: none
 * can come between the look and the sleep. */
static inline void device_await(uintptr_t base) {
    uint64_t bit = 1ull << (DEVICE_INTERRUPT_OF(base) - 32);
    while (!(interrupts_taken & bit))
        __asm__ volatile("wfi\n\tcsrsi mstatus, 8\n\tcsrci mstatus, 8" : : : "memory");
    interrupts_taken &= ~bit;
}

#else

#define DEVICE_START CONTROL_START

static inline void device_await(uintptr_t base) {
    while (DEVICE_COMPLETION == COMPLETION_POLL && MMIO_READ32(base + REG_STATUS) & STATUS_BUSY) {
    }
}

#endif
#endif
