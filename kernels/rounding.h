/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounds float32 to whole numbers, which are float32, int64 or int8.
 *
 * The C library is not called, because its functions do not vectorise. Vector conversions that
 * truncate are not used, because QEMU 7.2 ends with a failed assertion where vfcvt.rtz, or its
 * narrowing or widening form, is the first vector instruction of floats in a block.
 */
#ifndef ACALSIM_ROUNDING_H
#define ACALSIM_ROUNDING_H

#include <stdint.h>

#include "bits.h"
#include "inline.h"
#include "minmax.h"

#define NO_FRACTION 8388608.0f /* 2^23: floats from there on are whole numbers */

/* Rounds to nearest, halves to even. */
INLINE float rounded(float x) {
    const float size = magnitude(x), whole = (size + NO_FRACTION) - NO_FRACTION;
    return size < NO_FRACTION ? with_sign_of(whole, x) : x;
}

INLINE float truncated(float x) {
    const float size = magnitude(x), whole = (size + NO_FRACTION) - NO_FRACTION;
    return size < NO_FRACTION ? with_sign_of(whole > size ? whole - 1 : whole, x) : x;
}

INLINE float floored(float x) {
    const float whole = rounded(x);
    return whole > x ? whole - 1 : whole;
}

/* Values between -1 and 0 become -0. */
INLINE float ceiled(float x) {
    const float whole = rounded(x);
    return whole < x ? with_sign_of(whole + 1, x) : whole;
}

/* Rounds towards zero and saturates. */
INLINE int64_t whole_of(float x) {
#ifdef __riscv
    int64_t result;
    __asm__("fcvt.l.s %0, %1, rtz" : "=r"(result) : "f"(x));
    return result;
#else
    return (int64_t)x;
#endif
}

/* Rounds to nearest, halves to even, and saturates. NaN becomes -128. */
INLINE int8_t quantise_i8(float x) {
    const float inside = smaller(larger(x, -128.0f), 127.0f);
#if defined(__riscv) && !defined(__clang__)
    int64_t result;
    __asm__("fcvt.l.s %0, %1, rne" : "=r"(result) : "f"(inside));
    return (int8_t)result;
#else
    return (int8_t)bits_of(inside + 1.5f * NO_FRACTION);
#endif
}

#endif
