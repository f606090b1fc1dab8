/* SPDX-License-Identifier: Apache-2.0 */
/* How the loops of generated programs are compiled; no two of their rounds touch the same element.
 */
#ifndef ACALSIM_LOOPS_H
#define ACALSIM_LOOPS_H

#include "inline.h"

/* Before a loop over elements that do not depend on each other. */
#ifdef __riscv_vector
#define EACH_ELEMENT PRAGMA(clang loop vectorize(assume_safety) unroll(disable))
#else
#define EACH_ELEMENT UNROLL(4)
#endif

/* Elementary functions are long chains of operations that wait for each other. So gcc is to work on
 * two elements at a time in a CHAINS function, before whose loops EACH_CHAIN stands: it may order
 * instructions before registers are given out, and the second element has variables of its own. */
#ifdef __clang__
#define CHAINS
#define EACH_CHAIN EACH_ELEMENT
#else
#define CHAINS __attribute__((optimize("schedule-insns", "web")))
#define EACH_CHAIN UNROLL(2)
#endif

/* At the start of a block with a reduction: vector code adds up several parts of it side by side.
 */
#ifdef __clang__
#define REDUCTION PRAGMA(clang fp reassociate(on))
#else
#define REDUCTION
#endif

#endif
