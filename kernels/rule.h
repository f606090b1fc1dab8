/* SPDX-License-Identifier: Apache-2.0 */
/* What the C of a user's rule is written in. It stands in a function of its own with these names:
 * `base`, the device's address; `op`, the op's name; x0, x1... to the operands in RAM, y to the
 * result. The caller has fences around it. DEVICE_REG(NAME) is a register of that device. */
#ifndef ACALSIM_RULE_H
#define ACALSIM_RULE_H

#include "bits.h"
#include "completion.h"
#include "console.h"
#include "inline.h"
#include "mmio.h"
#include "runtime.h"

#define UNUSED __attribute__((unused))

/* WRITE(SIZE, 12) writes a register: a number or a pointer. BITS(1.5f) is a float as a number. */
#define WRITE(name, value) device_write(base, DEVICE_REG(name), op, (uint64_t)(uintptr_t)(value))
#define READ(name) MMIO_READ32(base + DEVICE_REG(name))
#define BITS(value) ((uint32_t)bits_of(value))

/* START() starts the device; WAIT() waits for its end, as the machine file says, and ends the run
 * where RESULT is not 0. RUN() does both. */
#define START() device_start(base)
#define WAIT() device_wait(base, op)
#define RUN() (START(), WAIT())

/* Ends the run with a message that names the op. */
static NOINLINE UNUSED _Noreturn void device_failed(uintptr_t base, const char *op,
                                                    const char *what, uint64_t value) {
    print("op_");
    print(op);
    print(": the device at ");
    print_hex(base);
    print(what);
    print_hex(value);
    print("\n");
    fail(EXIT_DEVICE);
}

/* Of numbers that are negative the upper half is all ones, and of no address. */
INLINE void device_write(uintptr_t base, uint32_t offset, const char *op, uint64_t value) {
    if (value >> 32 && value >> 32 != UINT32_MAX)
        device_failed(base, op, " has registers of 32 bits, and was to have ", value);
    MMIO_WRITE32(base + offset, (uint32_t)value);
}

/* A tensor's memory, which no driver may change whose result it is not. Programs that keep the
 * result of every op look before and after each driver. */
struct watched {
    const void *start;
    uint64_t size_bytes;
    const char *name;
};

static NOINLINE UNUSED uint64_t sum_of(const struct watched *tensor) {
    uint64_t sum = tensor->size_bytes;
    for (uint64_t i = 0; i < tensor->size_bytes; i++)
        sum = (sum ^ ((const uint8_t *)tensor->start)[i]) * 0x100000001b3;
    return sum;
}

static NOINLINE UNUSED void drivers_watch(const struct watched *tensors, unsigned count,
                                          uint64_t *sums) {
    for (unsigned i = 0; i < count; i++) sums[i] = sum_of(tensors + i);
}

static NOINLINE UNUSED void drivers_check(const struct watched *tensors, unsigned count,
                                          const uint64_t *sums, const char *op,
                                          const void *result) {
    for (unsigned i = 0; i < count; i++)
        if (tensors[i].start != result && sum_of(tensors + i) != sums[i]) {
            print("op_");
            print(op);
            print(": its driver changed ");
            print(tensors[i].name);
            print(", which is not its result\n");
            fail(EXIT_DEVICE);
        }
}

INLINE void device_start(uintptr_t base) {
    MMIO_FENCE();
    MMIO_WRITE32(base + REG_CONTROL, DEVICE_START);
}

INLINE void device_wait(uintptr_t base, const char *op) {
    device_await(base);
    uint32_t error = MMIO_READ32(base + REG_RESULT);
    if (error) device_failed(base, op, " ended with RESULT ", error);
    MMIO_FENCE();
}

#endif
