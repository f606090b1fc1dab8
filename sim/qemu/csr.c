/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "csr.h"

#include "clock.h"
#include "qemu_api.h"

enum { CSR_MCYCLE = 0xb00, CSR_MINSTRET = 0xb02, CSR_CYCLE = 0xc00, CSR_INSTRET = 0xc02 };

static uint64_t clock_reads;

uint64_t csr_clock_reads(void) { return clock_reads; }

/* An access to a CSR ends its block in QEMU. The clock is therefore exact here: it counts
 * everything up to and including the reading instruction. */
static int read_cycles(void *env, int csr, uint64_t *value) {
    (void)env, (void)csr;
    clock_reads++;
    *value = clock_cycles();
    return RISCV_EXCP_NONE;
}

static int read_instructions(void *env, int csr, uint64_t *value) {
    (void)env, (void)csr;
    *value = clock_instructions();
    return RISCV_EXCP_NONE;
}

/* The one clock belongs to the simulation: the guest cannot set it. */
static int ignore_write(void *env, int csr, uint64_t value) {
    (void)env, (void)csr, (void)value;
    return RISCV_EXCP_NONE;
}

static int always_there(void *env, int csr) {
    (void)env, (void)csr;
    return RISCV_EXCP_NONE;
}

static void replace(int csr, int (*read)(void *, int, uint64_t *)) {
    riscv_csr_operations operations;
    riscv_get_csr_ops(csr, &operations);
    operations.predicate = always_there;
    operations.read = read;
    operations.write = ignore_write;
    riscv_set_csr_ops(csr, &operations);
}

void csr_take_over(void) {
    replace(CSR_CYCLE, read_cycles);
    replace(CSR_MCYCLE, read_cycles);
    replace(CSR_INSTRET, read_instructions);
    replace(CSR_MINSTRET, read_instructions);
}
