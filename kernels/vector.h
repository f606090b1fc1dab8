/* SPDX-License-Identifier: Apache-2.0 */
/* What the tiles of vector registers have in common. */
#if defined(__riscv_vector) && !defined(ACALSIM_VECTOR_H)
#define ACALSIM_VECTOR_H

#include <riscv_vector.h>

#include "inline.h"

/* Elements of one register and of the longest group. */
enum { LANES = __riscv_v_min_vlen / 32, MOST_LANES = 8 * LANES };

/* Registers that are grouped (LMUL) for a vector of so many elements. */
INLINE int vector_group(long elements) {
    return elements <= LANES ? 1 : elements <= 2 * LANES ? 2 : elements <= 4 * LANES ? 4 : 8;
}

/* Sums of a tile: 32 registers hold them and one group of b. */
INLINE int vector_sums(int group) { return group == 8 ? 3 : group == 4 ? 6 : 8; }

#define EACH_SUM(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)

#endif
