/* SPDX-License-Identifier: Apache-2.0 */
/* What matmul_vector.h and conv_vector.h have in common. */
#if defined(__riscv_vector) && !defined(ACALSIM_VECTOR_H)
#define ACALSIM_VECTOR_H

#include <riscv_vector.h>

#include "inline.h"

/* The floats that one register holds, and those that the largest group of registers does. */
enum { LANES = __riscv_v_min_vlen / 32, MOST_LANES = 8 * LANES };

/* How many registers are grouped (LMUL) for a vector of so many elements. */
INLINE int vector_group(long elements) {
    return elements <= LANES ? 1 : elements <= 2 * LANES ? 2 : elements <= 4 * LANES ? 4 : 8;
}

/* How many groups of sums a tile has, so that they and one more group fit 32 registers. */
INLINE int vector_sums(int group) { return group == 8 ? 3 : group == 4 ? 6 : 8; }

/* X for the number of each sum. A vector register cannot be an element of an array. */
#define EACH_SUM(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)

#endif
