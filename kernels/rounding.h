/* SPDX-License-Identifier: Apache-2.0 */
/*
 * float32 to whole numbers, as float32, int64 and int8.
 *
 * Without the vector conversions that truncate: QEMU 7.2 ends with a failed assertion when
 * vfcvt.rtz, or one of its narrowing and widening kin, is a block's first vector instruction of
 * floats. And without the C library, whose functions do not vectorise.
 */
#ifndef ACALSIM_ROUNDING_H
#define ACALSIM_ROUNDING_H

#include <stdint.h>

#include "bits.h"
#include "inline.h"
#include "minmax.h"

#define NO_FRACTION 8388608.0f /* 2^23: floats from here on are whole */

/* To nearest, halves to even. */
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

/* Of what lies between -1 and 0: -0. */
INLINE float ceiled(float x) {
    const float whole = rounded(x);
    return whole < x ? with_sign_of(whole + 1, x) : whole;
}

/*
 * Towards zero. NaN and what does not fit become the lowest number, as they do on x86, where
 * PyTorch's values come from. RISC-V gives the highest for NaN and for what is too large; no float
 * is that number.
 */
INLINE int64_t whole_of(float x) {
#ifdef __riscv
    int64_t result;
    __asm__("fcvt.l.s %0, %1, rtz" : "=r"(result) : "f"(x));
    return result == INT64_MAX ? INT64_MIN : result;
#else
    return x >= -0x1p63f && x < 0x1p63f ? (int64_t)x : INT64_MIN;
#endif
}

/* The same in 32 bits; of what goes on to int8, PyTorch keeps the low ones of these. */
INLINE int32_t whole_i32_of(float x) {
#ifdef __riscv
    int32_t result;
    __asm__("fcvt.w.s %0, %1, rtz" : "=r"(result) : "f"(x));
    return result == INT32_MAX ? INT32_MIN : result;
#else
    return x >= -0x1p31f && x < 0x1p31f ? (int32_t)x : INT32_MIN;
#endif
}

/* To nearest, halves to even, saturated; NaN becomes the lowest. */
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
