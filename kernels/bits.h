/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bits and the sign of a float32. The kernels' headers of arithmetic are C and C++.
 */
#ifndef ACALSIM_BITS_H
#define ACALSIM_BITS_H

#include <stdint.h>

#include "inline.h"

union float_bits {
    float value;
    int32_t bits;
};

union double_bits {
    double value;
    int64_t bits;
};

INLINE int32_t bits_of(float value) {
    union float_bits both;
    both.value = value;
    return both.bits;
}

INLINE float float_of(int32_t bits) {
    union float_bits both;
    both.bits = bits;
    return both.value;
}

INLINE int64_t bits_of_f64(double value) {
    union double_bits both;
    both.value = value;
    return both.bits;
}

/* |x|. fabsf and copysignf are one scalar instruction each, but clang 16 does not vectorise them.
 */
INLINE float magnitude(float x) {
#ifdef __riscv_vector
    return float_of(bits_of(x) & INT32_MAX);
#else
    return __builtin_fabsf(x);
#endif
}

/* |size| with the sign of `sign`. */
INLINE float with_sign_of(float size, float sign) {
#ifdef __riscv_vector
    return float_of((bits_of(size) & INT32_MAX) | (bits_of(sign) & INT32_MIN));
#else
    return __builtin_copysignf(size, sign);
#endif
}

#endif
