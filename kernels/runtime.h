/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the firmware has for an operating system: reset code, traps, console, the end of the run.
 *
 * QEMU's exit status:  0  finish(): the simulation ended in good order
 *              1 to 99  fail(code): main() returned it, or the program gave up
 *                 90  an index is not within its tensor; the console says which
 *                 91  a device refused its work; the console says which, of whom and why
 *         100 to 115  trap: 100 + mcause; the console says what and where
 *                116  trap by an interrupt, which nobody switched on
 *                117  a trap while a trap was being reported
 */
#ifndef ACALSIM_RUNTIME_H
#define ACALSIM_RUNTIME_H

#define EXIT_INDEX 90
#define EXIT_DEVICE 91
#define EXIT_TRAP 100
#define EXIT_TRAP_INTERRUPT 116
#define EXIT_TRAP_TWICE 117

/* At the bottom of the stack so many bytes are never used: who reaches them is stopped. */
#define STACK_GUARD_BYTES 256

#ifndef __ASSEMBLER__
#include <stdint.h>

/* Ends the simulation in good order; every device's time and all counters stop here. */
_Noreturn void finish(void);

/* Ends QEMU with status `code`. */
_Noreturn void fail(unsigned code);

/* The functions that traps are named after, in any order; generated with the program. Only these
 * live between __graph_text_start and __graph_text_end. */
struct symbol {
    const void *address;
    const char *name;
};
extern const struct symbol graph_symbols[];
extern const unsigned graph_symbol_count;

/* The one of them that `address` lies in, or NULL. */
const struct symbol *find_symbol(uint64_t address);

/* Simulated time in CPU cycles, waiting for devices included. */
static inline uint64_t read_cycles(void) {
    uint64_t cycles;
    __asm__ volatile("rdcycle %0" : "=r"(cycles));
    return cycles;
}

#endif
#endif
