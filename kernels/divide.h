/* SPDX-License-Identifier: Apache-2.0 */
/* Divisions and remainders that round as PyTorch's do, and powers of integers. Division of integers
 * by 0 is undefined, as in PyTorch. */
#ifndef ACALSIM_DIVIDE_H
#define ACALSIM_DIVIDE_H

#include <math.h>
#include <stdint.h>

#include "elementary.h"
#include "inline.h"
#include "rounding.h"

/* a - b * floor(a / b), which has the sign of b. */
INLINE float remainder_f32(float a, float b) {
    const float rest = fmodf(a, b);
    return rest != 0 && (b < 0) != (rest < 0) ? rest + b : rest;
}

/* floor(a / b), computed from the remainder as PyTorch does, because a / b is rounded. */
INLINE float divide_floor_f32(float a, float b) {
    if (b == 0) return a / b;
    const float rest = fmodf(a, b);
    float quotient = (a - rest) / b;
    if (rest != 0 && (b < 0) != (rest < 0)) quotient -= 1;
    if (quotient == 0) return copysignf(0.0f, a / b);
    const float whole = floored(quotient);
    return quotient - whole > 0.5f ? whole + 1 : whole;
}

INLINE float divide_trunc_f32(float a, float b) { return truncated(a / b); }

/* Has the sign of b. A division of the least int64 by -1 would overflow. */
INLINE int64_t remainder_i64(int64_t a, int64_t b) {
    const int64_t rest = b == -1 ? 0 : a % b;
    return rest != 0 && (b < 0) != (rest < 0) ? rest + b : rest;
}

INLINE int64_t divide_trunc_i64(int64_t a, int64_t b) { return b == -1 ? -a : a / b; }

INLINE int64_t divide_floor_i64(int64_t a, int64_t b) {
    return divide_trunc_i64(a, b) - (remainder_i64(a, b) != 0 && (a < 0) != (b < 0));
}

/* With a negative exponent the power is rounded towards 0. */
INLINE int64_t power_i64(int64_t base, int64_t exponent) {
    if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
    int64_t power = 1;
    for (; exponent; exponent >>= 1, base *= base)
        if (exponent & 1) power *= base;
    return power;
}

#endif
