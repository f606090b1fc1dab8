/* SPDX-License-Identifier: Apache-2.0 */
/* The compute device's driver: runs a command list: starts it, and waits for its end. */
#ifndef ACALSIM_COMPUTE_H
#define ACALSIM_COMPUTE_H

#include "completion.h"
#include "mmio.h"

/* Ends the run for a list that the device refused, or, with ERROR_NONE, cannot be told the address
 * of. Names the function that it was called from. */
_Noreturn void compute_refused(uintptr_t base, const struct DeviceCommand *list, uint32_t bytes,
                               uint32_t error);

/* Has the device at `base` execute `bytes` bytes of commands; compute_wait returns when all of it
 * is done, in RAM too. Any error ends the run. Inlined, so that an op's error is told by the op's
 * name. */
static inline __attribute__((always_inline)) void compute_start(uintptr_t base,
                                                                const struct DeviceCommand *list,
                                                                uint32_t bytes) {
    if ((uint64_t)(uintptr_t)list >> 32) compute_refused(base, list, bytes, ERROR_NONE);
    MMIO_WRITE32(base + REG_DATA_IN, (uint32_t)(uintptr_t)list);
    MMIO_WRITE32(base + REG_SIZE, bytes);
    MMIO_FENCE();
    MMIO_WRITE32(base + REG_CONTROL, DEVICE_START);
}

static inline __attribute__((always_inline)) void compute_wait(uintptr_t base,
                                                               const struct DeviceCommand *list,
                                                               uint32_t bytes) {
    device_await(base);
    uint32_t error = MMIO_READ32(base + REG_RESULT);
    if (error) compute_refused(base, list, bytes, error);
    MMIO_FENCE();
}

static inline __attribute__((always_inline)) void compute_run(uintptr_t base,
                                                              const struct DeviceCommand *list,
                                                              uint32_t bytes) {
    compute_start(base, list, bytes);
    compute_wait(base, list, bytes);
}

#endif
