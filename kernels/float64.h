/* SPDX-License-Identifier: Apache-2.0 */
/*
 * float64: what neither C nor its library has as PyTorch does. Nothing here is vectorised.
 */
#ifndef ACALSIM_FLOAT64_H
#define ACALSIM_FLOAT64_H

#include <math.h>
#include <stdint.h>

#include "inline.h"

INLINE double sigmoid_f64(double x) { return 1 / (1 + exp(-x)); }

INLINE double gelu_f64(double x) { return x * 0.5 * (1 + erf(x * 0.70710678118654752440)); }

INLINE double gelu_tanh_f64(double x) {
    const double inner = 0.79788456080286535588 * (x + 0.044715 * x * x * x);
    return 0.5 * x * (1 + tanh(inner));
}

/* a - b * floor(a / b), which has the sign of b. */
INLINE double remainder_f64(double a, double b) {
    const double rest = fmod(a, b);
    return rest != 0 && (b < 0) != (rest < 0) ? rest + b : rest;
}

/* floor(a / b), computed from the remainder as PyTorch does, because a / b is rounded. */
INLINE double divide_floor_f64(double a, double b) {
    if (b == 0) return a / b;
    const double rest = fmod(a, b);
    double quotient = (a - rest) / b;
    if (rest != 0 && (b < 0) != (rest < 0)) quotient -= 1;
    if (quotient == 0) return copysign(0.0, a / b);
    const double whole = floor(quotient);
    return quotient - whole > 0.5 ? whole + 1 : whole;
}

INLINE double divide_trunc_f64(double a, double b) { return trunc(a / b); }

/* As whole_of and whole_i32_of: towards zero, and of NaN and what does not fit the lowest number.
 */
INLINE int64_t whole_of_f64(double x) {
#ifdef __riscv
    int64_t result;
    __asm__("fcvt.l.d %0, %1, rtz" : "=r"(result) : "f"(x));
    return result == INT64_MAX ? INT64_MIN : result;
#else
    return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN;
#endif
}

INLINE int32_t whole_i32_of_f64(double x) {
    return x > -0x1p31 - 1 && x < 0x1p31 ? (int32_t)whole_of_f64(x) : INT32_MIN;
}

#endif
