/* SPDX-License-Identifier: Apache-2.0 */
/* How the firmware waits for a device. The machine file's [firmware] completion chooses: the access
 * to the result stalls until it is there; or STATUS is polled; or the CPU sleeps until the device
 * interrupts it. */
#ifndef ACALSIM_COMPLETION_H
#define ACALSIM_COMPLETION_H

#include "mmio.h"

#if DEVICE_COMPLETION == COMPLETION_INTERRUPT

/* The value that is written to CONTROL to start work. */
#define DEVICE_START (CONTROL_START | CONTROL_INTERRUPT)

/* The interrupt controller's number of the first source that a device may be. */
#define FIRST_SOURCE 32

/* The sources that have interrupted and were not waited for yet: bit n is source FIRST_SOURCE + n.
 */
extern volatile uint64_t interrupts_taken;

#define MSTATUS_MIE 8 /* interrupts are taken while this bit is set */

/* Waits for the device at `base`. Interrupts are taken only between the two csr instructions. A wfi
 * ends for an interrupt that cannot be taken yet, too, so that one that comes after the test of the
 * bit and before the wfi is not missed. */
static inline void device_await(uintptr_t base) {
    uint64_t bit = 1ull << (DEVICE_INTERRUPT_OF(base) - FIRST_SOURCE);
    while (!(interrupts_taken & bit))
        __asm__ volatile("wfi\n\tcsrsi mstatus, %0\n\tcsrci mstatus, %0"
                         :
                         : "i"(MSTATUS_MIE)
                         : "memory");
    interrupts_taken &= ~bit;
}

#else

#define DEVICE_START CONTROL_START

/* Waits for the device at `base` if STATUS is to be polled. */
static inline void device_await(uintptr_t base) {
    while (DEVICE_COMPLETION == COMPLETION_POLL && MMIO_READ32(base + REG_STATUS) & STATUS_BUSY) {
    }
}

#endif
#endif
