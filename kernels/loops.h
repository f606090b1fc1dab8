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

/* At the start of a block with a reduction: vector code adds up several parts of it side by side.
 */
#ifdef __clang__
#define REDUCTION PRAGMA(clang fp reassociate(on))
#else
#define REDUCTION
#endif

#endif
