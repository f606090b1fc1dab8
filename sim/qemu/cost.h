/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cycles of a straight run of instructions on an in-order, single-issue core.
 *
 * One instruction issues a cycle. It waits until its source registers are ready. Its result is
 * ready `latency` cycles after it issued. Divides, stores, branches, jumps and CSR instructions
 * hold the core for their latency.
 *
 * All registers are ready when a run starts. A run that branches back to its own start is a loop
 * and the exception: it is costed in the steady state, where a pass waits for the results of the
 * pass before.
 *
 * Vector instructions issue in the same order, to one vector unit with a datapath of
 * vector_unit.datapath_bits. The unit is busy for as many cycles as the elements need to go through
 * it. Where their addresses are strided or indexed, one element goes through it a cycle. Scalar
 * instructions issue meanwhile.
 *
 * Elements are handed on as they come: an instruction that needs the result may start `latency`
 * cycles after the first element did. It may start that long after the last element did, if the
 * result comes element by element, or only after the last one (a reduction). At the end of a run
 * that does not loop, what is still in the unit is waited for.
 *
 * SEW and LMUL are those of the vsetvli or vsetivli that comes before, by address and in the same
 * function. Where there is none, or a vsetvl, SEW is 32 and LMUL 1. vl is the immediate of a
 * vsetivli, and is else taken to be as large as it can be, VLMAX.
 */
#ifndef SST_COST_H
#define SST_COST_H

#include <stddef.h>

#include "instruction.h"

/* Cycles by class, from the machine description. program.c charges CLASS_branch_mispredict. */
extern uint32_t latencies[LATENCY_CLASS_COUNT];

/* VLEN and the width of the datapath, both meaningless on a machine without vectors. */
extern struct vector_unit {
    uint32_t vlen, datapath_bits;
} vector_unit;

/* The vector elements that instructions work on: as many of so many bits. */
struct vector_shape {
    uint32_t elements, element_bits;
};

/* The shape before anything is said, at the start of a function. */
struct vector_shape vector_shape_unset(void);

/* The class of that name, or LATENCY_CLASS_COUNT. */
unsigned find_latency_class(const char *name);

/* Fills costs[0..count) with the cycles from an instruction's turn to the next one's. Their sum is
 * the cost of the run. `shape` comes in as it is before the run, and goes out as it is behind it.
 */
void cost_run(const struct instruction *run, size_t count, struct vector_shape *shape,
              uint32_t *costs);

#endif
