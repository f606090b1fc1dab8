/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elementary functions of float32. They have no tables, no calls, and no branches that depend on
 * the argument, so that loops over them vectorise. Long polynomials are computed as two halves, so
 * that a scalar pipeline can work on one while it waits for the other. NaN, infinities, overflow
 * and results below the normal range are as in PyTorch.
 *
 * Results are the same bits from every compiler, as C and as C++, on every machine; only which NaN
 * a NaN is may differ. So fused multiply-adds are written as such, integers wrap as unsigned ones,
 * and no result of a product is left next to a sum that a compiler could fuse it with.
 *
 * Largest errors, in units of the result's last place: exp, log and pow 1; expm1, log1p, sin, cos
 * and erf 2; tanh 3; sigmoid 4. The error of gelu is at most 1e-7 of its argument.
 */
#ifndef ACALSIM_ELEMENTARY_H
#define ACALSIM_ELEMENTARY_H

#include <float.h>
#include <math.h>
#include <stdint.h>

#include "bits.h"
#include "fused.h"
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
    const float shifted = fused(x, LOG2_E, ROUNDING), n = shifted - ROUNDING;
    const float r = fused(n, -LN2_LOW, fused(n, -LN2_HIGH, x));
    const struct exp_parts parts = {bits_of(shifted) - bits_of(ROUNDING), r};
    return parts;
}

/* (e^r - 1 - r) / r^2 for |r| <= ln 2 / 2 */
INLINE float exp_polynomial(float r) {
    float p = 0x1.694000p-10f;
    p = fused(p, r, 0x1.125edcp-7f);
    p = fused(p, r, 0x1.555b5ap-5f);
    p = fused(p, r, 0x1.555450p-3f);
    return fused(p, r, 0x1.fffff6p-2f);
}

/* e^r for |r| <= ln 2 / 2 */
INLINE float exp_of_rest(float r) { return fused(fused(exp_polynomial(r), r, 1.0f), r, 1.0f); }

/* e^r - 1 for |r| <= ln 2 / 2 */
INLINE float expm1_of_rest(float r) { return fused(exp_polynomial(r), r * r, r); }

/* 1 - e^x. x must be from -87 to 88. */
INLINE float one_minus_exp(float x) {
    const struct exp_parts parts = exp_parts(x);
    return fused(-exp_of_rest(parts.r), power_of_two(parts.n), 1.0f);
}

/* Multiplies with 2^n as two factors, because the result may lie below the normal range. */
INLINE float exp_f32(float x) {
    const struct exp_parts parts = exp_parts(clamped(x, -104.0f, 89.0f));
    const int32_t half = parts.n >> 1;
    const float rest = float_of(bits_of(power_of_two(parts.n - half)) | nan_bits(x));
    return exp_of_rest(parts.r) * power_of_two(half) * rest;
}

/* e^x as two factors, e^r and 2^n: they may be fused with what comes behind. */
struct exp_factors {
    float p, scale;
};

/* e^r 2^n for |r| <= ln 2 / 2 and n from -127 to 128. The product is 0 for -127 and infinity for
 * 128. `more` are nan_bits() or 0: bits that are ORed to those of 2^n. */
INLINE struct exp_factors exp_scaled(float r, int32_t n, int32_t more) {
    const float s = r * r, low = fused(r, 0x1.fffff6p-1f, 1.0f);
    const float middle = fused(r, 0x1.555a6ap-3f, 0x1.fffdc6p-2f);
    const float high = fused(r, 0x1.0fa834p-7f, 0x1.573a54p-5f);
    const struct exp_factors factors = {fused(fused(high, s, middle), s, low),
                                        float_of(bits_of(power_of_two(n)) | more)};
    return factors;
}

/* e^x within 2 units of the last place. Below the normal range it is 0, from e^88.4 on infinity. */
INLINE struct exp_factors exp_normal(float x) {
    const struct exp_parts parts = exp_parts(clamped(x, -88.0f, 89.0f));
    return exp_scaled(parts.r, parts.n, nan_bits(x));
}

/* e^x for x from -88 to 89. The error is at most 1e-7 of e^x or of 1, whichever is larger. */
INLINE struct exp_factors exp_short(float x, int32_t more) {
    const float shifted = fused(x, LOG2_E, ROUNDING), n = shifted - ROUNDING;
    return exp_scaled(fused(n, -LN2, x), bits_of(shifted) - bits_of(ROUNDING), more);
}

/* e^x for x <= 0. The error is at most 1e-7. */
INLINE float exp_negative(float x) {
    const struct exp_factors e = exp_short(larger(x, -88.0f), nan_bits(x));
    return e.p * e.scale;
}

/* Computed with half of 2^n, because 2^n itself may overflow. */
INLINE float expm1_f32(float x) {
    const struct exp_parts parts = exp_parts(clamped(x, -18.0f, 89.0f));
    const float r = parts.r, half = float_of(bits_of(power_of_two(parts.n - 1)) | nan_bits(x));
    const float p = expm1_of_rest(r);
    const float grown = 2.0f * fused(p, half, half - 0.5f), result = parts.n == 0 ? p : grown;
    return with_sign_of(result, x);
}

/* (e^2x - 1) / (e^2x + 1) */
INLINE float tanh_f32(float x) {
    const struct exp_parts parts = exp_parts(2.0f * smaller(magnitude(x), 10.0f));
    const float r = parts.r, scale = float_of(bits_of(power_of_two(parts.n)) | nan_bits(x));
    const float grown = fused(expm1_of_rest(r), scale, scale - 1.0f),
                result = grown / (grown + 2.0f);
    return with_sign_of(result, x);
}

INLINE float sigmoid_f32(float x) {
    const struct exp_factors e = exp_normal(-x);
    return 1.0f / fused(e.p, e.scale, 1.0f);
}

/* --- Logarithms --------------------------------------------------------------------------------
 *
 * x = 2^n m with m in [2/3, 4/3).
 */
#define TWO_THIRDS_BITS 0x3f2aaaabu

/* n of the float of these bits */
INLINE int32_t exponent_of(int32_t bits) {
    return (int32_t)((uint32_t)bits - TWO_THIRDS_BITS) >> 23;
}

/* The float of these bits, divided by 2^n. */
INLINE float divided_by_power(int32_t bits, int32_t n) {
    return float_of((int32_t)((uint32_t)bits - ((uint32_t)n << 23)));
}

/* log(1 + f) for f in [-1/3, 1/2] */
INLINE float log_polynomial(float f) {
    const float s = f * f;
    float p = -0.130310059f, q = 0.140869141f;
    p = fused(p, s, -0.121483833f);
    q = fused(q, s, 0.139814854f);
    p = fused(p, s, -0.166846141f);
    q = fused(q, s, 0.200120345f);
    p = fused(p, s, -0.249996200f);
    p = fused(q, f, p);
    p = fused(p, f, 0.333331972f);
    p = fused(p, f, -0.500000000f);
    return fused(p, s, f);
}

INLINE float log_f32(float x) {
    const int is_small = x < 0x1p-126f;
    const int32_t bits = bits_of(is_small ? x * 0x1p23f : x);
    const int32_t n = exponent_of(bits);
    const float m = divided_by_power(bits, n);
    const float exponent = (float)n - (is_small ? 23.0f : 0.0f);
    float result = fused(exponent, LN2, log_polynomial(m - 1.0f));
    result = x < INFINITY ? result : x; /* also for NaN */
    result = x == 0.0f ? -INFINITY : result;
    return x < 0.0f ? NAN : result;
}

/* 1 + x = 2^n (1 + f). f is computed from x instead of 1 + x, which has lost some of x's bits. */
INLINE float log1p_f32(float x) {
    const int32_t n = exponent_of(bits_of(1.0f + x));
    const float scaled = divided_by_power(bits_of(x), n);
    const float f = scaled + fused(power_of_two(2 - n), 0.25f, -1.0f);
    float result = fused((float)n, LN2, log_polynomial(f));
    result = x < INFINITY ? result : x;
    result = x == -1.0f ? -INFINITY : result;
    result = x == 0.0f ? x : result;
    return x < -1.0f ? NAN : result;
}

/* log(exp(a) + exp(b)) */
INLINE float log_add_exp_f32(float a, float b) {
    const float most = a > b ? a : b, least = a > b ? b : a;
    if (a != a || b != b) return a + b;
    return most == least && most - most != 0 ? most : log1p_f32(exp_f32(least - most)) + most;
}

/* --- Error function --------------------------------------------------------------------------- */

INLINE float erf_f32(float x) {
    const float size = magnitude(x), t = smaller(size, 4.0f), s = x * x, u = t * t;
    float near = -0x1.38e000p-11f;
    near = fused(near, s, 0x1.471a58p-8f);
    near = fused(near, s, -0x1.b691b2p-6f);
    near = fused(near, s, 0x1.ce1c44p-4f);
    near = fused(near, s, -0x1.812700p-2f);
    near = fused(near, s, 0x1.06eba8p-3f);
    near = fused(near, x, x);
    float far = fused(-0x1.220000p-16f, t, 0x1.91cfb2p-12f);
    far = fused(far, u, fused(-0x1.fd1438p-9f, t, 0x1.8d6342p-6f));
    far = fused(far, t, -0x1.b55cb8p-4f);
    far = fused(far, t, -0x1.450aa0p-1f);
    far = fused(far, t, -0x1.079d0cp-3f);
    far = fused(far, t, -t);
    far = with_sign_of(one_minus_exp(far), x);
    return size > 0.927734375f ? far : near;
}

/* x / 2 + |x| / 2 - |x| / 2 erfc(|x| / sqrt 2). The polynomial approximates the logarithm of erfc.
 */
INLINE float gelu_f32(float x) {
    const float half = 0.5f * x, size = magnitude(half), u = magnitude(x), s = u * u;
    const float low = fused(fused(u, 0x1.40dd14p-8f, -0x1.2a1648p-5f), s,
                            fused(u, -0x1.45f024p-2f, -0x1.98846cp-1f));
    const float high = fused(fused(u, -0x1.07bd4ap-19f, 0x1.c9ed24p-16f), s,
                             fused(u, -0x1.0ea35cp-13f, -0x1.8e1c6ap-14f));
    const struct exp_factors e = exp_short(larger(fused(high, s * s, low) * u, -88.0f), 0);
    return fused(-smaller(size, 8.0f), e.p * e.scale, half + size);
}

/* x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)), which equals the definition by tanh. */
INLINE float gelu_tanh_f32(float x) {
    const float power = x * fused(-0x1.2444f2p-4f, x * x, -0x1.988454p+0f);
    const struct exp_factors e = exp_short(clamped(power, -88.0f, 89.0f), 0);
    return x / fused(e.p, e.scale, 1.0f);
}

/* --- Circular functions ------------------------------------------------------------------------
 *
 * x = q pi/2 + r with |r| <= pi/4, computed in float64. That is exact enough for |x| up to 2^51;
 * results for larger arguments are meaningless.
 */
#define ROUNDING_F64 0x1.8p52

/* The sine of x + quarters * pi/2 */
INLINE float shifted_sine(float x, int32_t quarters) {
    const double shifted = fused_f64(x, 0x1.45f306dc9c883p-1, ROUNDING_F64);
    const double n = shifted - ROUNDING_F64;
    const int32_t quadrant = (int32_t)((uint32_t)bits_of_f64(shifted) + (uint32_t)quarters);
    const float r =
        (float)fused_f64(n, -0x1.1a62633145c07p-54, fused_f64(n, -0x1.921fb54442d18p0, x));
    const float s = r * r;
    float sine = 2.86567956e-6f;
    sine = fused(sine, s, -1.98559923e-4f);
    sine = fused(sine, s, 8.33338592e-3f);
    sine = fused(sine, s, -1.66666672e-1f);
    sine = fused(sine, s, 1.0f) * r;
    float cosine = 2.44677067e-5f;
    cosine = fused(cosine, s, -1.38877297e-3f);
    cosine = fused(cosine, s, 4.16666567e-2f);
    cosine = fused(cosine, s, -5.00000000e-1f);
    cosine = fused(cosine, s, 1.0f);
    const float size = quadrant & 1 ? cosine : sine;
    return float_of(bits_of(size) ^ (int32_t)((uint32_t)(quadrant & 2) << 30));
}

INLINE float sin_f32(float x) { return shifted_sine(x, 0); }
INLINE float cos_f32(float x) { return shifted_sine(x, 1); }

/* --- Powers ----------------------------------------------------------------------------------- */

/* The C library's function, which has many cases. Loops over it are not vectorised. */
/* --- Powers -------------------------------------------------------------------------------------
 *
 * |x|^y = 2^(y log2 |x|) in float64, which loses no digit that a float32 has.
 */

/* log2 of a float above 0: x = 2^n m with m between sqrt(1/2) and sqrt(2), and with s = (m - 1) /
 * (m + 1), ln m = 2 (s + s^3/3 + s^5/5 + ...). */
INLINE double log2_f64(float x) {
    const double wide = x;
    const uint64_t sqrt_half_bits = 0x3fe6a09e667f3bcdu;
    uint64_t bits;
    __builtin_memcpy(&bits, &wide, sizeof bits);
    const int64_t n = (int64_t)(bits - sqrt_half_bits) >> 52;
    bits -= (uint64_t)n << 52;
    double m;
    __builtin_memcpy(&m, &bits, sizeof m);
    const double s = (m - 1.0) / (m + 1.0), z = s * s;
    double sum = 1.0 / 19;
    sum = fused_f64(sum, z, 1.0 / 17);
    sum = fused_f64(sum, z, 1.0 / 15);
    sum = fused_f64(sum, z, 1.0 / 13);
    sum = fused_f64(sum, z, 1.0 / 11);
    sum = fused_f64(sum, z, 1.0 / 9);
    sum = fused_f64(sum, z, 1.0 / 7);
    sum = fused_f64(sum, z, 1.0 / 5);
    sum = fused_f64(sum, z, 1.0 / 3);
    sum = fused_f64(sum, z, 1.0);
    return fused_f64(0x1.71547652b82fep+1 * s, sum, (double)n);
}

/* 2^t for t between -200 and 200, by the series of e^(r ln 2). */
INLINE double exp2_f64(double t) {
    const double shifted = t + ROUNDING_F64; /* whose last bits are the nearest integer's */
    const double r = (t - (shifted - ROUNDING_F64)) * 0x1.62e42fefa39efp-1;
    double sum = 1.0 / 479001600;
    sum = fused_f64(sum, r, 1.0 / 39916800);
    sum = fused_f64(sum, r, 1.0 / 3628800);
    sum = fused_f64(sum, r, 1.0 / 362880);
    sum = fused_f64(sum, r, 1.0 / 40320);
    sum = fused_f64(sum, r, 1.0 / 5040);
    sum = fused_f64(sum, r, 1.0 / 720);
    sum = fused_f64(sum, r, 1.0 / 120);
    sum = fused_f64(sum, r, 1.0 / 24);
    sum = fused_f64(sum, r, 1.0 / 6);
    sum = fused_f64(sum, r, 0.5);
    sum = fused_f64(sum, r, 1.0);
    sum = fused_f64(sum, r, 1.0);
    const uint64_t bits = ((uint64_t)bits_of_f64(shifted) + 1023) << 52;
    double scale;
    __builtin_memcpy(&scale, &bits, sizeof scale);
    return sum * scale;
}

INLINE float pow_f32(float x, float y) {
    const float size = magnitude(x);
    double l = log2_f64(size);
    l = size == 0.0f ? -__builtin_inf() : size == __builtin_inff() ? __builtin_inf() : l;
    double t = l == 0.0 ? 0.0 : (double)y * l;
    t = t < 200.0 ? t : 200.0; /* NaN as well */
    t = t > -200.0 ? t : -200.0;
    const float result = (float)exp2_f64(t);
    const float near = clamped(y, -0x1p24f, 0x1p24f);   /* floats beyond are even */
    const double shifted = (double)near + ROUNDING_F64; /* no conversion, as rounding.h says */
    const int is_whole = (float)(shifted - ROUNDING_F64) == near;
    const int is_odd = is_whole & (int)bits_of_f64(shifted) & 1;
    const float signed_result = bits_of(x) < 0 && is_odd ? -result : result;
    const int is_real = x == x && y == y && (!(x < 0.0f) || size == __builtin_inff() || is_whole);
    const float found = is_real ? signed_result : __builtin_nanf("");
    return y == 0.0f || x == 1.0f ? 1.0f : found;
}

#endif
