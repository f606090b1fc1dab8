/* SPDX-License-Identifier: Apache-2.0 */
/*
 * float16, of IEEE 754 with 5 bits of exponent and 10 of fraction, to float32 and back. A machine
 * needs no instructions for it.
 */
#ifndef ACALSIM_FLOAT16_H
#define ACALSIM_FLOAT16_H

#include <stdint.h>

#include "bits.h"
#include "inline.h"

typedef uint16_t float16;

/* Exact. A float32 with these bits of exponent is 2^112 times too small, also a subnormal one. */
INLINE float value_of_f16(float16 x) {
    const int32_t bits = (int32_t)((uint32_t)(int16_t)x << 13) & (int32_t)0x8FFFE000;
    const float finite = float_of(bits) * 0x1p112f;
    return __builtin_expect((bits & 0x0F800000) == 0x0F800000, 0) ? float_of(bits | 0x70000000)
                                                                  : finite;
}

/* To nearest, halves to even; too large becomes infinite, and NaN PyTorch's NaN. Below 2^-14 the
 * elements are as far from each other as the floats at 0.5 are, so that adding this rounds. */
INLINE float16 f16_of(float x) {
    const int32_t size = bits_of(x) & INT32_MAX,
                  sign = (int32_t)((uint32_t)bits_of(x) >> 16) & 0x8000;
    const int32_t normal = (size - 0x38000000 + 0xFFF + (size >> 13 & 1)) >> 13;
    const int32_t small = bits_of(float_of(size) + 0.5f) - 0x3F000000;
    const int32_t finite = size < 0x38800000 ? small : normal;
    const int32_t nearest = size >= 0x477FF000 ? 0x7C00 : finite;
    return (float16)(x == x ? nearest | sign : 0x7E00);
}

#endif
