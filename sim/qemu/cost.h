/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cycles of a straight run of instructions on an in-order, single-issue core.
 *
 * One instruction issues a cycle. It waits until its source registers are ready; its result is
 * ready `latency` cycles after it issued. Divides, stores, branches, jumps and CSR instructions
 * hold the core for their latency. All registers are ready when a run starts, except in a loop: a
 * run that branches back to its own start is costed in the steady state, results of one pass being
 * waited for in the next.
 */
#ifndef SST_COST_H
#define SST_COST_H

#include <stddef.h>

#include "decode.h"

/* Cycles by class, from the machine description; program.c charges CLASS_branch_mispredict. */
extern uint32_t latencies[LATENCY_CLASS_COUNT];

/* The class of that name, or LATENCY_CLASS_COUNT. */
unsigned find_latency_class(const char *name);

/* Fills costs[0..count): the cycles from an instruction's turn to the next one's. Their sum is the
 * cost of the run. */
void cost_run(const struct instruction *run, size_t count, uint32_t *costs);

#endif
