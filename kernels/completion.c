/* SPDX-License-Identifier: Apache-2.0 */
#include "completion.h"

#if DEVICE_COMPLETION == COMPLETION_INTERRUPT

/* The interrupt controller (PLIC) of QEMU's virt board. Hart 0 in machine mode is its context 0. */
#define PLIC_PRIORITY 0xc000000
#define PLIC_ENABLE 0xc002000
#define PLIC_THRESHOLD 0xc200000
#define PLIC_CLAIM 0xc200004

#define MIE_MACHINE_EXTERNAL (1 << 11)

volatile uint64_t interrupts_taken;

/* Called at reset. Switches the devices' interrupts on; mstatus.MIE stays off until device_await.
 */
void interrupts_prepare(void) {
#define X(source) MMIO_WRITE32(PLIC_PRIORITY + 4 * (source), 1);
    DEVICE_INTERRUPTS(X)
#undef X
#define X(source) | 1ull << ((source) - FIRST_SOURCE)
    uint64_t enabled = 0 DEVICE_INTERRUPTS(X);
#undef X
    MMIO_WRITE32(PLIC_ENABLE + 4, (uint32_t)enabled);
    MMIO_WRITE32(PLIC_ENABLE + 8, (uint32_t)(enabled >> 32));
    MMIO_WRITE32(PLIC_THRESHOLD, 0);
    __asm__ volatile("csrs mie, %0" : : "r"(MIE_MACHINE_EXTERNAL));
}

__attribute__((interrupt("machine"))) void interrupt_entry(void) {
    uint32_t source = MMIO_READ32(PLIC_CLAIM);
    if (source >= FIRST_SOURCE) interrupts_taken |= 1ull << (source - FIRST_SOURCE);
    MMIO_WRITE32(PLIC_CLAIM, source);
}

#endif
