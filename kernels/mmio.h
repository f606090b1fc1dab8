/* SPDX-License-Identifier: Apache-2.0 */
/* Access to device registers. machine.h says where devices are, registers.h which registers they
 * have. */
#ifndef ACALSIM_MMIO_H
#define ACALSIM_MMIO_H

#include <stdint.h>

#include "machine.h"
#include "registers.h"

#define MMIO_WRITE32(addr, val) (*(volatile uint32_t *)(uintptr_t)(addr) = (val))
#define MMIO_READ32(addr) (*(volatile uint32_t *)(uintptr_t)(addr))

/* Neither compiler nor CPU moves accesses to memory across a fence. A device that works on RAM
 * needs one before it is started, so that it finds what was written before; and one after it has
 * ended, so that nothing that it writes is read too early. */
#define MMIO_FENCE() __asm__ volatile("fence" : : : "memory")

#endif
