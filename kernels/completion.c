/* SPDX-License-Identifier: Apache-2.0 */
#include "completion.h"

#if DEVICE_COMPLETION == COMPLETION_INTERRUPT

/* virt's interrupt controller; hart 0 in machine mode is its context 0. */
#define PLIC_PRIORITY 0xc000000
#define PLIC_ENABLE 0xc002000
#define PLIC_THRESHOLD 0xc200000
#define PLIC_CLAIM 0xc200004

#define MIE_MACHINE_EXTERNAL (1 << 11)

volatile uint64_t interrupts_taken;

/* Called at reset. mstatus.MIE stays off: see device_await. */
void interrupts_prepare(void) {
#define X(source) MMIO_WRITE32(PLIC_PRIORITY + 4 * (source), 1);
    DEVICE_INTERRUPTS(X)
#undef X
#define X(source) | 1ull << ((source) - 32)
    uint64_t enabled = 0 DEVICE_INTERRUPTS(X);
#undef X
    MMIO_WRITE32(PLIC_ENABLE + 4, (uint32_t)enabled);
    MMIO_WRITE32(PLIC_ENABLE + 8, (uint32_t)(enabled >> 32));
    MMIO_WRITE32(PLIC_THRESHOLD, 0);
    __asm__ volatile("csrs mie, %0" : : "r"(MIE_MACHINE_EXTERNAL));
}

__attribute__((interrupt("machine"))) void interrupt_entry(void) {
    uint32_t source = MMIO_READ32(PLIC_CLAIM);
    if (source >= 32) interrupts_taken |= 1ull << (source - 32);
    MMIO_WRITE32(PLIC_CLAIM, source);
}

#endif
