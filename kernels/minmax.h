/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The larger and the smaller of two floats. Of NaN and a number, that is the number. For the
 * builtins gcc 12 would call the C library.
 */
#ifndef ACALSIM_MINMAX_H
#define ACALSIM_MINMAX_H

#include "inline.h"

INLINE float larger(float a, float b) {
#if defined(__riscv) && !defined(__clang__)
    float result;
    __asm__("fmax.s %0, %1, %2" : "=f"(result) : "f"(a), "f"(b));
    return result;
#else
    return __builtin_fmaxf(a, b);
#endif
}

INLINE float smaller(float a, float b) {
#if defined(__riscv) && !defined(__clang__)
    float result;
    __asm__("fmin.s %0, %1, %2" : "=f"(result) : "f"(a), "f"(b));
    return result;
#else
    return __builtin_fminf(a, b);
#endif
}

#endif
