/* SPDX-License-Identifier: Apache-2.0 */
/* Pragmas before the loops of generated programs. No two rounds of such a loop touch the same
 * element.
 */
#ifndef ACALSIM_LOOPS_H
#define ACALSIM_LOOPS_H

#include "inline.h"

/* Stands before a loop over elements that do not depend on each other. EACH_LEFT stands before the
 * loop over the elements that are left of a row of vectors: fewer than a vector, and masked.
 */
#ifdef __riscv_vector
#define EACH_ELEMENT PRAGMA(clang loop vectorize(assume_safety) unroll(disable))
#define EACH_LEFT \
    PRAGMA(clang loop vectorize(assume_safety) vectorize_predicate(enable) unroll(disable))
#else
#define EACH_ELEMENT UNROLL(4)
#endif

/* An elementary function is a long chain of instructions that wait for each other, so that two
 * elements at a time are faster. CHAINS stands before functions with such loops, EACH_CHAIN before
 * the loops. With CHAINS gcc orders instructions before it assigns registers (schedule-insns) and
 * gives the second element registers of its own (web). */
#ifdef __clang__
#define CHAINS
#define EACH_CHAIN EACH_ELEMENT
#else
#define CHAINS __attribute__((optimize("schedule-insns", "web")))
#define EACH_CHAIN UNROLL(2)
#endif

/* Stands at the start of a block with a sum, which vector code may split into several sums. */
#ifdef __clang__
#define REDUCTION PRAGMA(clang fp reassociate(on))
#else
#define REDUCTION
#endif

#endif
