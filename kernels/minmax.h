/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The larger and the smaller of two floats. Of NaN and a number, that is the number; +0 is larger
 * than -0. For the builtins gcc 12 would call the C library, and other machines choose other zeros.
 */
#ifndef ACALSIM_MINMAX_H
#define ACALSIM_MINMAX_H

#include "bits.h"
#include "inline.h"

INLINE float larger(float a, float b) {
#if defined(__riscv) && !defined(__clang__)
    float result;
    __asm__("fmax.s %0, %1, %2" : "=f"(result) : "f"(a), "f"(b));
    return result;
#elif defined(__riscv)
    return __builtin_fmaxf(a, b);
#else
    const float of_equals = float_of(bits_of(a) & bits_of(b)),
                of_others = b == b && !(a > b) ? b : a;
    return a == b ? of_equals : of_others;
#endif
}

INLINE float smaller(float a, float b) {
#if defined(__riscv) && !defined(__clang__)
    float result;
    __asm__("fmin.s %0, %1, %2" : "=f"(result) : "f"(a), "f"(b));
    return result;
#elif defined(__riscv)
    return __builtin_fminf(a, b);
#else
    const float of_equals = float_of(bits_of(a) | bits_of(b)),
                of_others = b == b && !(a < b) ? b : a;
    return a == b ? of_equals : of_others;
#endif
}

#endif
