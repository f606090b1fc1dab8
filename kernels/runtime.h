/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a run ends: the exit statuses of QEMU, and the functions that end it.
 *
 *       0  finish(): the simulation ended in good order
 * 1 to 99  fail(code): main() returned it, or the program gave up; among them are
 *      90  an index is not within its tensor; the console says which
 *      91  a device refused its work; the console says which device, for which op, and why
 * 100 to 115  trap: 100 + mcause; the console says what happened, and where
 *     116  trap by an interrupt, though none is switched on
 *     117  a trap while a trap was being reported
 */
#ifndef ACALSIM_RUNTIME_H
#define ACALSIM_RUNTIME_H

#define EXIT_INDEX 90
#define EXIT_DEVICE 91
#define EXIT_TRAP 100
#define EXIT_TRAP_INTERRUPT 116
#define EXIT_TRAP_TWICE 117

/* So many bytes at the bottom of the stack may not be accessed, so that a stack that overflows
 * traps.
 */
#define STACK_GUARD_BYTES 256

#ifndef __ASSEMBLER__
#include <stdint.h>

/* Ends the simulation in good order. The devices' time and all counters stop here. */
_Noreturn void finish(void);

/* Ends QEMU with status `code`. */
_Noreturn void fail(unsigned code);

/* The functions of the ops, in any order, by which messages name an address. They are generated
 * with the program. No others lie between __graph_text_start and __graph_text_end. */
struct symbol {
    const void *address;
    const char *name;
};
extern const struct symbol graph_symbols[];
extern const unsigned graph_symbol_count;

/* The function that `address` lies in, or NULL. */
const struct symbol *find_symbol(uint64_t address);

/* Copies tensors, which begin at multiples of 64 bytes and have that much to themselves. */
static inline void copy_words(uint64_t *to, const uint64_t *from, uint64_t bytes) {
    for (uint64_t i = 0; 8 * i < bytes; i++) to[i] = from[i];
}

/* The simulated time in CPU cycles. It includes the time spent waiting for devices. */
static inline uint64_t read_cycles(void) {
    uint64_t cycles;
    __asm__ volatile("rdcycle %0" : "=r"(cycles));
    return cycles;
}

#endif
#endif
