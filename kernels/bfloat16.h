/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bfloat16, the upper half of a float32, to float32 and back.
 */
#ifndef ACALSIM_BFLOAT16_H
#define ACALSIM_BFLOAT16_H

#include <stdint.h>

#include "bits.h"
#include "inline.h"

typedef uint16_t bfloat16;

INLINE float value_of_bf16(bfloat16 x) { return float_of((int32_t)((uint32_t)x << 16)); }

/* To nearest, halves to even; too large becomes infinite, and NaN PyTorch's NaN. */
INLINE bfloat16 bf16_of(float x) {
    const uint32_t bits = (uint32_t)bits_of(x);
    const uint32_t nearest = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    return (bfloat16)(x == x ? nearest : 0x7FC0);
}

#endif
