/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elementary functions of float32. They have no tables, no calls, and no branches that depend on
 * the argument, so that loops over them vectorise. Long polynomials are computed as two halves, so
 * that a scalar pipeline can work on one while it waits for the other. NaN, infinities, overflow
 * and results below the normal range are as in PyTorch. The compiler must fuse multiply-adds.
 *
 * Largest errors, in units of the result's last place: exp and log 1; expm1, log1p, sin, cos and
 * erf 2; tanh 3; sigmoid 4. The error of gelu is at most 1e-7 of its argument.
 */
#ifndef ACALSIM_ELEMENTARY_H
#define ACALSIM_ELEMENTARY_H

#include <math.h>
#include <stdint.h>

#include "bits.h"
#include "inline.h"
#include "minmax.h"

/* The maximum of what a loop has seen so far. clang vectorises the maximum of integers only, so
 * that for vectors a float is represented by an integer that orders as the float does. */
#ifdef __riscv_vector
typedef int32_t maximum;
INLINE maximum maximum_of(float x) { return bits_of(x) ^ (bits_of(x) >> 31 & INT32_MAX); }
INLINE maximum maximum_with(maximum most, float x) {
    return most > maximum_of(x) ? most : maximum_of(x);
}
INLINE float maximum_value(maximum most) { return float_of(most ^ (most >> 31 & INT32_MAX)); }
#else
typedef float maximum;
INLINE maximum maximum_of(float x) { return x; }
INLINE maximum maximum_with(maximum most, float x) { return larger(most, x); }
INLINE float maximum_value(maximum most) { return most; }
#endif

/* x between low and high. NaN becomes `low`. */
INLINE float clamped(float x, float low, float high) { return smaller(larger(x, low), high); }

/* All bits set if x is NaN, else none: ORed to a float's bits, that makes it NaN too. */
INLINE int32_t nan_bits(float x) { return (x == x) - 1; }

/* 2^exponent for exponents from -126 to 127; 0 for -127, and infinity for 128. */
INLINE float power_of_two(int32_t exponent) {
    return float_of((int32_t)((uint32_t)(exponent + 127) << 23));
}

/* --- Exponentials ------------------------------------------------------------------------------
 *
 * x = n ln 2 + r with |r| <= ln 2 / 2. A float plus ROUNDING has no fraction: it is rounded to a
 * whole number n, which is in the sum's last bits.
 */
#define ROUNDING 0x1.8p23f
#define LOG2_E 0x1.715476p0f
#define LN2 0x1.62e430p-1f
#define LN2_HIGH 0x1.62e4p-1f
#define LN2_LOW 0x1.7f7d1cp-20f

struct exp_parts {
    int32_t n;
    float r;
};

INLINE struct exp_parts exp_parts(float x) {
    const float shifted = x * LOG2_E + ROUNDING, n = shifted - ROUNDING;
    return (struct exp_parts){bits_of(shifted) - bits_of(ROUNDING), x - n * LN2_HIGH - n * LN2_LOW};
}

/* (e^r - 1 - r) / r^2 for |r| <= ln 2 / 2 */
INLINE float exp_polynomial(float r) {
    float p = 0x1.694000p-10f;
    p = p * r + 0x1.125edcp-7f;
    p = p * r + 0x1.555b5ap-5f;
    p = p * r + 0x1.555450p-3f;
    return p * r + 0x1.fffff6p-2f;
}

/* e^x. x must be from -87 to 88. */
INLINE float exp_inner(float x) {
    const struct exp_parts parts = exp_parts(x);
    const float p = exp_polynomial(parts.r) * parts.r + 1.0f;
    return (p * parts.r + 1.0f) * power_of_two(parts.n);
}

/* Multiplies with 2^n as two factors, because the result may lie below the normal range. */
INLINE float exp_f32(float x) {
    const struct exp_parts parts = exp_parts(clamped(x, -104.0f, 89.0f));
    const float p = exp_polynomial(parts.r) * parts.r + 1.0f, q = p * parts.r + 1.0f;
    const int32_t half = parts.n >> 1;
    const float rest = float_of(bits_of(power_of_two(parts.n - half)) | nan_bits(x));
    return q * power_of_two(half) * rest;
}

/* e^r 2^n for |r| <= ln 2 / 2 and n from -127 to 128. The result is 0 for -127 and infinity for
 * 128. `more` are nan_bits() or 0: bits that are ORed to those of 2^n. */
INLINE float exp_scaled(float r, int32_t n, int32_t more) {
    const float s = r * r;
    const float low = r * 0x1.fffff6p-1f + 1.0f, middle = r * 0x1.555a6ap-3f + 0x1.fffdc6p-2f;
    const float p = ((r * 0x1.0fa834p-7f + 0x1.573a54p-5f) * s + middle) * s + low;
    return p * float_of(bits_of(power_of_two(n)) | more);
}

/* e^x within 2 units of the last place. Below the normal range it is 0, from e^88.4 on infinity. */
INLINE float exp_normal(float x) {
    const struct exp_parts parts = exp_parts(clamped(x, -88.0f, 89.0f));
    return exp_scaled(parts.r, parts.n, nan_bits(x));
}

/* e^x for x from -88 to 89. The error is at most 1e-7 of e^x or of 1, whichever is larger. */
INLINE float exp_short(float x, int32_t more) {
    const float shifted = x * LOG2_E + ROUNDING, n = shifted - ROUNDING;
    return exp_scaled(x - n * LN2, bits_of(shifted) - bits_of(ROUNDING), more);
}

/* e^x for x <= 0. The error is at most 1e-7. */
INLINE float exp_negative(float x) { return exp_short(larger(x, -88.0f), nan_bits(x)); }

/* Computed with half of 2^n, because 2^n itself may overflow. */
INLINE float expm1_f32(float x) {
    const struct exp_parts parts = exp_parts(clamped(x, -18.0f, 89.0f));
    const float r = parts.r, half = float_of(bits_of(power_of_two(parts.n - 1)) | nan_bits(x));
    const float p = exp_polynomial(r) * (r * r) + r;
    const float grown = 2.0f * (p * half + (half - 0.5f)), result = parts.n == 0 ? p : grown;
    return with_sign_of(result, x);
}

/* (e^2x - 1) / (e^2x + 1) */
INLINE float tanh_f32(float x) {
    const struct exp_parts parts = exp_parts(2.0f * smaller(magnitude(x), 10.0f));
    const float r = parts.r, scale = float_of(bits_of(power_of_two(parts.n)) | nan_bits(x));
    const float p = exp_polynomial(r) * (r * r) + r;
    const float grown = p * scale + (scale - 1.0f), result = grown / (grown + 2.0f);
    return with_sign_of(result, x);
}

INLINE float sigmoid_f32(float x) { return 1.0f / (1.0f + exp_normal(-x)); }

/* --- Logarithms --------------------------------------------------------------------------------
 *
 * x = 2^n m with m in [2/3, 4/3).
 */
#define TWO_THIRDS_BITS 0x3f2aaaab

/* log(1 + f) for f in [-1/3, 1/2] */
INLINE float log_polynomial(float f) {
    const float s = f * f;
    float p = -0.130310059f, q = 0.140869141f;
    p = p * s - 0.121483833f;
    q = q * s + 0.139814854f;
    p = p * s - 0.166846141f;
    q = q * s + 0.200120345f;
    p = p * s - 0.249996200f;
    p = q * f + p;
    p = p * f + 0.333331972f;
    p = p * f - 0.500000000f;
    return p * s + f;
}

INLINE float log_f32(float x) {
    const int is_small = x < 0x1p-126f;
    const int32_t bits = bits_of(is_small ? x * 0x1p23f : x);
    const int32_t n = (bits - TWO_THIRDS_BITS) >> 23;
    const float m = float_of(bits - (int32_t)((uint32_t)n << 23));
    const float exponent = (float)n - (is_small ? 23.0f : 0.0f);
    float result = exponent * 0x1.62e430p-1f + log_polynomial(m - 1.0f);
    result = x < INFINITY ? result : x; /* also for NaN */
    result = x == 0.0f ? -INFINITY : result;
    return x < 0.0f ? NAN : result;
}

/* 1 + x = 2^n (1 + f). f is computed from x instead of 1 + x, which has lost some of x's bits. */
INLINE float log1p_f32(float x) {
    const int32_t n = (bits_of(1.0f + x) - TWO_THIRDS_BITS) >> 23;
    const float scaled = float_of(bits_of(x) - (int32_t)((uint32_t)n << 23));
    const float f = scaled + (power_of_two(2 - n) * 0.25f - 1.0f);
    float result = (float)n * 0x1.62e430p-1f + log_polynomial(f);
    result = x < INFINITY ? result : x;
    result = x == -1.0f ? -INFINITY : result;
    result = x == 0.0f ? x : result;
    return x < -1.0f ? NAN : result;
}

/* --- Error function --------------------------------------------------------------------------- */

INLINE float erf_f32(float x) {
    const float size = magnitude(x), t = smaller(size, 4.0f), s = x * x, u = t * t;
    float near = -0x1.38e000p-11f;
    near = near * s + 0x1.471a58p-8f;
    near = near * s - 0x1.b691b2p-6f;
    near = near * s + 0x1.ce1c44p-4f;
    near = near * s - 0x1.812700p-2f;
    near = near * s + 0x1.06eba8p-3f;
    near = near * x + x;
    float far = -0x1.220000p-16f * t + 0x1.91cfb2p-12f;
    far = far * u + (-0x1.fd1438p-9f * t + 0x1.8d6342p-6f);
    far = far * t - 0x1.b55cb8p-4f;
    far = far * t - 0x1.450aa0p-1f;
    far = far * t - 0x1.079d0cp-3f;
    far = far * t - t;
    far = with_sign_of(1.0f - exp_inner(far), x);
    return size > 0.927734375f ? far : near;
}

/* x / 2 + |x| / 2 - |x| / 2 erfc(|x| / sqrt 2). The polynomial approximates the logarithm of erfc.
 */
INLINE float gelu_f32(float x) {
    const float half = 0.5f * x, size = magnitude(half), u = magnitude(x), s = u * u;
    const float low =
        (u * 0x1.40dd14p-8f - 0x1.2a1648p-5f) * s + (u * -0x1.45f024p-2f - 0x1.98846cp-1f);
    const float high =
        (u * -0x1.07bd4ap-19f + 0x1.c9ed24p-16f) * s + (u * -0x1.0ea35cp-13f - 0x1.8e1c6ap-14f);
    const float p = (high * (s * s) + low) * u;
    return half + size - smaller(size, 8.0f) * exp_short(larger(p, -88.0f), 0);
}

/* x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)), which equals the definition by tanh. */
INLINE float gelu_tanh_f32(float x) {
    const float power = x * (-0x1.2444f2p-4f * (x * x) - 0x1.988454p+0f);
    return x / (1.0f + exp_short(clamped(power, -88.0f, 89.0f), 0));
}

/* --- Circular functions ------------------------------------------------------------------------
 *
 * x = q pi/2 + r with |r| <= pi/4, computed in float64. That is exact enough for |x| up to 2^51;
 * results for larger arguments are meaningless.
 */
#define ROUNDING_F64 0x1.8p52

union double_bits {
    double value;
    int64_t bits;
};

/* The sine of x + quarters * pi/2 */
INLINE float shifted_sine(float x, int32_t quarters) {
    const double shifted = x * 0x1.45f306dc9c883p-1 + ROUNDING_F64, n = shifted - ROUNDING_F64;
    const int32_t quadrant = (int32_t)(union double_bits){.value = shifted}.bits + quarters;
    const float r = (float)(x - n * 0x1.921fb54442d18p0 - n * 0x1.1a62633145c07p-54);
    const float s = r * r;
    float sine = 2.86567956e-6f;
    sine = sine * s - 1.98559923e-4f;
    sine = sine * s + 8.33338592e-3f;
    sine = sine * s - 1.66666672e-1f;
    sine = (sine * s + 1.0f) * r;
    float cosine = 2.44677067e-5f;
    cosine = cosine * s - 1.38877297e-3f;
    cosine = cosine * s + 4.16666567e-2f;
    cosine = cosine * s - 5.00000000e-1f;
    cosine = cosine * s + 1.0f;
    const float size = quadrant & 1 ? cosine : sine;
    return float_of(bits_of(size) ^ (int32_t)((uint32_t)(quadrant & 2) << 30));
}

INLINE float sin_f32(float x) { return shifted_sine(x, 0); }
INLINE float cos_f32(float x) { return shifted_sine(x, 1); }

/* --- Powers ----------------------------------------------------------------------------------- */

/* The C library's function, which has many cases. Loops over it are not vectorised. */
INLINE float pow_f32(float x, float y) { return powf(x, y); }

#endif
