/* SPDX-License-Identifier: Apache-2.0 */
/* Device registers from C: where devices are (machine.h), what they have (registers.h), how to
 * reach them. */
#ifndef ACALSIM_MMIO_H
#define ACALSIM_MMIO_H

#include <stdint.h>

#include "machine.h"
#include "registers.h"

#define MMIO_WRITE32(addr, val) (*(volatile uint32_t *)(uintptr_t)(addr) = (val))
#define MMIO_READ32(addr) (*(volatile uint32_t *)(uintptr_t)(addr))

/* A device that works on RAM must find there what was written before it was started, and the
 * program must read only afterwards what the device wrote: neither compiler nor CPU may move
 * accesses across. */
#define MMIO_FENCE() __asm__ volatile("fence" : : : "memory")

#endif
