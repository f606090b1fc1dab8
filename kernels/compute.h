/* SPDX-License-Identifier: Apache-2.0 */
/* The compute device's driver: starts command lists and waits for their end. */
#ifndef ACALSIM_COMPUTE_H
#define ACALSIM_COMPUTE_H

#include "completion.h"
#include "mmio.h"

/* Ends the run because the device refused a command list. With ERROR_NONE, the list's address does
 * not fit the register DATA_IN. The message begins with the name of the calling function. */
_Noreturn void compute_refused(uintptr_t base, const struct DeviceCommand *list, uint32_t bytes,
                               uint32_t error);

/* Starts the `bytes` bytes of commands at `list` on the device at `base`. Inlined, as compute_wait
 * is, so that compute_refused is called from the op's own function. */
static inline __attribute__((always_inline)) void compute_start(uintptr_t base,
                                                                const struct DeviceCommand *list,
                                                                uint32_t bytes) {
    if ((uint64_t)(uintptr_t)list >> 32) compute_refused(base, list, bytes, ERROR_NONE);
    MMIO_WRITE32(base + REG_DATA_IN, (uint32_t)(uintptr_t)list);
    MMIO_WRITE32(base + REG_SIZE, bytes);
    MMIO_FENCE();
    MMIO_WRITE32(base + REG_CONTROL, DEVICE_START);
}

/* Returns when all commands are done and their results are in RAM. */
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
